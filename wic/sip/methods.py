"""Properties of SIP methods that several elements have to agree on."""

from __future__ import annotations

from typing import Final

DIALOG_FORMING: Final = frozenset({"INVITE", "SUBSCRIBE", "REFER", "NOTIFY"})
"""Methods of requests that may establish a dialog.

A proxy that wants to see the later requests record-routes them, and a 2xx to one carries its Record-Route: INVITE
(RFC 3261 §12.1.1), SUBSCRIBE and NOTIFY (RFC 6665 §4.3, §4.4.1), REFER (RFC 3515 §2.4.4).
"""
TARGET_REFRESH: Final = DIALOG_FORMING | {"UPDATE"}
"""Methods of requests whose Contact, and that of their 2xx, replaces the remote target (RFC 5057 §5.4, RFC 3311 §5.1)."""
WITHIN_DIALOG: Final = frozenset({"BYE", "INFO", "NOTIFY", "PRACK", "UPDATE"})
"""Methods of requests that mean something only within a dialog: BYE (RFC 3261 §15), INFO (RFC 6086 §4.2.2), NOTIFY
(RFC 6665 §4.1.3), PRACK (RFC 3262 §3), UPDATE (RFC 3311 §5.1).
"""
INITIAL_MAX_FORWARDS: Final = 70
"""Max-Forwards of a request that begins here (RFC 3261 §8.1.1.6), or that came without one (§16.6 step 3)."""
