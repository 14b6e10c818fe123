"""Web origins that may open a WebSocket (TS 33.203 §X.2.1, RFC 6455 §4.2.2, §10.2)."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.network.epcscf.options import EPcscfOptions


def allowed_origins(options: EPcscfOptions) -> tuple[str | re.Pattern[str] | None, ...] | None:
    """Return the values of Origin that are let in, where None stands for its absence; None lets in all."""
    if options.origins is None:
        return None
    hosts = map(re.escape, _names_of(options.name or options.host))
    pages = [re.compile(rf"https?://{host}(:[0-9]{{1,5}})?", re.IGNORECASE) for host in hosts]  # from any port
    return (*options.origins, *pages, *([None] if options.native_clients else []))


def _names_of(host: str) -> list[str]:
    """Return the names by which pages reach a host; a server of all addresses has none of its own."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return [host]
    if address.is_unspecified:
        return []
    return [f"[{address}]" if address.version == 6 else host, *(["localhost"] if address.is_loopback else [])]
