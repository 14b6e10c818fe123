"""Tag that names the data channel of an MSRP message, between two gateways of wic.

Neither TS 24.371 nor RFC 4975 defines how the data channels of one SCTP association are told apart on the one MSRP
session that carries them (TS 24.371 §8.1, editor's note). Here it is an MSRP extension header (RFC 4975 §9, ext-header)::

    WebRTC-Channel: 2;event=open;label=chat;protocol=

Other MSRP peers ignore the header; their messages, which lack it, belong to one default channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote, unquote

HEADER = "WebRTC-Channel"


class ChannelEvent(Enum):
    """Effect of a message on its channel."""

    OPEN = "open"
    DATA = "data"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class ChannelTag:
    """The value of the header.

    Attributes:
        number: names the channel within the session; even from the side that offered, odd from the other.
        event: the effect of the message.
        label: the channel's label, with the event OPEN.
        protocol: the channel's subprotocol, with the event OPEN.
        ordered: whether its messages keep their order, with the event OPEN.
    """

    number: int
    event: ChannelEvent = ChannelEvent.DATA
    label: str = ""
    protocol: str = ""
    ordered: bool = True

    @classmethod
    def parse(cls, text: str) -> ChannelTag | None:
        """Read a header value; None if it is not of this form.

        >>> ChannelTag.parse("2;event=open;label=a%20b").label
        'a b'
        """
        number, *parameters = text.split(";")
        values = dict(parameter.strip().partition("=")[::2] for parameter in parameters)
        if not (number.isascii() and number.isdigit() and len(number) <= 5):
            return None
        try:
            event = ChannelEvent(values.get("event", "data"))
        except ValueError:
            return None
        return cls(
            int(number),
            event,
            unquote(values.get("label", "")),
            unquote(values.get("protocol", "")),
            values.get("ordered") != "false",
        )

    def __str__(self) -> str:
        if self.event is not ChannelEvent.OPEN:
            return f"{self.number};event={self.event.value}"
        order = "" if self.ordered else ";ordered=false"
        label, protocol = quote(self.label, safe=""), quote(self.protocol, safe="")
        return f"{self.number};event=open;label={label};protocol={protocol}{order}"
