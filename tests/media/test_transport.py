from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import aioice.ice
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.support.rtp import pack_rtp
from wic.errors import ConfigurationError, FingerprintMismatch, IceFailed, MediaFailed
from wic.media import Certificate, ConsentTimes, IceServer, MediaTransport, MediaTransportOptions, TransportState
from wic.media._aiortc import DtlsCertificate
from wic.media.transport import MAX_EARLY_PACKETS, MAX_SOURCES, MEDIA_TRANSPORT, SourceLimit, TransportInput
from wic.media.udp import UdpPort
from wic.sdp.attributes import Fingerprint, Setup
from wic.sdp.candidate import Candidate
from wic.sdp.transport import TransportDescription

Pair = tuple[MediaTransport, MediaTransport]
Connect = Callable[..., Awaitable[Pair]]
Certificates = tuple[Certificate, Certificate]
Eventually = Callable[[Callable[[], object]], Awaitable[None]]

RTP = pack_rtp(0, 1, 0, 1, b"sound")
RTCP = bytes.fromhex("80c9000100000001")
LOOPBACK = ("127.0.0.1",)


async def test_gathers_what_its_sdp_needs(certificates: Certificates, options: MediaTransportOptions) -> None:
    transport = MediaTransport(certificates[0], options)
    description = await transport.gather()
    (candidate,) = description.candidates
    assert (candidate.address, candidate.type, candidate.component, candidate.transport) == (
        "127.0.0.1",
        "host",
        1,
        "udp",
    )
    assert (description.address, description.port) == ("127.0.0.1", candidate.port)
    assert description.fingerprints == certificates[0].fingerprints
    assert description.setup is Setup.ACTPASS
    assert description.end_of_candidates
    # RFC 8445 §5.3
    assert len(description.ice_ufrag) >= 4
    assert len(description.ice_pwd) >= 22
    assert transport.state is TransportState.GATHERED
    await transport.close()


async def test_a_machine_with_nothing_but_loopback_gathers_there(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [])
    transport = MediaTransport(certificates[0])
    assert (await transport.gather()).address == "127.0.0.1"
    await transport.close()


async def test_addresses_are_preferred_in_their_order(certificates: Certificates) -> None:
    transport = MediaTransport(certificates[0], MediaTransportOptions(addresses=("127.0.0.1", "127.0.0.2", "::1")))
    description = await transport.gather()
    assert [candidate.address for candidate in description.candidates] == ["127.0.0.1", "127.0.0.2", "::1"]
    priorities = [candidate.priority for candidate in description.candidates]
    assert priorities == sorted(set(priorities), reverse=True)
    await transport.close()


async def test_without_any_usable_address_gathering_fails(certificates: Certificates) -> None:
    transport = MediaTransport(certificates[0], MediaTransportOptions(addresses=("198.51.100.1",)))
    with pytest.raises(MediaFailed, match="no local address"):
        await transport.gather()
    assert transport.state is TransportState.FAILED
    await transport.close()


def test_a_transport_can_be_closed_in_any_state_and_goes_nowhere_after() -> None:
    for state in set(TransportState) - {TransportState.CLOSED}:
        assert MEDIA_TRANSPORT.rows[state, TransportInput.CLOSE] is TransportState.CLOSED
    assert not any(state is TransportState.CLOSED for state, _ in MEDIA_TRANSPORT.rows)


async def test_carries_rtp_and_rtcp_both_ways(connect_pair: Connect, eventually: Eventually) -> None:
    one, other = await connect_pair()
    assert one.state is other.state is TransportState.CONNECTED
    assert one.remote_address is not None
    for sender, receiver in ((one, other), (other, one)):
        rtp: list[bytes] = []
        rtcp: list[bytes] = []
        receiver.on_rtp, receiver.on_rtcp = rtp.append, rtcp.append
        sender.send_rtp(RTP)
        sender.send_rtcp(RTCP)
        await eventually(lambda rtp=rtp, rtcp=rtcp: rtp and rtcp)
        assert (rtp, rtcp) == ([RTP], [RTCP])


@pytest.mark.parametrize("dtls_role", ["active", "passive"])
async def test_a_peer_may_show_an_rsa_certificate(
    certificates: Certificates, options: MediaTransportOptions, dtls_role: Literal["active", "passive"]
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old telephone")])
    now = datetime.now(UTC)
    shown = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    ours = MediaTransport(certificates[0], options)
    theirs = MediaTransport(Certificate(DtlsCertificate(key=key, cert=shown)), options)
    offer, answer = await ours.gather(), await theirs.gather()
    other_role: Literal["active", "passive"] = "passive" if dtls_role == "active" else "active"
    await asyncio.gather(
        ours.connect(answer, controlling=True, dtls_role=dtls_role),
        theirs.connect(offer, controlling=False, dtls_role=other_role),
    )
    assert ours.state is theirs.state is TransportState.CONNECTED
    await asyncio.gather(ours.close(), theirs.close())


async def test_media_on_the_wire_is_not_readable(connect_pair: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _other = await connect_pair()
    wire: list[bytes] = []
    route = one._connection.route
    assert route is not None
    one._connection.route = (lambda data, _address: wire.append(data), route[1])
    one.send_rtp(RTP)
    one.send_rtcp(RTCP)
    assert len(wire) == 2
    assert b"sound" not in wire[0]


async def test_replayed_and_forged_packets_are_refused(connect_pair: Connect, eventually: Eventually) -> None:
    one, other = await connect_pair()
    got: list[bytes] = []
    other.on_rtp = other.on_rtcp = got.append
    route = one._connection.route
    assert route is not None
    sent: list[bytes] = []
    one._connection.route = (lambda data, address: (sent.append(data), route[0](data, address))[1], route[1])
    one.send_rtp(RTP)
    await eventually(lambda: got)
    route[0](sent[0], route[1])
    for forged in (RTP, RTCP, b"\x80", b"\x80\x00", bytes((0x80, 200)), b"\xbf" * 1400, b"\x90" * 2000):
        route[0](forged, route[1])
    await eventually(lambda: other.counters.refused == 8)
    assert got == [RTP]


async def test_a_flood_of_sources_is_bounded(connect_pair: Connect, eventually: Eventually) -> None:
    """Each SSRC costs memory and time for as long as the transport lives, on both sides of it."""
    one, other = await connect_pair()
    got: list[bytes] = []
    other.on_rtp = got.append
    for ssrc in range(MAX_SOURCES + 10):
        one.send_rtp(RTP[:8] + ssrc.to_bytes(4, "big") + RTP[12:])
        await asyncio.sleep(0)
    assert one.counters.unsent == 10
    one._sent_sources = SourceLimit()
    stranger = RTP[:8] + b"new." + RTP[12:]
    await eventually(lambda: len(got) == MAX_SOURCES)
    one.send_rtp(stranger)
    await eventually(lambda: other.counters.refused == 1)
    one.send_rtp(RTP[:2] + b"\x00\x09" + RTP[4:8] + bytes(4) + RTP[12:])
    await eventually(lambda: len(got) == MAX_SOURCES + 1)


async def test_octets_of_no_protocol_are_dropped(connect_pair: Connect, eventually: Eventually) -> None:
    one, other = await connect_pair()
    address = one.remote_address
    assert address is not None
    stun_head = bytes.fromhex("000100082112a442") + bytes(12)
    hostile = [b"", b"\x00", b"\x03" * 40, b"\x40\x00\x00\x04", b"\xff" * 100, b"\x16\xfe\xfd" + bytes(9), bytes(600)]
    hostile += [stun_head, stun_head + bytes.fromhex("0006000441414141"), stun_head + bytes.fromhex("0020000100000000")]
    hostile += [stun_head + bytes.fromhex("0024000000000000")]  # a priority of no octets
    hostile += [stun_head + bytes.fromhex("00090000ffffffff"), stun_head + bytes.fromhex("80280004deadbeef")]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for datagram in hostile:
            stranger.sendto(datagram, address)
    got: list[bytes] = []
    other.on_rtp = got.append
    one.send_rtp(RTP)
    await eventually(lambda: got)
    assert other.state is TransportState.CONNECTED


async def test_too_long_or_early_packets_are_counted_and_not_sent(
    connect_pair: Connect, certificates: Certificates, options: MediaTransportOptions
) -> None:
    one, _ = await connect_pair()
    one.send_rtp(bytes(1400))
    one.send_rtcp(bytes(1400))
    one.send_rtp(b"\x80")  # SRTP refuses what has no header
    one.send_rtcp(b"\x80")
    assert one.counters.unsent == 4
    early = MediaTransport(certificates[0], options)
    early.send_rtp(RTP)
    early.send_rtcp(RTCP)
    assert early.counters.unsent == 2
    await early.close()


async def test_media_before_the_keys_is_kept_within_bounds(connect_pair: Connect) -> None:
    one, other = await connect_pair()
    wire: list[bytes] = []
    route = one._connection.route
    assert route is not None
    one._connection.route = (lambda data, _address: wire.append(data), route[1])
    for number in range(MAX_EARLY_PACKETS + 3):
        one.send_rtp(pack_rtp(0, number, 0, 1, b"sound"))
    got: list[bytes] = []
    other.on_rtp = got.append
    for packet in wire:
        other._early_received(packet)
    assert (got, other.counters.early) == ([], 3)
    other._take_keys()
    assert len(got) == MAX_EARLY_PACKETS


async def test_a_capture_hears_both_directions_in_the_clear(
    certificates: Certificates, options: MediaTransportOptions, eventually: Eventually
) -> None:
    one, other = (MediaTransport(certificate, options) for certificate in certificates)
    heard: list[tuple[str, bool, bytes]] = []
    one.on_packet = lambda kind, sent, packet: heard.append((kind, sent, packet))
    offer, answer = await one.gather(), await other.gather()
    await asyncio.gather(
        one.connect(answer, controlling=True, dtls_role="active"),
        other.connect(offer, controlling=False, dtls_role="passive"),
    )
    one.send_rtp(RTP)
    other.send_rtcp(RTCP)
    await eventually(lambda: len(heard) == 2)
    assert heard == [("rtp", True, RTP), ("rtcp", False, RTCP)]
    await asyncio.gather(one.start_sctp(5000, 5001), other.start_sctp(5001, 5000))
    await eventually(lambda: {(kind, sent) for kind, sent, _ in heard} >= {("sctp", True), ("sctp", False)})
    one.send_rtcp(RTCP)
    other.send_rtp(RTP)
    await eventually(lambda: ("rtp", False, RTP) in heard and ("rtcp", True, RTCP) in heard)
    await asyncio.gather(one.close(), other.close())


def connected(*ends: MediaTransport) -> bool:
    return all(end.state is TransportState.CONNECTED for end in ends)


async def test_the_answerer_may_come_late(
    certificates: Certificates, options: MediaTransportOptions, eventually: Eventually
) -> None:
    one, other = (MediaTransport(certificate, options) for certificate in certificates)
    offer, answer = await one.gather(), await other.gather()
    # The offerer is the DTLS client and is first in all it does: its checks wait at the other side.
    connecting = asyncio.create_task(one.connect(answer, controlling=True, dtls_role="active"))
    await eventually(lambda: other._connection._early_checks)
    await other.connect(offer, controlling=False, dtls_role="passive")
    await connecting
    assert connected(one, other)
    await asyncio.gather(one.close(), other.close())


async def test_checks_before_the_answer_are_no_role_conflict(
    certificates: Certificates, options: MediaTransportOptions, eventually: Eventually
) -> None:
    one, other = (MediaTransport(certificate, options) for certificate in certificates)
    offer, answer = await one.gather(), await other.gather()
    one._connection._tie_breaker, other._connection._tie_breaker = 0, 1
    connecting = asyncio.create_task(other.connect(offer, controlling=False, dtls_role="active"))
    await eventually(lambda: one._connection._early_checks)
    await one.connect(answer, controlling=True, dtls_role="passive")
    await connecting
    assert one._connection.ice_controlling
    assert not other._connection.ice_controlling
    await asyncio.gather(one.close(), other.close())


async def test_a_peer_that_hides_its_addresses_is_learned_from_its_checks(
    certificates: Certificates, options: MediaTransportOptions
) -> None:
    one, other = (MediaTransport(certificate, options) for certificate in certificates)
    offer, answer = await one.gather(), await other.gather()
    hidden = tuple(replace(candidate, address="4c1d.local") for candidate in answer.candidates)
    tcp = Candidate("1", 1, "tcp", 1, "127.0.0.1", 9, "host", tcp_type="active")
    rtcp = Candidate("1", 2, "udp", 1, "127.0.0.1", 9, "host")
    await asyncio.gather(
        one.connect(replace(answer, candidates=(*hidden, tcp, rtcp)), controlling=True, dtls_role="passive"),
        other.connect(offer, controlling=False, dtls_role="active"),
    )
    assert connected(one, other)
    await asyncio.gather(one.close(), other.close())


async def test_both_sides_controlling_is_settled(certificates: Certificates, options: MediaTransportOptions) -> None:
    one, other = (MediaTransport(certificate, options) for certificate in certificates)
    offer, answer = await one.gather(), await other.gather()
    await asyncio.gather(
        one.connect(answer, controlling=True, dtls_role="passive"),
        other.connect(offer, controlling=True, dtls_role="active"),
    )
    assert connected(one, other)
    assert one._connection.ice_controlling is not other._connection.ice_controlling
    await asyncio.gather(one.close(), other.close())


async def test_a_peer_that_is_not_there_is_told_as_ice_failed(certificates: Certificates) -> None:
    options = MediaTransportOptions(addresses=LOOPBACK, ice_timeout=0.2)
    transport = MediaTransport(certificates[0], options)
    local = await transport.gather()
    states: list[tuple[TransportState, MediaFailed | None]] = []
    transport.on_state = lambda state, failure: states.append((state, failure))
    absent = replace(local.candidates[0], port=9)
    remote = replace(local, candidates=(absent,), ice_ufrag="absent", ice_pwd="x" * 24)
    with pytest.raises(IceFailed, match=r"within 0\.2 s"):
        await transport.connect(remote, controlling=True, dtls_role="active")
    assert [state for state, _ in states] == [TransportState.CHECKING, TransportState.FAILED]
    assert isinstance(states[-1][1], IceFailed)
    await transport.close()


async def test_no_pair_at_all_is_told_at_once(certificates: Certificates, options: MediaTransportOptions) -> None:
    transport = MediaTransport(certificates[0], options)
    local = await transport.gather()
    remote = replace(local, candidates=(replace(local.candidates[0], address="::1"),))
    with pytest.raises(IceFailed, match="none of 1 remote candidates"):
        await transport.connect(remote, controlling=False, dtls_role="active")
    await transport.close()


@pytest.mark.parametrize("wrong_end", [0, 1])
async def test_a_wrong_certificate_gets_no_media(
    certificates: Certificates, options: MediaTransportOptions, wrong_end: int
) -> None:
    ends = [MediaTransport(certificate, options) for certificate in certificates]
    descriptions = [await end.gather() for end in ends]
    wrong = Certificate.generate().fingerprints
    descriptions[wrong_end] = replace(descriptions[wrong_end], fingerprints=wrong)
    got: list[bytes] = []
    for end in ends:
        end.on_rtp = got.append
    results = await asyncio.gather(
        ends[0].connect(descriptions[1], controlling=True, dtls_role="passive"),
        ends[1].connect(descriptions[0], controlling=False, dtls_role="active"),
        return_exceptions=True,
    )
    judge = 1 - wrong_end
    assert isinstance(results[judge], FingerprintMismatch)
    assert ends[judge].state is TransportState.FAILED
    for end in ends:
        end.send_rtp(RTP)
    await asyncio.sleep(0.05)
    assert got == []
    await asyncio.gather(*(end.close() for end in ends))


async def test_one_matching_fingerprint_is_enough(certificates: Certificates, options: MediaTransportOptions) -> None:
    one, other = (MediaTransport(certificate, options) for certificate in certificates)
    offer, answer = await one.gather(), await other.gather()
    # RFC 8122 §5: several certificates may be announced, and unknown hashes.
    several = (Fingerprint("md5", "00:11"), Fingerprint("sha-256", ":".join(["00"] * 32)), *answer.fingerprints)
    await asyncio.gather(
        one.connect(replace(answer, fingerprints=several), controlling=True, dtls_role="passive"),
        other.connect(offer, controlling=False, dtls_role="active"),
    )
    assert connected(one, other)
    await asyncio.gather(one.close(), other.close())


@pytest.mark.parametrize("fingerprints", [(), (Fingerprint("md5", "00:11"),)])
async def test_no_usable_fingerprint_is_a_mismatch(
    certificates: Certificates, options: MediaTransportOptions, fingerprints: tuple[Fingerprint, ...]
) -> None:
    one, other = (MediaTransport(certificate, options) for certificate in certificates)
    offer, answer = await one.gather(), await other.gather()
    results = await asyncio.gather(
        one.connect(replace(answer, fingerprints=fingerprints), controlling=True, dtls_role="active"),
        asyncio.wait_for(other.connect(offer, controlling=False, dtls_role="passive"), 0.5),
        return_exceptions=True,
    )
    assert isinstance(results[0], FingerprintMismatch)
    await asyncio.gather(one.close(), other.close())


async def test_a_silent_dtls_peer_is_given_up(certificates: Certificates) -> None:
    options = MediaTransportOptions(addresses=LOOPBACK, dtls_timeout=0.1)
    one, other = (MediaTransport(certificate, options) for certificate in certificates)
    offer, answer = await one.gather(), await other.gather()
    results = await asyncio.gather(
        one.connect(answer, controlling=True, dtls_role="passive"),
        other.connect(offer, controlling=False, dtls_role="passive"),  # neither begins
        return_exceptions=True,
    )
    assert [str(result) for result in results] == ["no DTLS handshake within 0.1 s"] * 2
    await asyncio.gather(one.close(), other.close())


async def test_a_peer_that_closes_is_noticed(connect_pair: Connect, eventually: Eventually) -> None:
    one, other = await connect_pair()
    ends: list[MediaFailed | None] = []
    other.on_state = lambda _state, failure: ends.append(failure)
    channels, _ = await asyncio.gather(other.start_sctp(5000, 5000), one.start_sctp(5000, 5000))
    await one.close()
    await eventually(lambda: ends)
    assert "closed the DTLS connection" in str(ends[0])
    assert not channels.established
    other.send_rtp(RTP)
    assert other.counters.unsent == 1


async def test_consent_can_be_revoked(connect_pair: Connect, eventually: Eventually) -> None:
    quick = MediaTransportOptions(addresses=LOOPBACK, consent=ConsentTimes(interval=0.02, expiry=30))
    one, other = await connect_pair(quick)
    connection = other._connection
    # RFC 7675 §5.2: 403 (Forbidden) takes consent back at once.
    connection.request_received = lambda message, addr, protocol: connection.respond_error(  # type: ignore[method-assign]
        message, addr, protocol, (403, "Forbidden")
    )
    await eventually(lambda: one.state is not TransportState.CONNECTED)
    assert one.state is TransportState.FAILED


async def test_steps_out_of_order_are_refused(connect_pair: Connect, certificates: Certificates) -> None:
    one, _ = await connect_pair()
    nowhere = TransportDescription(address="127.0.0.1", port=9)
    with pytest.raises(MediaFailed, match="transport that is connected"):
        await one.connect(nowhere, controlling=True, dtls_role="active")
    with pytest.raises(MediaFailed, match="cannot gather for a transport that is connected"):
        await one.gather()
    fresh = MediaTransport(certificates[0])
    with pytest.raises(MediaFailed, match="SCTP needs a connected transport"):
        await fresh.start_sctp(5000, 5000)
    await fresh.close()
    await fresh.close()
    assert fresh.state is TransportState.CLOSED


@pytest.mark.parametrize("dtls", [False, True])
async def test_closing_while_it_connects_ends_the_wait(
    certificates: Certificates, options: MediaTransportOptions, eventually: Eventually, dtls: bool
) -> None:
    one, other = (MediaTransport(certificate, options) for certificate in certificates)
    offer, answer = await one.gather(), await other.gather()
    reachable = answer if dtls else replace(answer, candidates=())  # ICE then waits for the checks of the peer
    connecting = asyncio.create_task(one.connect(reachable, controlling=True, dtls_role="passive"))
    if dtls:
        peer = asyncio.create_task(other.connect(offer, controlling=False, dtls_role="passive"))
        await eventually(lambda: one.state is TransportState.HANDSHAKING)
        peer.cancel()
    else:
        await eventually(lambda: one.state is TransportState.CHECKING)
    await one.close()
    with pytest.raises(MediaFailed):
        await connecting
    await other.close()


async def test_secrets_are_not_logged(connect_pair: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    one, _ = await connect_pair()
    password = one._connection.local_password
    assert password not in caplog.text
    assert "BEGIN" not in caplog.text
    assert "media transport Handshaking -> Connected" in caplog.text
    assert "secret" not in repr(IceServer("turn:192.0.2.1", "user", "secret"))


async def test_a_stun_server_gives_a_reflexive_candidate(certificates: Certificates) -> None:
    server = MediaTransport(certificates[1], MediaTransportOptions(addresses=LOOPBACK))
    # Any agent answers a binding request that carries no credentials with an error; a server is a few octets more.
    stun = await asyncio.get_running_loop().create_datagram_endpoint(_StunServer, local_addr=("127.0.0.1", 0))
    port = stun[0].get_extra_info("sockname")[1]
    options = MediaTransportOptions(addresses=("127.0.0.1", "::1"), servers=(IceServer(f"stun:127.0.0.1:{port}"),))
    transport = MediaTransport(certificates[0], options)
    description = await transport.gather()
    assert [candidate.type for candidate in description.candidates] == ["host", "host", "srflx"]
    reflexive = description.candidates[-1]
    assert (reflexive.related_address, reflexive.related_port) == ("127.0.0.1", description.candidates[0].port)
    only_v6 = MediaTransport(certificates[0], replace(options, addresses=("::1",)))
    assert len((await only_v6.gather()).candidates) == 1
    stun[0].close()
    await asyncio.gather(transport.close(), only_v6.close(), server.close())


async def test_a_gathering_that_is_cancelled_asks_the_stun_server_no_more(
    certificates: Certificates, eventually: Eventually
) -> None:
    asked: list[bytes] = []
    silent = UdpPort.bind("127.0.0.1", 0, lambda data, _: asked.append(data))
    options = MediaTransportOptions(addresses=LOOPBACK, servers=(IceServer(f"stun:127.0.0.1:{silent.address[1]}"),))
    transport = MediaTransport(certificates[0], options)
    before = asyncio.all_tasks()
    gathering = asyncio.create_task(transport.gather())
    await eventually(lambda: asked)
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    await transport.close()
    await eventually(lambda: asyncio.all_tasks() <= before)
    silent.close()


class _StunServer(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        cookie = 0x2112A442
        mapped = (addr[1] ^ cookie >> 16).to_bytes(2, "big")
        host = int.from_bytes(socket.inet_aton(addr[0]), "big") ^ cookie
        attribute = bytes.fromhex("002000080001") + mapped + host.to_bytes(4, "big")
        self._transport.sendto(b"\x01\x01\x00\x0c" + data[4:20] + attribute, addr)  # type: ignore[attr-defined]


async def test_a_server_that_is_none_is_one_sentence(certificates: Certificates) -> None:
    options = MediaTransportOptions(servers=(IceServer("https://192.0.2.1", credential="secret"),))
    with pytest.raises(ConfigurationError, match=r"STUN or TURN servers: https://192\.0\.2\.1\.$"):
        MediaTransport(certificates[0], options)


def resources() -> tuple[int, int, int]:
    return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), threading.active_count()


async def test_two_hundred_transports_leave_nothing_behind(certificates: Certificates) -> None:
    options = MediaTransportOptions(addresses=LOOPBACK)

    async def life() -> None:
        one, other = (MediaTransport(certificate, options) for certificate in certificates)
        offer, answer = await one.gather(), await other.gather()
        await asyncio.gather(
            one.connect(answer, controlling=True, dtls_role="passive"),
            other.connect(offer, controlling=False, dtls_role="active"),
        )
        await asyncio.gather(one.start_sctp(5000, 5000), other.start_sctp(5000, 5000))
        one.send_rtp(RTP)
        await asyncio.gather(one.close(), other.close())

    def alive() -> int:
        gc.collect()
        return sum(isinstance(thing, MediaTransport) for thing in gc.get_objects())

    await life()
    await asyncio.sleep(0)
    transports, before = alive(), resources()
    objects = len(gc.get_objects())
    for _ in range(10):
        await asyncio.gather(*(life() for _ in range(10)))
    await asyncio.sleep(0)
    assert resources() == before
    assert alive() == transports
    assert len(gc.get_objects()) < objects + 500
