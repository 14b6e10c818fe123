"""Log of the HTTP servers that browsers come to, without the faults of their peers.

A peer could fill the log with tracebacks of broken requests, and they repeat the beginning of a URL, where codes and
states stand.
"""

from __future__ import annotations

import logging
from typing import Final

from aiohttp.http import HttpProcessingError


def _is_own_fault(record: logging.LogRecord) -> bool:
    cause = record.exc_info[1] if record.exc_info else None
    return not isinstance(cause, HttpProcessingError | ConnectionResetError)  # the latter: it left within its request


http_log: Final = logging.getLogger(__name__)
"""For the `logger` of aiohttp's servers."""
http_log.addFilter(_is_own_fault)
