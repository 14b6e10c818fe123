"""Properties of the adapter itself; its work on the wire is tested in test_transport and test_channel."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import aioice.ice
import pytest
from aiortc.rtcdtlstransport import SRTP_PROFILES, generate_certificate
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from OpenSSL import SSL

from tests.support.rtp import pack_rtp
from wic.errors import ConfigurationError, ConsentLost, MediaFailed
from wic.media import Certificate, ConsentTimes, MediaTransport, MediaTransportOptions, TransportState
from wic.media._aiortc import MAX_QUEUED_DTLS, DtlsCertificate, IceConnection, check_versions

if TYPE_CHECKING:
    from cryptography import x509

    from wic.sdp.candidate import Candidate

Certificates = tuple[Certificate, Certificate]
Connect = Callable[..., Awaitable[tuple[MediaTransport, MediaTransport]]]
Eventually = Callable[[Callable[[], object]], Awaitable[None]]

RTP = pack_rtp(0, 1, 0, 1, b"sound")
LOOPBACK = ("127.0.0.1",)


def test_versions_it_was_checked_against_are_taken() -> None:
    check_versions({"aiortc": "1.16.4", "aioice": "0.13.0"}.__getitem__)
    check_versions()


@pytest.mark.parametrize(
    "versions", [{"aiortc": "1.15.0"}, {"aiortc": "1.17.0"}, {"aiortc": "1.16.0", "aioice": "0.14"}]
)
def test_other_versions_are_refused_in_one_sentence(versions: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"is installed; wic needs aio(rtc|ice)>=\d"):
        check_versions(versions.__getitem__)


async def test_a_relayed_packet_takes_the_same_ways(connect_pair: Connect) -> None:
    one, _ = await connect_pair()
    connection = one._connection
    media: list[bytes] = []
    connection.on_media = media.append
    malformed = connection.malformed
    for data in (b"\x80media", b"", b"\x47turn"):
        connection.data_received(data, 1)
    assert media == [b"\x80media"]
    assert connection.malformed == malformed + 2


async def test_chosen_addresses_take_the_place_of_those_of_the_machine(
    connect_pair: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("aioice.ice.get_host_addresses")
    one, _ = await connect_pair()
    assert {candidate.host for candidate in one._connection.local_candidates} == set(LOOPBACK)


async def test_a_single_check_is_not_followed_by_a_pause(
    connect_pair: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(delay: float) -> None:
        pauses.append(delay)
        await sleep(delay)

    monkeypatch.setattr("aioice.ice.asyncio.sleep", note)
    await connect_pair()
    assert pauses == []


async def test_unread_dtls_is_bounded(certificates: tuple[Certificate, Certificate]) -> None:
    transport = MediaTransport(certificates[0], MediaTransportOptions(addresses=("127.0.0.1",)))
    await transport.gather()
    for _ in range(2 * MAX_QUEUED_DTLS):
        transport._connection.data_received(b"\x16dtls", 1)
    assert transport._connection._queue.qsize() == MAX_QUEUED_DTLS
    assert transport._connection.malformed == MAX_QUEUED_DTLS
    transport._connection.on_media(b"\x80unread")
    await transport.close()


async def test_closing_while_it_gathers_leaves_no_socket(
    certificates: Certificates, options: MediaTransportOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = asyncio.Event()

    async def ask_turn_server(connection: IceConnection, *_: object) -> list[Candidate]:
        await answered.wait()
        late = connection._open_host(1, "127.0.0.1", 1)
        assert late is not None
        connection._protocols.append(late)
        return []

    monkeypatch.setattr(aioice.ice.Connection, "get_component_candidates", ask_turn_server)
    files = len(os.listdir("/proc/self/fd"))
    transport = MediaTransport(certificates[0], options)
    gathering = asyncio.create_task(transport.gather())
    await asyncio.sleep(0)
    assert transport.state is TransportState.GATHERING
    await transport.close()
    answered.set()
    with pytest.raises(MediaFailed, match="closed while it gathered"):
        await gathering
    assert transport.state is TransportState.CLOSED
    assert len(os.listdir("/proc/self/fd")) == files


async def test_consent_is_kept_and_lost(connect_pair: Connect, eventually: Eventually) -> None:
    quick = MediaTransportOptions(addresses=LOOPBACK, consent=ConsentTimes(interval=0.02, expiry=1.0))
    one, other = await connect_pair(quick)
    failures: list[MediaFailed | None] = []
    one.on_state = lambda _state, failure: failures.append(failure)
    consent = one._connection._consent
    granted = consent._until
    await eventually(lambda: consent._until > granted)  # an answer came
    assert one.state is TransportState.CONNECTED
    for protocol in other._connection._protocols:  # the peer is gone without a word
        protocol.transport.close()
    await eventually(lambda: failures)
    assert isinstance(failures[0], ConsentLost)
    assert one.remote_address is None
    one.send_rtp(RTP)
    assert one.counters.unsent == 1


async def test_one_context_serves_every_transport() -> None:
    shown = Certificate.generate().shown
    assert shown._create_ssl_context(SRTP_PROFILES) is shown._create_ssl_context(SRTP_PROFILES)


async def test_a_peer_without_srtp_still_gets_data_channels(
    monkeypatch: pytest.MonkeyPatch, certificates: tuple[Certificate, Certificate]
) -> None:
    # RFC 8261 asks for DTLS only; a context that offers no use_srtp stands for such a peer.
    key = generate_private_key(SECP256R1())
    certificate = generate_certificate(key)
    shown = DtlsCertificate(key, certificate)
    plain = Certificate(shown)
    options = MediaTransportOptions(addresses=("127.0.0.1",))
    one, other = MediaTransport(plain, options), MediaTransport(certificates[1], options)
    monkeypatch.setattr(shown, "_context", context_without_srtp(key, certificate))
    offer, answer = await one.gather(), await other.gather()
    await asyncio.gather(
        one.connect(answer, controlling=True, dtls_role="passive"),
        other.connect(offer, controlling=False, dtls_role="active"),
    )
    ends = await asyncio.gather(one.start_sctp(5000, 5000), other.start_sctp(5000, 5000))
    channel = ends[0].open("chat")
    await channel.opened()
    one.send_rtp(bytes(20))
    assert one.counters.unsent == 1
    await asyncio.gather(one.close(), other.close())


def context_without_srtp(key: EllipticCurvePrivateKey, certificate: x509.Certificate) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    return context
