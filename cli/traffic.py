"""Messages and packets of clients on the wire, for the trace, the capture and the ladder diagram."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Self

from wic.media import Capture
from wic.network.names import EPCSCF
from wic.sip.trace import Direction, format_message

from .failures import OutputFailed
from .ladder import Arrow

if TYPE_CHECKING:
    from types import TracebackType

    from wic.accounts import Account
    from wic.client import Client
    from wic.network import ImsNetwork
    from wic.sip.flow import Flow

    from .options import CommonOptions

MOST_ARROWS = 400
"""Most arrows on a ladder; a longer one is of no use."""

_CSEQ_METHOD = re.compile(rb"^CSeq[ \t]*:[ \t]*\d+[ \t]+([A-Za-z]+)", re.IGNORECASE | re.MULTILINE)


_DIGEST = re.compile(rb"^Authorization[ \t]*:[ \t]*Digest[ \t]+(.*)", re.IGNORECASE | re.MULTILINE)
_ALGORITHM = re.compile(rb"\balgorithm[ \t]*=[ \t]*\"?([A-Za-z0-9-]+)", re.IGNORECASE)
_CALL_ID = re.compile(rb"^(?:Call-ID|i)[ \t]*:[ \t]*([^\s@]{1,8})", re.IGNORECASE | re.MULTILINE)


class TrafficMonitor:
    """Observer of clients that keeps what a command shows of their traffic."""

    def __init__(self, settings: CommonOptions) -> None:
        self._settings = settings
        self._capture = Capture(settings.pcap) if settings.pcap else None
        self.arrows: list[Arrow] = []
        self.participants: list[str] = []
        self.algorithms: dict[str, str] = {}
        """Algorithm of the last Digest or AKA response of each client to a challenge of its REGISTER."""

    def attach(self, client: Client, name: str = "") -> None:
        """Observe a client.

        Args:
            client: the client, before it is registered.
            name: its column on the ladder; left empty, the user part of its private identity.
        """
        name = name or name_of(client.account)
        self._add_column(name)
        self._add_column(EPCSCF)  # once, right of the first client

        def observe(now: float, direction: Direction, data: bytes, flow: Flow) -> None:
            self._keep(name, now, direction, data, flow)

        client.on_message(observe)
        if self._capture is not None:
            client.on_packet(self._capture.packet)

    def attach_network(self, ims: ImsNetwork, entity: str) -> None:
        """Observe the messages of one entity of a network; it gets a column on the ladder."""
        self._add_column(entity)

        def observe(name: str, now: float, direction: Direction, data: bytes, flow: Flow) -> None:
            if name == entity:  # the network shows each message at both of its ends
                self._keep(entity, now, direction, data, flow)

        ims.on_message(observe)

    def _add_column(self, name: str) -> None:
        if name not in self.participants:
            self.participants.append(name)

    def _keep(self, name: str, now: float, direction: Direction, data: bytes, flow: Flow) -> None:
        """Keep a message that `name` sent to the eP-CSCF, or received from it."""
        if not data.strip():  # a keep-alive
            return
        sent = direction is Direction.SENT
        at = time.time()  # the clock of logs and of media packets; the ladder goes by the loop's, which never leaps
        if len(self.arrows) < MOST_ARROWS:
            source, target = (name, EPCSCF) if sent else (EPCSCF, name)
            self.arrows.append(Arrow(at=now, source=source, target=target, label=label_of(data)))
        if sent and data.startswith(b"REGISTER "):
            self.algorithms.update({name: found} if (found := _algorithm_of(data)) else {})
        if self._capture is not None:
            # A capture shows packets from sender to receiver, so the addresses follow the direction.
            addresses = (flow.local, flow.remote) if sent else (flow.remote, flow.local)
            self._capture.packet(at, "sip", *addresses, data)
        if self._settings.trace:
            owner = f"{name}{_dialog_of(data)}"
            self._settings.console.trace(format_message(data, direction=direction, flow=flow, at=at, owner=owner))

    def show_ladder(self) -> None:
        """Print the messages since the last ladder."""
        self._settings.console.ladder(self.participants, self.arrows)
        self.arrows.clear()  # `wic answer` prints a ladder for each call

    def close(self) -> OutputFailed | None:
        """Close the capture, and return the reason for which it is not complete; None if it is."""
        if self._capture is None:
            return None
        self._capture.close()
        return None if self._capture.failure is None else OutputFailed.of(self._capture.path, self._capture.failure)

    def __enter__(self) -> Self:
        """Observe for the length of a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the capture.

        Raises:
            OutputFailed: it is not complete.
        """
        failure = self.close()
        if failure is not None and error is None:
            raise failure


def name_of(account: Account) -> str:
    """Return the name of a client in traces and on ladders."""
    return (account.impi or account.name).partition("@")[0]


def _algorithm_of(register: bytes) -> str | None:
    """Return the algorithm of a response to a challenge; None if there is no response."""
    found = _DIGEST.search(register)
    if found is None or b'response=""' in found[1]:  # TS 24.229 §5.1.1.2.2: the first REGISTER has an empty one
        return None
    named = _ALGORITHM.search(found[1])
    return named[1].decode() if named else "MD5"  # RFC 7616 §3.3: without a name


def _dialog_of(data: bytes) -> str:
    """Return the beginning of a message's Call-ID in brackets, which tells calls apart; empty if there is none."""
    found = _CALL_ID.search(data.partition(b"\r\n\r\n")[0])
    return f" [{found[1].decode(errors='replace')}]" if found else ""


def label_of(data: bytes) -> str:
    r"""Return a short name of a SIP message: its method, or its status and the method it responds to.

    >>> label_of(b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\n")
    '200 OK (INVITE) +SDP'
    >>> label_of(b"BYE sip:bob@ims.example SIP/2.0\r\nCSeq: 2 BYE\r\n\r\n")
    'BYE'
    """
    head, _, body = data.partition(b"\r\n\r\n")
    start = head.partition(b"\r\n")[0].decode(errors="replace")
    if start.startswith("SIP/2.0 "):  # RFC 3261 §7.2: a Status-Line; the method stands in CSeq
        method = _CSEQ_METHOD.search(head)
        label = start[8:] + (f" ({method[1].decode()})" if method else "")
    else:
        label = start.partition(" ")[0]
    return label + (" +SDP" if b"application/sdp" in head or body.startswith(b"v=0") else "")
