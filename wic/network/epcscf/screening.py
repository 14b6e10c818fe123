"""Requests that no dialog and no user agent could make sense of, and that go no further than the eP-CSCF.

What a user agent would have to refuse is refused here, in both directions: behind the eP-CSCF it would open a dialog that
no request can be sent in, or carry an offer that belongs to no call, past the eIMS-AGW.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.methods import DIALOG_FORMING, TARGET_REFRESH, WITHIN_DIALOG

if TYPE_CHECKING:
    from collections.abc import Collection

    from wic.sip.message import Request
    from wic.sip.uri import Uri


def is_emergency(uri: Uri, numbers: Collection[str], domain: str) -> bool:
    """Tell whether a Request-URI names an emergency service, or is one of its numbers (TS 24.371 §7.4.4)."""
    if uri.is_sip:
        return uri.host.lower() == domain.lower() and uri.username.partition(";")[0] in numbers
    name = uri.aor().opaque.lower()
    return name in numbers if uri.scheme == "tel" else f"{name}.".startswith("service:sos.")  # RFC 5031 §4.2


def screen(request: Request) -> tuple[int, str | None] | None:
    """Return status and reason of the answer to a request that is not to be forwarded; None lets it pass.

    Raises:
        MalformedHeader: To, or a Contact that is needed, cannot be read.
    """
    in_dialog = request.to.tag is not None
    if not in_dialog and request.method in WITHIN_DIALOG:
        # RFC 3261 §12.2.2, §15.1.2; RFC 3262 §3, RFC 3311 §5.2, RFC 6086 §4.2.2, RFC 6665 §4.1.3: there is no such dialog.
        return 481, None
    if request.method not in TARGET_REFRESH:
        return None  # a Contact that it has means nothing (RFC 3261 table 2)
    contacts = request.contacts
    if not contacts and not in_dialog and request.method in DIALOG_FORMING:
        # RFC 3261 §8.1.1.8, §12.1.1: the far end could send nothing in the dialog.
        return 400, "Missing Contact"
    if len(contacts) > 1:
        return 400, "More Than One Contact"  # RFC 3261 §8.1.1.8
    if any(not contact.uri.is_sip for contact in contacts):
        return 400, "Contact Is No SIP URI"  # RFC 3261 §8.1.1.8
    return None
