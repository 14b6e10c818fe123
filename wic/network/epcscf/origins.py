"""Which web pages may open a WebSocket (TS 33.203 §X.2.1, RFC 6455 §4.2.2, RFC 7118 §7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.network.epcscf.options import EPcscfOptions

_ANY_ADDRESS = ("0.0.0.0", "::", "")


def allowed_origins(options: EPcscfOptions) -> tuple[str | re.Pattern[str] | None, ...] | None:
    """Return the values of Origin that are let in, where None stands for its absence; None lets in all."""
    if options.origins is None:
        return None
    allowed: list[str | re.Pattern[str] | None] = list(options.origins)
    if options.host not in _ANY_ADDRESS:
        allowed.append(_pages_of(options.host))
    if options.native_clients:
        allowed.append(None)
    return tuple(allowed)


def _pages_of(host: str) -> re.Pattern[str]:
    """Return what the origins of a host's pages look like, whichever port they come from."""
    name = f"[{host}]" if ":" in host else host
    return re.compile(rf"https?://{re.escape(name)}(:[0-9]{{1,5}})?", re.IGNORECASE)
