"""The SUBSCRIBEs of a subscription: one Call-ID and From tag, a CSeq that rises (RFC 6665 §4.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.headers.address import NameAddr
from wic.sip.headers.cseq import CSeq
from wic.sip.message import Request
from wic.sip.random_source import call_id, tag

if TYPE_CHECKING:
    from wic.sip.dialog import Dialog
    from wic.sip.random_source import RandomSource
    from wic.sip.subscription.options import Subscriber, SubscriptionOptions

__all__ = ["SubscribeSeries"]


class SubscribeSeries:
    """Builds them; another subscription takes another series.

    Args:
        tokens: where Call-ID and tag come from.
        options: what to subscribe to.
    """

    __slots__ = (
        "_options",
        "call_id",
        "cseq",
        "tag",
    )

    def __init__(self, random_source: RandomSource, options: SubscriptionOptions) -> None:
        self.call_id = call_id(random_source)
        self.tag = tag(random_source)
        """The From tag."""
        self.cseq = 0
        """Of the last SUBSCRIBE outside a dialog."""
        self._options = options

    def build(self, party: Subscriber, dialog: Dialog | None, expires: int) -> Request:
        """Return the next SUBSCRIBE.

        Args:
            party: who subscribes.
            dialog: what it belongs to; None makes one.
            expires: seconds to ask for.
        """
        headers = self._headers(party, expires)
        if dialog is not None:
            return dialog.create_request("SUBSCRIBE", headers)
        self.cseq += 1
        lines: list[tuple[str, object]] = [("Route", hop) for hop in party.routes]
        lines += [
            ("From", NameAddr("", party.identity).with_tag(self.tag)),
            ("To", NameAddr("", party.resource)),
            ("Call-ID", self.call_id),
            ("CSeq", CSeq(self.cseq, "SUBSCRIBE")),
            *headers,
        ]
        return Request.build("SUBSCRIBE", party.resource, lines)

    def _headers(self, party: Subscriber, expires: int) -> list[tuple[str, object]]:
        headers: list[tuple[str, object]] = [
            ("Contact", party.contact),
            ("Event", self._options.package),
            ("Expires", expires),
        ]
        if self._options.accept:
            headers.append(("Accept", ", ".join(self._options.accept)))
        return [*headers, *self._options.headers]
