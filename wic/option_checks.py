"""Check of the numbers in options, one for all classes of them."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from dataclasses import Field

_LAST_PORT = 65535


class NumericOptions:
    """Base of dataclasses of options: each number is finite and above 0.

    It may be 0 where that is its default, or where the class says so.

    Raises:
        ConfigurationError: a number is out of its range, or no whole one where it counts something.
    """

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    may_be_zero: ClassVar[tuple[str, ...]] = ()
    """Names of further fields that may be 0."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            whole = "float" not in str(field.type)
            least = "of 0 or more" if field.default == 0 or field.name in self.may_be_zero else "above 0"
            if not (0 <= value < math.inf) or (value == 0 and least == "above 0") or (whole and value % 1):
                kind = "whole number" if whole else "number"
                raise ConfigurationError(f"{field.name} must be a {kind} {least}, not {value}")
            if field.name.endswith("port") and value > _LAST_PORT:
                raise ConfigurationError(f"{field.name} must be a port up to {_LAST_PORT}, not {value}")
