"""Keep-alives within the interval that the network names (RFC 5626 §4.4, RFC 6223 §4.3)."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.client.options import ClientOptions
    from wic.registration import Binding
    from wic.transport.base import Connection

__all__ = ["agree_keep_alive"]

_log = logging.getLogger(__name__)
_LEAST = 1.0


def agree_keep_alive(connection: Connection, binding: Binding, options: ClientOptions) -> None:
    """Send CRLF keep-alives within the interval that a binding names, if it names one.

    The interval is drawn between 80 and 100 per cent of it (RFC 5626 §4.4), and leaves the peer its time to
    answer, so that a flow that failed is noticed within it.
    """
    asked = binding.flow_timer or binding.keep_alive  # Flow-Timer of RFC 5626 §4.4, `keep` of RFC 6223 §4.3
    if not asked:  # the interval of the options stays
        return
    every = asked * (0.8 + 0.2 * options.draw())
    answer_within = min(options.keep_alive.answer_within, max(_LEAST, every / 2))
    every = max(_LEAST, every - answer_within)  # a network that names 0.1 s gets no more than one a second
    try:
        connection.keep_alive(replace(options.keep_alive, every=every, answer_within=answer_within, crlf=True))
    except Exception:  # noqa: BLE001 - of `ClientOptions.dial`, foreign code: without other keep-alives it is of use still
        _log.warning("the keep-alive that the network asks for cannot be set", exc_info=True)
