"""One ICE and DTLS transport per m-line, with SRTP beside it or SCTP on top.

A transport goes one way, from its addresses through ICE and DTLS to CONNECTED, and is never used again: a later offer of
the peer keeps the transport or is refused. FAILED is told once, with its cause, and leaves the sockets to `close`; CLOSED
may come at any time, also while `gather` or `connect` wait, which then raise. Until the handshake has made the keys,
packets of the peer are kept within bounds (its side may be done first); nothing is ever sent without them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

from aiortc import RTCIceCandidate, RTCIceParameters, RTCIceServer
from pylibsrtp import Error as SrtpError

from wic.errors import ConfigurationError, ConsentLost, FingerprintMismatch, IceFailed, MediaFailed
from wic.media._aiortc import ConsentTimes, DtlsTransport, SctpTransport, make_ice
from wic.media.channel import DEFAULT_MAX_MESSAGE_SIZE, DataChannels
from wic.media.rtp import is_rtcp
from wic.option_checks import NumericOptions
from wic.sdp.attributes import Setup
from wic.sdp.candidate import Candidate
from wic.sdp.transport import TransportDescription
from wic.sip.state_table import StateTable

if TYPE_CHECKING:
    from pylibsrtp import Session

    from wic.media.certificate import Certificate
    from wic.media.rtp_transport import PacketHandler
    from wic.media.udp import UdpPort

PacketTap = Callable[[Literal["rtp", "rtcp", "sctp"], bool, bytes], None]
"""Called with the kind of a packet, whether it is sent, and its octets."""

logger = logging.getLogger(__name__)

MAX_EARLY_PACKETS = 32
"""Media packets kept while the handshake ends on the other side first."""

MAX_PLAIN_PACKET = 1350
"""Octets of a packet to send; pylibsrtp works in a buffer of 1,500 with room for its trailer."""

MAX_SOURCES = 256
"""SSRCs of one direction; a call that goes through many hands has a few."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server, as RFC 7064 and RFC 7065 write it, e.g. `turn:192.0.2.1:3478`."""

    url: str
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


_CONSENT: Final = ConsentTimes()


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaTransportOptions(NumericOptions):
    """Options of transports; times in seconds."""

    addresses: tuple[str, ...] = ()
    """Local IP addresses to gather on; none = all of this machine, or loopback if it has no other."""
    servers: tuple[IceServer, ...] = ()
    ice_timeout: float = 15.0
    """Until a candidate pair must work."""
    dtls_timeout: float = 10.0
    """Until the handshake must be done."""
    consent: ConsentTimes = _CONSENT


class TransportState(Enum):
    """State of a transport."""

    NEW = "New"
    GATHERING = "Gathering"
    GATHERED = "Gathered"
    CHECKING = "Checking"
    HANDSHAKING = "Handshaking"
    CONNECTED = "Connected"
    FAILED = "Failed"
    CLOSED = "Closed"


class TransportInput(Enum):
    """Input of a transport's machine."""

    GATHER = "gather"
    GATHERED = "candidates gathered"
    CONNECT = "connect"
    PAIRED = "a candidate pair works"
    SECURED = "DTLS handshake done"
    FAILED = "failure, consent lost, or DTLS closed by the peer"
    CLOSE = "close"


_S, _I = TransportState, TransportInput

MEDIA_TRANSPORT: Final[StateTable[TransportState, TransportInput]] = StateTable(
    name="Media transport",
    clause="RFC 8445 §6, RFC 8842 §5, RFC 7675 §5",
    initial=TransportState.NEW,
    final=TransportState.CLOSED,
    rows={
        (_S.NEW, _I.GATHER): TransportState.GATHERING,  # RFC 8445 §5.1.1
        (_S.GATHERING, _I.GATHERED): TransportState.GATHERED,
        (_S.GATHERING, _I.FAILED): TransportState.FAILED,
        (_S.GATHERED, _I.CONNECT): TransportState.CHECKING,  # RFC 8445 §6.1.4
        (_S.CHECKING, _I.PAIRED): TransportState.HANDSHAKING,  # RFC 8445 §8.1.1, RFC 8842 §6
        (_S.CHECKING, _I.FAILED): TransportState.FAILED,
        (_S.HANDSHAKING, _I.SECURED): TransportState.CONNECTED,  # RFC 5764 §4.2
        (_S.HANDSHAKING, _I.FAILED): TransportState.FAILED,
        (_S.CONNECTED, _I.FAILED): TransportState.FAILED,  # RFC 7675 §5
        **{(state, _I.CLOSE): _S.CLOSED for state in TransportState if state is not TransportState.CLOSED},
    },
)
"""States of a transport; an input without a row changes nothing, so that the first failure is the one that counts."""


@dataclass(slots=True)
class TransportCounters:
    """Packets that a transport did not carry."""

    unsent: int = 0
    """Packets to send without keys, without a route, or too long."""
    refused: int = 0
    """Packets received that SRTP refused: not authentic, replayed or cut."""
    early: int = 0
    """Packets received before the keys and beyond what is kept."""


class MediaTransport:
    """Carrier of one m-line over ICE and DTLS; implements `RtpTransport` when it carries audio or video.

    Call `gather`, send the description it returns, call `connect` with the peer's, and `close` in
    the end in any case. `on_state` is called with every change of state, and with the reason of FAILED.

    Raises:
        ConfigurationError: a server of the options is no `stun:` or `turn:` URL.
    """

    def __init__(self, certificate: Certificate, options: MediaTransportOptions | None = None) -> None:
        self.on_rtp: PacketHandler | None = None
        self.on_rtcp: PacketHandler | None = None
        self.on_state: Callable[[TransportState, MediaFailed | None], None] | None = None
        self.on_packet: PacketTap | None = None
        """Called with every packet in the clear, for a capture; set it before `connect`."""
        self.counters = TransportCounters()
        self._certificate = certificate
        self._options = options or MediaTransportOptions()
        self._state = MEDIA_TRANSPORT.initial
        servers = [RTCIceServer(s.url, s.username, s.credential) for s in self._options.servers]
        try:
            self._gatherer, self._ice, self._connection = make_ice(
                servers, self._options.addresses, self._options.consent
            )
        except ValueError as error:
            urls = ", ".join(server.url for server in self._options.servers)
            raise ConfigurationError(f"Not all of these are STUN or TURN servers: {urls}.") from error
        self._connection.on_media = self._early_received
        self._dtls = DtlsTransport(self._ice, certificate.shown)
        self._early: deque[bytes] = deque(maxlen=MAX_EARLY_PACKETS)
        self._receiving: Session | None = None
        self._sending: Session | None = None
        self._received_sources = SourceLimit()
        self._sent_sources = SourceLimit()
        self._channels: DataChannels | None = None

    @property
    def state(self) -> TransportState:
        """The state of the transport."""
        return self._state

    @property
    def channels(self) -> DataChannels | None:
        """The data channels, once `start_sctp` was called."""
        return self._channels

    @property
    def remote_address(self) -> tuple[str, int] | None:
        """Address of the peer on the nominated pair, or None before there is one."""
        return None if self._connection.route is None else self._connection.route[1]

    @property
    def ports(self) -> tuple[UdpPort, ...]:
        """The open sockets of its host candidates."""
        return self._connection.ports

    async def gather(self) -> TransportDescription:
        """Open sockets and describe this side; its setup role is actpass until an answer decides.

        Raises:
            MediaFailed: no address of this machine can be used, this was called before, or the transport was closed.
        """
        if not self._move(TransportInput.GATHER):
            raise MediaFailed(f"cannot gather for a transport that is {self._state.value.lower()}")
        await self._gatherer.gather()
        local = self._gatherer.getLocalParameters()
        candidates = tuple(_from_aiortc(candidate) for candidate in self._gatherer.getLocalCandidates())
        if not candidates:
            failure = MediaFailed("no local address can be used for media")
            self._fail(failure)
            raise failure
        if not self._move(TransportInput.GATHERED):
            await self._connection.close()  # with the sockets that were opened since
            raise MediaFailed("the transport was closed while it gathered")
        # RFC 8839 §4.2.1.2: the default candidate is the one most likely to work, so a relayed one first.
        default = min(candidates, key=lambda candidate: (candidate.type != "relay", -candidate.priority))
        return TransportDescription(
            address=default.address,
            port=default.port,
            ice_ufrag=local.usernameFragment or "",
            ice_pwd=local.password or "",
            candidates=candidates,
            end_of_candidates=True,
            fingerprints=self._certificate.fingerprints,
            setup=Setup.ACTPASS,  # RFC 8842 §5.2
        )

    async def connect(
        self, remote: TransportDescription, *, controlling: bool, dtls_role: Literal["active", "passive"]
    ) -> None:
        """Find a candidate pair that works, and do the DTLS handshake.

        `dtls_role` is this side's: active = DTLS client. With an ICE-lite peer this side controls
        in any case (RFC 8445 §6.1.1).

        Raises:
            IceFailed: no candidate pair works.
            FingerprintMismatch: the peer's certificate is not the announced one.
            MediaFailed: the handshake failed in another way, or the transport is closed.
        """
        if not self._move(TransportInput.CONNECT):
            raise MediaFailed(f"cannot connect a transport that is {self._state.value.lower()}")
        try:
            await self._check(remote, controlling=controlling or remote.ice_lite)  # RFC 8445 §6.1.1
            self._move(TransportInput.PAIRED)
            await self._shake_hands(remote, client=dtls_role == "active")
        except MediaFailed as failure:
            self._fail(failure)
            raise
        self._move(TransportInput.SECURED)

    def send_rtp(self, packet: bytes) -> None:
        """Protect and send one RTP packet; before CONNECTED it is dropped and counted."""
        self._send("rtp", packet, packet[8:12])

    def send_rtcp(self, packet: bytes) -> None:
        """Protect and send one compound RTCP packet, as `send_rtp` does."""
        self._send("rtcp", packet, packet[4:8])

    def _send(self, kind: Literal["rtp", "rtcp"], packet: bytes, ssrc: bytes) -> None:
        sending = self._sending
        route = self._connection.route
        # RFC 8827 §6.5: nothing leaves without keys; RFC 7675 §5: nor without consent, whose loss has cleared the route.
        if sending is None or route is None or len(packet) > MAX_PLAIN_PACKET or not self._sent_sources.admits(ssrc):
            self.counters.unsent += 1
            return
        if self.on_packet is not None:
            self.on_packet(kind, True, packet)
        try:
            route[0](sending.protect(packet) if kind == "rtp" else sending.protect_rtcp(packet), route[1])
        except SrtpError:
            self.counters.unsent += 1
        else:
            self._sent_sources.note(ssrc)

    async def start_sctp(self, local_port: int, remote_port: int, max_message_size: int | None = None) -> DataChannels:
        """Set up the SCTP association over a connected transport (RFC 8841 §9.3: both ends do).

        `max_message_size` is what the peer accepts, in octets: 0 = any size, None = not said.

        Raises:
            MediaFailed: the transport is not connected, or has an association already.
        """
        if self._state is not TransportState.CONNECTED or self._channels is not None:
            raise MediaFailed("SCTP needs a connected transport without an association")
        sctp = SctpTransport(self._dtls, local_port, DEFAULT_MAX_MESSAGE_SIZE)
        self._channels = DataChannels(sctp)
        await self._channels.start(remote_port, max_message_size)
        return self._channels

    async def close(self) -> None:
        """Close DTLS towards the peer, and free sockets, tasks and memory; may be called at any time."""
        if not self._move(TransportInput.CLOSE):
            return
        self.on_rtp = self.on_rtcp = self.on_state = None
        self._receiving = self._sending = None
        self._early.clear()
        if self._channels is not None:
            await self._channels.close()
        # In this order: DTLS says close_notify through ICE, and OpenSSL's objects are free once nothing calls them.
        await self._dtls.stop()
        await self._ice.stop()
        self._dtls.release()

    async def _check(self, remote: TransportDescription, *, controlling: bool) -> None:
        self._connection.take_role(controlling=controlling)
        usable = list(filter(_usable, remote.candidates))
        for candidate in usable:
            await self._ice.addRemoteCandidate(_to_aiortc(candidate))
        if usable:  # without any, ICE waits for the addresses from which the peer's checks come
            await self._ice.addRemoteCandidate(None)
        parameters = RTCIceParameters(remote.ice_ufrag, remote.ice_pwd, remote.ice_lite)
        try:
            async with asyncio.timeout(self._options.ice_timeout):
                await self._ice.start(parameters)
        except TimeoutError:
            raise IceFailed(f"no candidate pair worked within {self._options.ice_timeout:g} s") from None
        if self._state is TransportState.CLOSED:
            raise MediaFailed("the transport was closed while it connected")
        if self._ice.state != "completed":
            raise IceFailed(f"none of {len(remote.candidates)} remote candidates works")
        self._connection.on_consent_lost = self._consent_lost

    async def _shake_hands(self, remote: TransportDescription, *, client: bool) -> None:
        fingerprints = [(fingerprint.algorithm, fingerprint.value) for fingerprint in remote.fingerprints]
        if not fingerprints:  # RFC 8122 §6.2: with nothing to compare, any certificate would do
            raise FingerprintMismatch("the peer announced no certificate fingerprint")
        try:
            async with asyncio.timeout(self._options.dtls_timeout):
                connected = await self._dtls.connect(fingerprints, client=client)
        except TimeoutError:
            raise MediaFailed(f"no DTLS handshake within {self._options.dtls_timeout:g} s") from None
        # The alert has told the peer; here the cause is told apart from a handshake that merely failed.
        if self._dtls.mismatch:
            raise FingerprintMismatch("the certificate of the DTLS peer has none of the announced fingerprints")
        if not connected or self._state is not TransportState.HANDSHAKING:
            raise MediaFailed("the DTLS handshake failed: the peer refused it or went away")
        self._dtls.on_closed = self._peer_closed
        self._take_keys()

    def _take_keys(self) -> None:
        tap = self.on_packet
        if tap is not None:
            self._dtls.on_data = lambda sent, data: tap("sctp", sent, data)
        sessions = self._dtls.srtp_sessions
        if sessions is None:  # an m-line of data channels (RFC 8261)
            return
        self._receiving, self._sending = sessions
        self._connection.on_media = self._protected_received
        while self._early:  # RFC 5763 §6.2: media may come before this side's handshake is done
            self._protected_received(self._early.popleft())

    def _early_received(self, packet: bytes) -> None:
        if len(self._early) == MAX_EARLY_PACKETS:
            self.counters.early += 1
        self._early.append(packet)

    def _protected_received(self, packet: bytes) -> None:
        receiving = self._receiving
        if receiving is None:
            return
        control = is_rtcp(packet)  # RFC 5761 §4: both on one port, told apart by the second octet
        ssrc = packet[4:8] if control else packet[8:12]
        # Before the cipher: a packet of a source beyond the limit costs nothing more.
        if not self._received_sources.admits(ssrc):
            self.counters.refused += 1
            return
        try:
            plain = receiving.unprotect_rtcp(packet) if control else receiving.unprotect(packet)
        except (SrtpError, ValueError):
            self.counters.refused += 1
            return
        self._received_sources.note(ssrc)  # only now: a forged packet must not use up a place
        handler = self.on_rtcp if control else self.on_rtp
        if self.on_packet is not None:
            self.on_packet("rtcp" if control else "rtp", False, plain)
        if handler is not None:
            handler(plain)

    def _peer_closed(self) -> None:
        if self._state is TransportState.CONNECTED:
            self._fail(MediaFailed("the peer closed the DTLS connection"))

    def _consent_lost(self) -> None:
        if self._state in (TransportState.HANDSHAKING, TransportState.CONNECTED):
            expiry = self._options.consent.expiry
            self._fail(ConsentLost(f"the peer answered no consent check for {expiry:g} s"))

    def _fail(self, failure: MediaFailed) -> None:
        if (self._state, TransportInput.FAILED) not in MEDIA_TRANSPORT.rows:
            return
        self._receiving = self._sending = None
        if self._channels is not None:
            self._channels.abandon()
        self._move(TransportInput.FAILED, failure)

    def _move(self, given: TransportInput, failure: MediaFailed | None = None) -> bool:
        """Take an input; return whether it changed the state."""
        following = MEDIA_TRANSPORT.rows.get((self._state, given))
        if following is None:
            return False
        reason = f": {failure}" if failure else ""
        logger.debug("media transport %s -> %s%s", self._state.value, following.value, reason)
        self._state = following
        if self.on_state is not None:
            self.on_state(following, failure)
        return True


class SourceLimit:
    """The SSRCs of one direction, up to a number.

    The SRTP library keeps state for each SSRC as long as the session lasts and looks through all of it for
    every packet, so a peer that takes a new one for each packet would be served ever more slowly.

    >>> limit = SourceLimit(1)
    >>> limit.note(b"one.")
    >>> limit.admits(b"one."), limit.admits(b"two.")
    (True, False)
    """

    __slots__ = ("_known", "_most")

    def __init__(self, most: int = MAX_SOURCES) -> None:
        self._known: set[bytes] = set()
        self._most = most

    def admits(self, ssrc: bytes) -> bool:
        """Return whether packets of this source may pass."""
        return len(self._known) < self._most or ssrc in self._known

    def note(self, ssrc: bytes) -> None:
        """Add a source whose packet is genuine."""
        self._known.add(ssrc)


def _usable(candidate: Candidate) -> bool:
    """Return whether checks can be sent to it: an address behind a name (mDNS) is learned from the peer's checks."""
    if candidate.component != 1 or candidate.transport != "udp":  # RTCP is multiplexed, and there is no ICE-TCP here
        return False
    try:
        ipaddress.ip_address(candidate.address)
    except ValueError:
        return False
    return True


def _from_aiortc(c: RTCIceCandidate) -> Candidate:
    return Candidate(
        c.foundation, c.component, c.protocol, c.priority, c.ip, c.port, c.type, c.relatedAddress, c.relatedPort
    )


def _to_aiortc(candidate: Candidate) -> RTCIceCandidate:
    return RTCIceCandidate(
        component=candidate.component,
        foundation=candidate.foundation,
        ip=candidate.address,
        port=candidate.port,
        priority=candidate.priority,
        protocol=candidate.transport,
        type=candidate.type,
        relatedAddress=candidate.related_address,
        relatedPort=candidate.related_port,
    )
