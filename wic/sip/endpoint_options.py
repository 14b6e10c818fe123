"""Options of an endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from wic.sip.limits import Limits
from wic.sip.params import Params
from wic.sip.timers import RFC3261, Timers

if TYPE_CHECKING:
    from collections.abc import Mapping


_LIMITS: Final = Limits()
_RPORT: Final = Params((("rport", None),))


class Role(Enum):
    """Kind of element that uses the transactions."""

    USER_AGENT = "user agent"
    """Requests belong to dialogs, a 2xx to INVITE is repeated until its ACK, merged requests get 482."""
    PROXY = "proxy"
    """Requests belong to no dialog, every 2xx and its ACK are passed on, Timer C runs.

    The exception is a dialog that was registered all the same: an element may notify or subscribe in its own name.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """Options of an `Endpoint`."""

    role: Role = Role.USER_AGENT
    timers: Timers = RFC3261
    methods: frozenset[str] | None = None
    """Methods that are let through, others get 405 or 501; None lets the user decide."""
    extensions: frozenset[str] | None = None
    """Option tags (lower case) that a Require may name, others get 420; None lets the user decide.

    In the proxy role it is Proxy-Require, and None means that there are none.
    """
    limits: Limits = _LIMITS
    via: Mapping[str, str] = field(default_factory=dict)
    """Sent-by of our Via by transport, such as `{"WSS": "x7k2.invalid", "UDP": "10.0.0.1:5060"}`.

    A transport that is not listed uses the flow's local address.
    """
    via_params: Params = _RPORT
    """Parameters of our Via after the branch, in every request (RFC 3581 `rport`)."""
