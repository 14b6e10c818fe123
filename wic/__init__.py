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

_HOMES = {
    "wic.accounts": ("Account",),
    "wic.client": ("Call", "CallOutcome", "CallReport", "Client", "ClientOptions"),
    "wic.errors": (
        "AuthenticationFailed",
        "CallCancelled",
        "CallFailed",
        "CallRejected",
        "ConfigurationError",
        "MediaFailed",
        "RegistrationFailed",
        "TransportError",
        "WicError",
    ),
    "wic.media": ("Count", "Echo", "PcmFrame", "PcmSink", "PcmSource", "Silence", "Tone", "WavFile", "WavRecorder"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
