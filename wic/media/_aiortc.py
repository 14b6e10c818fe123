"""Adapter to aiortc and aioice: the one file that touches their private parts.

Checked against aiortc 1.16 and aioice 0.13. ICE checks, the DTLS handshake and the SCTP association are
left to them. Changed here, and why:

- sockets are ours (`UdpPort`), and media leaves aioice's path at the first octet (RFC 7983 §7),
  because one task wake-up per packet costs more than the packet;
- checks are spaced as RFC 8445 §14 asks, but the last one is followed by its answer, not by a pause;
- consent expires by the clock of RFC 7675 §5.1, with times that can be set;
- the peer's certificate is judged inside the handshake, so that a wrong one ends it with an alert
  and before any key exists (RFC 8122 §6.2: one fingerprint of a supported hash must match);
- suites for peers with an RSA certificate are offered beside those for ECDSA (RFC 8827 §6.5 asks
  for ECDSA; older telephones show RSA);
- malformed SCTP and STUN of a hostile peer is counted and dropped, where aiortc asserts.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import struct
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, cast

from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, Connection, StunProtocol, server_reflexive_candidate
from aiortc import RTCDataChannel, RTCIceGatherer, RTCIceServer, RTCIceTransport, RTCSctpTransport
from aiortc.rtcdtlstransport import (
    X509_DIGEST_ALGORITHMS,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
    certificate_digest,
)
from aiortc.rtcicetransport import connection_kwargs
from aiortc.rtcsctptransport import WEBRTC_DCEP, DataChunk
from OpenSSL import SSL

from wic.errors import ConfigurationError
from wic.media.udp import Address, UdpPort
from wic.option_checks import NumericOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aioice.stun import Message as StunMessage
    from aiortc.rtcsctptransport import Chunk
    from OpenSSL.crypto import X509
    from pylibsrtp import Session

CHECKED = {"aiortc": ("1.16", "1.17"), "aioice": ("0.13", "0.14")}
"""Package, first version this file was read against, first version it was not."""

MALFORMED = (ValueError, TypeError, LookupError, AssertionError, struct.error)
"""Exceptions of aiortc and aioice over octets that they did not expect (UnicodeDecodeError is a ValueError)."""

CIPHERS = b":".join(
    b"ECDHE-%s-%s" % (key, cipher)
    for cipher in (b"AES128-GCM-SHA256", b"CHACHA20-POLY1305", b"AES128-SHA", b"AES256-SHA")
    for key in (b"ECDSA", b"RSA")
)
"""aiortc's suites, each for both kinds of certificate: forward secrecy always."""

DCEP_OPEN = 0x03
DCEP_HEADER = 12

MAX_QUEUED_DTLS = 64
"""Datagrams kept for a handshake that has not begun (RFC 8842 §5.2), or that runs behind."""


def check_versions(version_of: Callable[[str], str] = version) -> None:
    """Refuse to run on an aiortc or aioice whose private parts were not checked.

    Raises:
        ConfigurationError: says which version to install.
    """
    for package, (first, beyond) in CHECKED.items():
        found = version_of(package)
        if not _release(first) <= _release(found) < _release(beyond):
            raise ConfigurationError(f"{package} {found} is installed; wic needs {package}>={first},<{beyond}.")


def _release(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


check_versions()


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsentTimes(NumericOptions):
    """Times of consent checks (RFC 7675 §5.1), in seconds."""

    interval: float = 5.0
    """Mean time between checks; each is drawn from 0.8 to 1.2 times this."""
    expiry: float = 30.0
    """Time without a valid answer after which sending stops."""


# --- ICE -------------------------------------------------------------------------------------


class IceProtocol(StunProtocol):
    """Reader of one socket: STUN stays with aioice, media and DTLS go straight to their receivers."""

    receiver: IceConnection

    def datagram_received(self, data: bytes | str, addr: tuple[object, ...]) -> None:
        """Demultiplex by the first octet (RFC 7983 §7)."""
        packet = cast("bytes", data)
        first = packet[0] if packet else 255
        if 127 < first < 192:  # RTP and RTCP first: they are nearly all there is
            self.receiver.on_media(packet)
        elif first < 4:  # STUN
            try:
                super().datagram_received(packet, addr)
            except MALFORMED:
                self.receiver.malformed += 1
        else:
            self.receiver.data_received(packet, 1)


class IceConnection(Connection):
    """One ICE component whose media packets go straight to `on_media`."""

    def __init__(self, *, servers: Sequence[RTCIceServer], addresses: tuple[str, ...], consent: ConsentTimes) -> None:
        super().__init__(
            ice_controlling=False,
            # RFC 8445 §5.3: at least 24 and 128 bits of randomness.
            local_username=secrets.token_hex(4),
            local_password=secrets.token_hex(16),
            **connection_kwargs(list(servers)),
        )
        self.on_media: Callable[[bytes], None] = _ignore
        self.on_consent_lost: Callable[[], None] | None = None
        self.route: tuple[Callable[[bytes, Address], None], Address] | None = None
        self.malformed = 0
        self._addresses = addresses
        self._role_known = False
        self._heard = asyncio.Event()
        self._consent = _Consent(self, consent)

    async def gather_candidates(self) -> None:
        """Gather candidates; where addresses were chosen, without listing those of the machine, which takes long."""
        if not self._addresses:
            await super().gather_candidates()
        elif not self._local_candidates_start:
            self._local_candidates_start = True
            self._local_candidates += await self.get_component_candidates(1, [])
            self._local_candidates_end = True

    async def get_component_candidates(self, component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:
        """Gather on the chosen addresses, else on all of the machine, else on loopback."""
        chosen = self._addresses or tuple(addresses) or ("127.0.0.1",)
        opened = (self._open_host(component, address, 65535 - place) for place, address in enumerate(chosen))
        hosts = [host for host in opened if host is not None]
        self._protocols += hosts
        relayed = await super().get_component_candidates(component, [], timeout)
        reflexive = await self._reflexive_candidates(hosts, timeout)
        return [host.local_candidate for host in hosts] + reflexive + relayed

    def _open_host(self, component: int, address: str, preference: int) -> IceProtocol | None:
        protocol = IceProtocol(self)
        try:
            port = UdpPort.bind(address, 0, protocol.datagram_received, lambda: protocol.connection_lost(None))
        except OSError:
            return None  # RFC 8445 §5.1.1.1: an address that cannot be bound gives no candidate
        protocol.connection_made(cast("asyncio.DatagramTransport", port))
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", address),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "host", preference),
            host=port.address[0],
            port=port.address[1],
            type="host",
        )
        return protocol

    async def _reflexive_candidates(self, hosts: list[IceProtocol], timeout: float) -> list[Candidate]:
        if self.stun_server is None:
            return []
        tasks = [
            asyncio.create_task(server_reflexive_candidate(host, self.stun_server))
            for host in hosts
            if ":" not in host.local_candidate.host  # no NAT is expected with IPv6
        ]
        if not tasks:
            return []
        try:
            done, _ = await asyncio.wait(tasks, timeout=timeout)
        finally:  # RFC 8445 §5.1.1.2: a server that does not answer gives no candidate, and a cancelled gathering wants none
            for task in tasks:
                task.cancel()
        return [task.result()[0] for task in done if task.exception() is None]

    def take_role(self, *, controlling: bool) -> None:
        """Take the role that offer and answer give this side."""
        self._role_known = True
        self.ice_controlling = controlling  # RFC 8445 §6.1.1

    async def connect(self) -> None:
        """Run the checks; a peer whose candidates cannot be used is found by its own checks."""
        if not self._remote_candidates:  # RFC 8445 §7.3.1.3: a check from an unknown address gives a candidate
            await self._heard.wait()
        await super().connect()

    def _check_periodic(self) -> bool:
        """Start the next check; the last one needs no pause of Ta = 20 ms after it (RFC 8445 §14)."""
        to_check = (CandidatePair.State.WAITING, CandidatePair.State.FROZEN)
        return super()._check_periodic() and (
            self._remote_candidates_expected()
            or any(pair.task is None and pair.state in to_check for pair in self._check_list)
        )

    def request_received(self, message: StunMessage, addr: Address, protocol: StunProtocol) -> None:
        """Answer a check of the peer, and note that there was one."""
        if not self._role_known:
            # The peer has both descriptions, this side may still wait for the answer: there is no conflict yet
            # (RFC 8445 §7.3.1.1), and some peers never get out of one (rtpengine 10.5 does not sign its 487).
            self.ice_controlling = "ICE-CONTROLLED" in message.attributes
        super().request_received(message, addr, protocol)
        if self._early_checks:
            self._heard.set()

    def check_complete(self, pair: CandidatePair) -> None:
        """Note the nominated pair, so that sending needs no look-up."""
        super().check_complete(pair)
        nominated = self._nominated.get(1)
        if nominated is not None:
            self.route = (nominated.protocol.transport.sendto, nominated.remote_addr)

    def data_received(self, data: bytes, component: int) -> None:
        """Queue DTLS, within bounds; also the way in for what a TURN server relays."""
        first = data[0] if data else 255
        if 127 < first < 192:
            self.on_media(data)
        elif 19 < first < 64 and self._queue.qsize() < MAX_QUEUED_DTLS:  # RFC 7983 §7
            super().data_received(data, component)
        else:
            self.malformed += 1

    async def query_consent(self) -> None:
        """Start our own consent checks in place of aioice's task."""
        self._consent.start()

    @property
    def nominated_pair(self) -> CandidatePair | None:
        """The pair in use."""
        return self._nominated.get(1)

    @property
    def ports(self) -> tuple[UdpPort, ...]:
        """The open sockets of host candidates."""
        opened = [cast("object", protocol.transport) for protocol in self._protocols]
        return tuple(port for port in opened if isinstance(port, UdpPort) and not port.closed)

    def stop_sending(self) -> None:
        """Send nothing more to the peer, not even what DTLS still has to say."""
        self.route = None  # RFC 7675 §5
        self._nominated.clear()
        self._queue.put_nowait(None)

    async def close(self) -> None:
        """Free the sockets."""
        self._consent.stop()
        self._heard.set()
        self.route = None
        self.on_media = _ignore
        self.on_consent_lost = None
        await super().close()


class _Consent:
    """Consent checks of one connection: the peer has to say at intervals that it still wants our packets (RFC 7675)."""

    def __init__(self, connection: IceConnection, times: ConsentTimes) -> None:
        self._connection = connection
        self._times = times
        self._until = 0.0
        self._asked: list[tuple[StunProtocol, bytes]] = []
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._until = asyncio.get_running_loop().time() + self._times.expiry
        self._schedule()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._forget()

    def response_received(self, message: StunMessage, addr: Address) -> None:
        """Take the answer to a check; aioice calls this as it would a transaction of its own."""
        password = self._connection.remote_password
        if self._timer is None or password is None or not message.check_message_integrity(password.encode()):
            return  # RFC 7675 §5.1: only an authenticated answer counts
        loop = asyncio.get_running_loop()
        if message.error_code is None:
            self._until = loop.time() + self._times.expiry
            self._forget()
        elif message.error_code == 403:  # RFC 7675 §5.2: immediate revocation
            self._lose()

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        # RFC 7675 §5.1: the jitter keeps many agents from asking in step; it guards no secret.
        delay = self._times.interval * random.uniform(0.8, 1.2)
        self._timer = loop.call_at(min(loop.time() + delay, self._until), self._due)

    def _due(self) -> None:
        if asyncio.get_running_loop().time() >= self._until:  # RFC 7675 §5.1: consent has expired
            self._lose()
            return
        pair = self._connection.nominated_pair
        if pair is not None:
            # RFC 7675 §5.1: each request is a transaction of its own, sent once; its answer may come at any time.
            request = self._connection.build_request(pair, nominate=False)
            request.add_message_integrity((self._connection.remote_password or "").encode())
            cast("dict[bytes, object]", pair.protocol.transactions)[request.transaction_id] = self
            self._asked.append((pair.protocol, request.transaction_id))
            pair.protocol.send_stun(request, pair.remote_addr)
        self._schedule()

    def _lose(self) -> None:
        self.stop()
        self._connection.stop_sending()
        if self._connection.on_consent_lost is not None:
            self._connection.on_consent_lost()

    def _forget(self) -> None:
        for protocol, transaction_id in self._asked:
            protocol.transactions.pop(transaction_id, None)
        self._asked.clear()


def _ignore(_packet: bytes) -> None:
    """Drop a packet."""


def make_ice(
    servers: Sequence[RTCIceServer], addresses: tuple[str, ...], consent: ConsentTimes
) -> tuple[RTCIceGatherer, RTCIceTransport, IceConnection]:
    """Make aiortc's gatherer and ICE transport around a connection of ours."""
    connection = IceConnection(servers=servers, addresses=addresses, consent=consent)
    gatherer = RTCIceGatherer(iceServers=[])
    gatherer._connection = connection
    return gatherer, RTCIceTransport(gatherer), connection


# --- DTLS ------------------------------------------------------------------------------------


class DtlsCertificate(RTCCertificate):
    """A certificate whose OpenSSL context is made once and used by every transport."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
            self._context.set_cipher_list(CIPHERS)
        return self._context


class DtlsTransport(RTCDtlsTransport):
    """DTLS over one ICE transport, with its role given and its peer known by fingerprint.

    `on_data` is called with application data, True = sent.
    """

    def __init__(self, transport: RTCIceTransport, certificate: DtlsCertificate) -> None:
        super().__init__(transport, [certificate])
        self.on_closed: Callable[[], None] | None = None
        self.on_data: Callable[[bool, bytes], None] | None = None
        self.mismatch = False
        self._expected: dict[str, set[str]] = {}

    async def connect(self, fingerprints: Sequence[tuple[str, str]], *, client: bool) -> bool:
        """Do the handshake as client or server; return whether it led to a connection.

        Of `fingerprints` (hash, value), those with a hash that is not supported are skipped.
        """
        for algorithm, value in fingerprints:
            if algorithm.lower() in X509_DIGEST_ALGORITHMS:
                self._expected.setdefault(algorithm.lower(), set()).add(value.upper())
        self._set_role("client" if client else "server")
        await self.start(RTCDtlsParameters(fingerprints=[RTCDtlsFingerprint(a, v) for a, v in fingerprints]))
        return self._state is State.CONNECTED

    @property
    def srtp_sessions(self) -> tuple[Session, Session] | None:
        """Sessions that unprotect and protect, once the handshake gave them keys."""
        return None if self._rx_srtp is None else (self._rx_srtp, self._tx_srtp)

    async def stop(self) -> None:
        """Close DTLS towards the peer, and wait for the reading task to end."""
        self.on_closed = None  # this side closes, which is not reported
        task = self._task
        await super().stop()
        if task is not None:
            await asyncio.wait([task])

    def release(self) -> None:
        """Break the circle of this object, OpenSSL's connection and its verify callback."""
        self._ssl = None
        self.on_data = None

    async def _send_data(self, data: bytes) -> None:
        await super()._send_data(data)
        if self.on_data is not None:
            self.on_data(True, data)

    async def _do_handshake(self) -> None:
        ssl = cast("SSL.Connection", self._ssl)
        # RFC 5763 §5: the certificate of each side must match its fingerprint, so each must show one.
        ssl.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._verify)
        await super()._do_handshake()
        if self._state is State.FAILED and self.transport.state == "completed":
            await self._write_ssl()  # the alert, which aiortc leaves in OpenSSL's buffer

    def _verify(self, _connection: SSL.Connection, certificate: X509, _error: int, depth: int, _ok: int) -> bool:
        if depth != 0:  # the fingerprint is that of the end certificate; others prove nothing here
            return True
        x509 = certificate.to_cryptography()
        matches = any(certificate_digest(x509, algorithm) in self._expected[algorithm] for algorithm in self._expected)
        self.mismatch = not matches
        return matches

    def _validate_peer_identity(self, remoteParameters: RTCDtlsParameters) -> None:
        """Judge nothing: `_verify` has, before the handshake could end."""

    def _setup_srtp(self) -> None:
        # RFC 8261: a transport that carries SCTP needs no SRTP profile; media then has no keys.
        if cast("SSL.Connection", self._ssl).get_selected_srtp_profile():
            super()._setup_srtp()

    def _set_state(self, state: State) -> None:
        super()._set_state(state)
        if state is State.CLOSED and self.on_closed is not None:
            self.on_closed()


# --- SCTP ------------------------------------------------------------------------------------


class SctpTransport(RTCSctpTransport):
    """An SCTP association that survives what a hostile peer sends (RFC 8831, RFC 8832)."""

    def __init__(self, transport: DtlsTransport, port: int, max_message_size: int) -> None:
        super().__init__(transport, port)
        self._dtls = transport
        self.on_closed: Callable[[], None] | None = None
        self.malformed = 0
        self._max_message_size = max_message_size

    @property
    def is_established(self) -> bool:
        """Whether messages can be sent."""
        return self._association_state is self.State.ESTABLISHED

    def abandon(self) -> None:
        """End the association without telling the peer, because its transport has gone."""
        self._set_state(self.State.CLOSED)

    def _data_channel_open(self, channel: RTCDataChannel) -> None:
        super()._data_channel_open(channel)
        # RFC 8832 §5.1 counts octets of the names, where aiortc counts characters.
        _, kind, data = self._data_channel_queue.pop()
        lengths = struct.pack("!HH", len(channel.label.encode()), len(channel.protocol.encode()))
        self._data_channel_queue.append((channel, kind, data[:8] + lengths + data[12:]))

    async def _handle_data(self, data: bytes) -> None:
        if self._dtls.on_data is not None:
            self._dtls.on_data(False, data)
        try:
            await super()._handle_data(data)
        except MALFORMED:
            self.malformed += 1

    async def _receive_data_chunk(self, chunk: DataChunk) -> None:
        # RFC 9260 §6.2: a sender keeps to the receive window; one that ignores it loses the association.
        if self._advertised_rwnd < -len(chunk.user_data) - self._max_message_size:
            self.malformed += 1
            await self.stop()
            return
        await super()._receive_data_chunk(chunk)

    async def _data_channel_receive(self, stream_id: int, pp_id: int, data: bytes) -> None:
        if len(data) > self._max_message_size or not self._acceptable(stream_id, pp_id, data):
            self.malformed += 1
            channel = self._data_channels.get(stream_id)
            if channel is not None:
                channel.close()
                return
            self._reconfig_queue.append(stream_id)  # RFC 8832 §6: our half is reset, without an acknowledgement
            if len(self._reconfig_queue) == 1:
                await self._transmit_reconfig()
            return
        await super()._data_channel_receive(stream_id, pp_id, data)

    def _acceptable(self, stream_id: int, pp_id: int, data: bytes) -> bool:
        if pp_id != WEBRTC_DCEP:  # data on a stream that was never opened is an error
            return stream_id in self._data_channels
        if not data or data[0] != DCEP_OPEN:
            return stream_id in self._data_channels
        # RFC 8832 §6: the DTLS client opens even streams, the server odd ones; 65535 is no stream.
        parity = 0 if self.is_server else 1
        if stream_id in self._data_channels or stream_id == 65535 or stream_id % 2 != parity or len(data) < DCEP_HEADER:
            return False
        label, protocol = struct.unpack_from("!HH", data, 8)
        return len(data) == DCEP_HEADER + int(label) + int(protocol)

    async def _send_chunk(self, chunk: Chunk) -> None:
        try:
            await super()._send_chunk(chunk)
        except ConnectionError:
            # DTLS has gone. In the loop's next turn, because the caller may start a timer on its way back.
            asyncio.get_running_loop().call_soon(self.abandon)

    def _data_channel_closed(self, stream_id: int) -> None:
        if stream_id in self._data_channels:
            super()._data_channel_closed(stream_id)
        else:
            self._forget_stream(stream_id)

    def _data_channel_reset(self, stream_id: int) -> None:
        if stream_id in self._data_channels:
            super()._data_channel_reset(stream_id)
        else:
            self._forget_stream(stream_id)  # the stream of a refused channel can be used again

    def _forget_stream(self, stream_id: int) -> None:
        self._data_channel_inbound_reset.discard(stream_id)
        self._data_channel_outbound_reset.discard(stream_id)

    def _set_state(self, state: RTCSctpTransport.State) -> None:
        ended = state is self.State.CLOSED and self._association_state is not state
        super()._set_state(state)
        if state is self.State.CLOSED:
            while self._data_channel_queue:  # channels that waited for the association
                self._data_channel_queue.popleft()[0]._setReadyState("closed")
        if ended and self.on_closed is not None:  # aiortc sets CLOSED more than once
            self.on_closed()
