"""wic: a headless WebRTC IMS Client (3GPP TS 24.371) and the IMS network it needs.

The names below are all that most programs need. They are loaded when they are first used (PEP 562),
so that `import wic.sip` alone does not load media libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from wic._version import __version__

if TYPE_CHECKING:
    from wic.accounts import Account
    from wic.client import Call, CallOutcome, CallReport, Client, ClientOptions
    from wic.errors import (
        AuthenticationFailed,
        CallCancelled,
        CallFailed,
        CallRejected,
        ConfigurationError,
        MediaFailed,
        RegistrationFailed,
        TransportError,
        WicError,
    )
    from wic.media import Count, Echo, PcmFrame, PcmSink, PcmSource, Silence, Tone, WavFile, WavRecorder

__all__ = [
    "Account",
    "AuthenticationFailed",
    "Call",
    "CallCancelled",
    "CallFailed",
    "CallOutcome",
    "CallRejected",
    "CallReport",
    "Client",
    "ClientOptions",
    "ConfigurationError",
    "Count",
    "Echo",
    "MediaFailed",
    "PcmFrame",
    "PcmSink",
    "PcmSource",
    "RegistrationFailed",
    "Silence",
    "Tone",
    "TransportError",
    "WavFile",
    "WavRecorder",
    "WicError",
    "__version__",
]

_HOMES = ("wic.errors", "wic.accounts", "wic.media", "wic.client")  # the quickest to load first


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    if name in __all__:  # else `wic.client` and the like, which the import system asks for too, would load all
        for home in map(import_module, _HOMES):
            if hasattr(home, name):
                value: object = getattr(home, name)
                globals()[name] = value  # found without this function from now on
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)  # with those that are not loaded yet
