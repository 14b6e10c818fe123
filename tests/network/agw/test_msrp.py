"""MSRP connections of the eIMS-AGW against peers made of bytes."""

from __future__ import annotations

import asyncio

import pytest

from wic.datachannel.msrp import MsrpUri
from wic.datachannel.msrp_session import Content
from wic.network.agw import msrp
from wic.network.agw.msrp import MsrpHub
from wic.sip.random_source import CountingSource

PEER = MsrpUri("127.0.0.1", 9, "peer")


class LongTokens(CountingSource):
    def hex(self, octets: int) -> str:
        return f"{super().hex(octets)}-token"


def send(to: MsrpUri, *, transaction: str = "abcd1", body: bytes = b"hi", sender: MsrpUri = PEER) -> bytes:
    head = (
        f"MSRP {transaction} SEND\r\nTo-Path: {to}\r\nFrom-Path: {sender}\r\nMessage-ID: {transaction}\r\n"
        f"Byte-Range: 1-{len(body)}/{len(body)}\r\nContent-Type: text/plain\r\n\r\n"
    )
    return head.encode() + body + f"\r\n-------{transaction}$\r\n".encode()


class Peers:
    """The MSRP port of a gateway, and peers that connect to it."""

    def __init__(self, hub: MsrpHub) -> None:
        self.hub = hub
        self.got: list[Content] = []
        self.ended: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []

    def link(self):
        link = self.hub.link()
        link.on_content = self.got.append
        link.on_closed = self.ended.append
        return link

    async def connect(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.hub.port)
        self.writers.append(writer)
        return reader, writer

    async def until(self, condition) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.005)


@pytest.fixture
async def peers():
    hub = await MsrpHub.open("127.0.0.1", 0, LongTokens())
    made = Peers(hub)
    yield made
    for writer in made.writers:
        writer.close()
    await hub.close()
    assert len(hub) == 0


async def test_a_second_connection_for_a_session_is_refused(peers):
    link = peers.link()
    link.start((PEER,), dial=False)
    reader, writer = await peers.connect()
    writer.write(send(link.local))
    assert (await reader.readline()).startswith(b"MSRP abcd1 200")
    assert link.bound
    other, other_writer = await peers.connect()
    other_writer.write(send(link.local))
    assert (await other.readline()).startswith(b"MSRP abcd1 506")
    writer.write(send(peers.link().local, transaction="abcd2"))
    await reader.readuntil(b"-------abcd1$\r\n")
    assert (await reader.readline()).startswith(b"MSRP abcd2 481")


async def test_a_message_from_another_path_is_not_for_this_session(peers):
    link = peers.link()
    link.start((PEER,), dial=False)
    reader, writer = await peers.connect()
    writer.write(send(link.local, sender=MsrpUri("127.0.0.1", 9, "mallory")))
    assert (await reader.readline()).startswith(b"MSRP abcd1 481")
    assert peers.got == []


async def test_a_session_that_cannot_be_dialled_ends(peers):
    link = peers.link()
    link.start((MsrpUri("127.0.0.1", 1, "unreachable"),), dial=True)
    await peers.until(lambda: peers.ended)
    assert "127.0.0.1:1" in peers.ended[0]
    link.send(Content(content_type="text/plain", body=b"x"))
    link.start((PEER,), dial=True)
    assert len(peers.hub) == 0


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
async def test_a_path_without_a_host_name_ends_the_session(peers, host):
    """The path is the word of the core: it may name what no codec takes for a host name."""
    peers.link().start((MsrpUri.parse(f"msrp://{host}:7654/session;tcp"),), dial=True)
    await peers.until(lambda: peers.ended)
    assert peers.ended[0].startswith(f"no MSRP connection to {host}:7654: ")
    assert len(peers.hub) == 0


async def test_a_session_that_ends_while_it_is_dialled(peers):
    link, other = peers.link(), peers.link()
    other.start((link.local,), dial=False)
    link.start((other.local,), dial=True)
    link.close()
    other.close()
    await peers.until(lambda: peers.hub.connections == 0)
    assert len(peers.hub) == 0


async def test_a_peer_that_holds_back_gets_its_messages_later(peers):
    link, other = peers.link(), peers.link()
    link.start((PEER,), dial=False)
    other.start((PEER,), dial=False)
    link.pause()
    _, writer = await peers.connect()
    writer.write(send(link.local))
    await peers.until(lambda: link.bound)
    writer.write(send(link.local, transaction="abcd2", body=b"later"))
    reader, other_writer = await peers.connect()
    other_writer.write(send(other.local, body=b"meanwhile"))
    await reader.readuntil(b"$\r\n")
    assert [content.body for content in peers.got] == [b"hi", b"meanwhile"]
    link.resume()
    await peers.until(lambda: len(peers.got) == 3)
    link.pause()
    link.resume()


async def test_a_peer_that_does_not_read_is_given_up(peers, monkeypatch):
    monkeypatch.setattr(msrp, "SEND_LIMIT", 1000)
    link = peers.link()
    link.start((PEER,), dial=False)
    _, writer = await peers.connect()
    writer.write(send(link.local))
    await peers.until(lambda: link.bound)
    while not peers.ended:
        link.send(Content(content_type="text/plain", body=b"x" * 200_000))
        await asyncio.sleep(0)
    assert "slowly" in peers.ended[0]


async def test_a_peer_that_does_not_answer_is_given_up(peers):
    link = peers.link()
    link.start((PEER,), dial=False)
    for _ in range(600):
        link.send(Content(content_type="text/plain", body=b"x"))
    assert "does not answer" in peers.ended[0]


async def test_refused_and_unanswered_messages_are_only_noted(peers, monkeypatch):
    link = peers.link()
    link.start((PEER,), dial=False)
    reader, writer = await peers.connect()
    writer.write(send(link.local))
    await reader.readuntil(b"$\r\n")
    link.send(Content(content_type="text/plain", body=b"x"))
    transaction = (await reader.readline()).split()[1].decode()
    writer.write(
        f"MSRP {transaction} 413\r\nTo-Path: {link.local}\r\nFrom-Path: {PEER}\r\n-------{transaction}$\r\n".encode()
    )
    await peers.until(lambda: link.next_timeout is None)
    link.send(Content(content_type="text/plain", body=b"x"))
    link._session._unanswered = {key: (name, 0.0) for key, (name, _) in link._session._unanswered.items()}
    link.timed_out()
    assert link.bound
    assert peers.ended == []


async def test_connections_are_bounded_and_strangers_do_not_stay(peers, monkeypatch):
    monkeypatch.setattr(msrp, "IDENTIFY_TIMEOUT", 0.05)
    reader, _ = await peers.connect()
    assert await reader.read() == b""
    monkeypatch.setattr(msrp, "MAX_CONNECTIONS", 0)
    reader, _ = await peers.connect()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)


async def test_a_session_ends_that_gets_no_connection_for_want_of_room(peers, monkeypatch):
    monkeypatch.setattr(msrp, "MAX_CONNECTIONS", 0)
    link, other = peers.link(), peers.link()
    link.start((other.local,), dial=True)
    await peers.until(lambda: peers.ended)
    assert peers.ended == ["too many MSRP connections"]


async def test_responses_from_strangers_mean_nothing(peers):
    link = peers.link()
    reader, writer = await peers.connect()
    writer.write(f"MSRP abcd1 200 OK\r\nTo-Path: {link.local}\r\nFrom-Path: {PEER}\r\n-------abcd1$\r\n".encode())
    writer.write(send(link.local))  # not started: its peer is unknown
    assert (await reader.readline()).startswith(b"MSRP abcd1 481")


async def test_no_connection_comes_in_while_the_port_closes():
    hub, came = await MsrpHub.open("127.0.0.1", 0, LongTokens()), []

    async def connect_at_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
            came.append(writer)

    hub.tasks.start(connect_at_the_end())
    await asyncio.sleep(0)
    await hub.close()
    assert not came
