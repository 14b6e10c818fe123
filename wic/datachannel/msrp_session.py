"""One MSRP session: messages to chunks, chunks to messages, and the responses between them (RFC 4975 §7).

A message goes out in chunks, and each chunk is a request with a response of its own: a message has failed with the first
response that is not 200, or when one does not come in time. Chunks that arrive are put together within limits, for a peer
may begin any number of messages and end none. Responses and deadlines are kept in the order of sending, which is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from wic.datachannel.msrp import ByteRange, MsrpLimits, MsrpRefused, MsrpRequest, MsrpResponse, header_value
from wic.errors import LocalProtocolError

if TYPE_CHECKING:
    from wic.datachannel.msrp import MsrpMessage, MsrpUri
    from wic.sip.random_source import RandomSource

CHUNK_SIZE = 16_384
RESPONSE_TIMEOUT = 30.0
"""Seconds that a response may take (RFC 4975 §7.1.1)."""
_CHUNK_HEADERS = ("message-id", "byte-range", "content-type", "success-report", "failure-report")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Content of a message.

    Attributes:
        content_type: its media type; None for a SEND without content, as it opens a session (RFC 4975 §5.4).
        body: the octets.
        headers: extension headers of the first chunk.
    """

    content_type: str | None = None
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """Return the value of an extension header, by its name in any case."""
        return header_value(self.headers, name)


@dataclass(frozen=True, slots=True)
class ContentReceived:
    """A message has come in whole."""

    content: Content


@dataclass(frozen=True, slots=True)
class ContentFailed:
    """A message of ours was refused, or no response came in time (408)."""

    message_id: str
    status: int


MsrpEvent: TypeAlias = ContentReceived | ContentFailed


@dataclass(slots=True)
class _Partial:
    content_type: str | None
    headers: tuple[tuple[str, str], ...]
    body: bytearray = field(default_factory=bytearray)


class MsrpSession:
    """One end of a session, without its connection.

    Args:
        local: our URI, as SDP announced it.
        remote: the peer's path.
        random_source: makes transaction and message identifiers.
        limits: of the peer.
    """

    def __init__(
        self,
        local: MsrpUri,
        remote: tuple[MsrpUri, ...],
        *,
        random_source: RandomSource,
        limits: MsrpLimits | None = None,
    ) -> None:
        self.local = local
        self.remote = remote
        self._random_source = random_source
        self._limits = limits or MsrpLimits()
        self._partial: dict[str, _Partial] = {}
        self._unanswered: dict[str, tuple[str, float]] = {}
        self._output: list[bytes] = []
        self._events: list[MsrpEvent] = []

    def send(self, content: Content, *, now: float) -> str:
        """Queue a message in chunks and return its Message-ID.

        Raises:
            LocalProtocolError: too many chunks wait for their responses.
        """
        message_id = self._random_source.hex(10)
        if content.content_type is None:  # RFC 4975 §5.4: the first SEND binds the connection to the session
            self._send_chunk(message_id, (*content.headers, ("Byte-Range", "1-0/0")), None, "$", now)
            return message_id
        total = len(content.body)
        if total // CHUNK_SIZE + len(self._unanswered) >= self._limits.unanswered:
            raise LocalProtocolError("the MSRP peer does not answer: too many chunks are under way")
        # RFC 4975 §5.1: chunks of more than 2,048 octets must be interruptible; one connection carries one session here,
        # so that nothing waits behind a long message but messages of the same peer.
        for start in range(0, max(total, 1), CHUNK_SIZE):
            chunk = content.body[start : start + CHUNK_SIZE]
            end = start + len(chunk)
            headers = (
                *(content.headers if start == 0 else ()),
                ("Byte-Range", str(ByteRange(start + 1, end, total))),
                ("Content-Type", content.content_type),
            )
            self._send_chunk(message_id, headers, chunk, "$" if end == total else "+", now)
        return message_id

    def _send_chunk(
        self, message_id: str, headers: tuple[tuple[str, str], ...], body: bytes | None, flag: str, now: float
    ) -> None:
        request = MsrpRequest(
            transaction=self._random_source.hex(8),
            method="SEND",
            to_path=self.remote,
            from_path=(self.local,),
            headers=(("Message-ID", message_id), *headers),
            body=body,
            flag=flag,
        )
        self._output.append(request.to_bytes())
        self._unanswered[request.transaction] = (message_id, now + RESPONSE_TIMEOUT)

    def receive(self, message: MsrpMessage) -> None:
        """Take a message that came for this session."""
        if isinstance(message, MsrpResponse):
            message_id, _ = self._unanswered.pop(message.transaction, ("", 0.0))
            if message_id and message.status != 200:  # RFC 4975 §10: every other status is a failure
                self._events.append(ContentFailed(message_id, message.status))
            return
        if message.method == "REPORT":
            return  # RFC 4975 §7.1.2: a REPORT gets no response; none is ever asked for here
        status = self._receive_send(message) if message.method == "SEND" else 501  # RFC 4975 §12
        # RFC 4975 §7.2: "no" wants no response at all, "partial" only failures.
        wanted = (message.get("Failure-Report") or "yes").lower()
        if wanted == "no" or (wanted == "partial" and status == 200):
            return
        self._output.append(respond(message, status, self.local).to_bytes())

    def _receive_send(self, request: MsrpRequest) -> int:
        message_id = request.get("Message-ID")
        if not message_id:  # RFC 4975 §7.1: every SEND has one
            return 400
        try:
            span = ByteRange.parse(request.get("Byte-Range") or "1-*/*")
        except MsrpRefused:
            return 400
        partial = self._partial.pop(message_id, None)
        if request.flag == "#":  # RFC 4975 §7.1.1: the sender gave the message up
            return 200
        if partial is None:
            headers = tuple(header for header in request.headers if header[0].lower() not in _CHUNK_HEADERS)
            partial = _Partial(request.get("Content-Type") if request.body is not None else None, headers)
        body = request.body or b""
        # Chunks come in order on one connection; one that does not continue its message is an error of the peer.
        if span.start != len(partial.body) + 1:
            return 400
        if max(len(partial.body) + len(body), span.total or 0) > self._limits.message_size:
            return 413  # RFC 4975 §10.5: the sender must stop sending this message
        partial.body += body
        if request.flag == "+":
            if len(self._partial) >= self._limits.partial_messages:  # each keeps octets here
                return 413
            self._partial[message_id] = partial
        else:
            content = Content(content_type=partial.content_type, body=bytes(partial.body), headers=partial.headers)
            self._events.append(ContentReceived(content))
        return 200

    def to_send(self) -> list[bytes]:
        """Return the bytes to send over the connection, in order."""
        output, self._output = self._output, []
        return output

    def next_event(self) -> MsrpEvent | None:
        """Return the next event, or None."""
        return self._events.pop(0) if self._events else None

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` has to be called."""
        return next((deadline for _, deadline in self._unanswered.values()), None)

    def handle_timeout(self, *, now: float) -> None:
        """Report the messages whose responses are overdue."""
        while self._unanswered:
            transaction, (message_id, deadline) = next(iter(self._unanswered.items()))
            if deadline > now:
                return
            del self._unanswered[transaction]
            self._events.append(ContentFailed(message_id, 408))


def respond(request: MsrpRequest, status: int, local: MsrpUri) -> MsrpResponse:
    """Build the response to a request (RFC 4975 §7.2): it goes to the previous hop only."""
    return MsrpResponse(
        transaction=request.transaction, status=status, to_path=request.from_path[:1], from_path=(local,)
    )
