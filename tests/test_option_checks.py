"""Numbers in options: each class of them refuses one that cannot work, in one sentence that names it."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from dataclasses import MISSING, fields, is_dataclass

import pytest

import wic
from wic.errors import ConfigurationError
from wic.network import NetworkOptions
from wic.network.agw.gateway import AgwOptions
from wic.option_checks import NumericOptions


def is_number(field) -> bool:
    return {"int", "float"} & set(str(field.type).split(" | ")) != set()


def option_classes() -> list[type]:
    modules = [importlib.import_module(each.name) for each in pkgutil.walk_packages(wic.__path__, "wic.")]
    found = {
        each
        for module in modules
        for name, each in inspect.getmembers(module, inspect.isclass)
        if each.__module__ == module.__name__ and is_dataclass(each) and name.endswith(("Options", "Limits", "Timers"))
    }
    return sorted(found, key=lambda each: each.__qualname__)


CLASSES = [each for each in option_classes() if each.__name__ != "TuakOptions" and any(map(is_number, fields(each)))]
"""Those with numbers; each of TUAK has values of its own (TS 35.231)."""
NUMBERS = [(each, field.name) for each in CLASSES for field in fields(each) if is_number(field)]


def make(kind: type, **values: object) -> object:
    """Return options with these values, and something in the place of what has no default."""
    needed = [each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING]
    return kind(**dict.fromkeys(needed), **values)


@pytest.mark.parametrize(("kind", "name"), NUMBERS, ids=lambda each: getattr(each, "__name__", each))
def test_a_number_that_cannot_work_is_refused(kind, name) -> None:
    for value in (-1, -0.5, math.nan, math.inf, -math.inf):
        with pytest.raises(ConfigurationError, match=f"^{name} must be a .+, not {value}$"):
            make(kind, **{name: value})
    field = next(each for each in fields(kind) if each.name == name)
    if name in kind.may_be_zero or field.default == 0:
        make(kind, **{name: 0})
    else:
        with pytest.raises(ConfigurationError, match=f"^{name} must be a .*number above 0, not 0$"):
            make(kind, **{name: 0})


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_of_options_checks_its_numbers(kind) -> None:
    assert issubclass(kind, NumericOptions)
    names = {each.name for each in fields(kind)}
    assert set(kind.may_be_zero) <= names
    assert make(kind)


def test_what_is_counted_is_whole_and_a_port_is_one() -> None:
    with pytest.raises(ConfigurationError, match=r"^requests_at_once must be a whole number above 0, not 1\.5$"):
        NetworkOptions(requests_at_once=1.5)
    with pytest.raises(ConfigurationError, match=r"^msrp_port must be a port up to 65535, not 65536$"):
        AgwOptions(msrp_port=65536)
