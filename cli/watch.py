"""Watch what clients say on the wire: for the trace, the capture, and the ladder diagram."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from wic.media import Capture
from wic.transport.driver import Direction

from .ladder import Arrow

if TYPE_CHECKING:
    from wic.client import Client
    from wic.sip.flow import Flow

    from .options import Common

NETWORK = "eP-CSCF"
"""What a client's peer on W2 is called on the ladder."""

MOST_ARROWS = 400
"""A ladder that nobody reads any more need not grow."""

_CSEQ_METHOD = re.compile(rb"^CSeq[ \t]*:[ \t]*\d+[ \t]+([A-Za-z]+)", re.IGNORECASE | re.MULTILINE)


class Watch:
    """Attaches to clients, and keeps what a command shows of them."""

    def __init__(self, settings: Common) -> None:
        self._settings = settings
        self._capture = Capture(settings.pcap) if settings.pcap else None
        self.arrows: list[Arrow] = []
        self.participants: list[str] = []

    def attach(self, client: Client, name: str) -> None:
        """Watch a client; its column on the ladder is `name`."""
        if not self.participants:
            self.participants = [name, NETWORK]
        else:
            self.participants.append(name)
        epoch = time.time() - time.monotonic()  # observers are told the loop's time

        def observe(now: float, direction: Direction, data: bytes, flow: Flow) -> None:
            sent = direction is Direction.SENT
            ends = (name, NETWORK) if sent else (NETWORK, name)
            if len(self.arrows) < MOST_ARROWS and data.strip():
                self.arrows.append(Arrow(at=now, source=ends[0], target=ends[1], label=label_of(data)))
            if self._capture is not None and data.strip():
                addresses = (flow.local, flow.remote) if sent else (flow.remote, flow.local)
                self._capture.packet(epoch + now, "sip", *addresses, data)

        client.on_message(observe)
        if self._capture is not None:
            client.on_packet(self._capture.packet)
        if self._settings.trace:
            client.on_trace(self._settings.console.trace)

    def show_ladder(self) -> None:
        """Draw what was seen."""
        self._settings.console.ladder(self.participants, self.arrows)

    def close(self) -> None:
        """Write the capture out."""
        if self._capture is not None:
            self._capture.close()


def label_of(data: bytes) -> str:
    r"""Name a SIP message in a few words: its method, or its status and what it answers.

    >>> label_of(b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\n")
    '200 OK (INVITE) +SDP'
    >>> label_of(b"BYE sip:bob@ims.example SIP/2.0\r\nCSeq: 2 BYE\r\n\r\n")
    'BYE'
    """
    head, _, body = data.partition(b"\r\n\r\n")
    start = head.partition(b"\r\n")[0].decode(errors="replace")
    if start.startswith("SIP/2.0 "):
        method = _CSEQ_METHOD.search(head)
        label = start[8:] + (f" ({method[1].decode()})" if method else "")
    else:
        label = start.partition(" ")[0]
    return label + (" +SDP" if b"application/sdp" in head or body.startswith(b"v=0") else "")
