"""WWSF: the WebRTC Web Server Function, where a WIC begins (TS 24.371 §5.3, §6.3)."""

from wic.network.wwsf.options import WwsfOptions
from wic.network.wwsf.server import Wwsf
from wic.network.wwsf.store import WwsfStore

__all__ = ["Wwsf", "WwsfOptions", "WwsfStore"]
