"""The IMS network that a WIC needs: eP-CSCF, eIMS-AGW, S-CSCF, HSS, WAF, WWSF.

The names below are loaded when they are first used (PEP 562): keeping subscribers needs no media libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.network.enrolment import NewSubscriber
    from wic.network.hss import Hss
    from wic.network.network import ImsNetwork
    from wic.network.options import NetworkOptions

__all__ = ["Hss", "ImsNetwork", "NetworkOptions", "NewSubscriber"]

_HOMES = {
    "Hss": "wic.network.hss",
    "ImsNetwork": "wic.network.network",
    "NetworkOptions": "wic.network.options",
    "NewSubscriber": "wic.network.enrolment",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
