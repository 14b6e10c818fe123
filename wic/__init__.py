"""wic: a headless WebRTC IMS Client (3GPP TS 24.371) and the IMS network it needs."""

from wic._version import __version__

__all__ = ["__version__"]
