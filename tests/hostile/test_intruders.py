"""Hostile peers of the network on W2 and Mw: they get the answers of the protocol, and other users are not affected."""

from __future__ import annotations

import asyncio
import base64
import random
import re
import socket
import ssl
import time
from typing import TYPE_CHECKING

import aiohttp
import pytest

from wic.client import Account, Client, ClientOptions
from wic.network.scscf.server import Scscf

from .conftest import WITH_WEB, Text, basic

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("well_behaved")

USIM = "usim@ims.example"
ASKS = "algorithm=AKAv2-SHA-256"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Shift of the wall clock of the S-CSCF, in seconds."""
    shift = [0.0]
    monkeypatch.setitem(Scscf.open.__func__.__kwdefaults__, "wall_clock", lambda: time.time() + shift[0])
    return shift


@pytest.fixture
def on_core() -> Callable[[int], Stranger]:
    """Make UDP peers on the core network that no element knows."""
    opened = []

    def make(port: int) -> Stranger:
        opened.append(Stranger(port))
        return opened[-1]

    yield make
    for each in opened:
        each.socket.close()


class Stranger:
    """A UDP socket that sends to one port."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]

    def write(self, method: str, uri: str, *lines: str, to: str = "<sip:alice@ims.example>") -> bytes:
        head = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{random.randrange(10**9)};rport",
            "Max-Forwards: 70",
            "From: <sip:alice@ims.example>;tag=1",
            f"To: {to}",
            "Call-ID: stranger",
            f"CSeq: {random.randrange(10**6)} {method}",
            f"Contact: <sip:stranger@127.0.0.1:{self.port}>",
            *lines,
            "Content-Length: 0",
        ]
        return "\r\n".join([*head, "", ""]).encode()

    async def ask(self, data: bytes) -> Text:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.socket, data)
        async with asyncio.timeout(10):
            while (
                text := Text((await loop.sock_recv(self.socket, 65536)).decode(errors="surrogateescape"))
            ).status < 200:
                pass
        return text


def claim(*extra: str, user: str = USIM, nonce: str = "", response: str = "") -> str:
    given = [f'username="{user}"', 'realm="ims.example"', f'nonce="{nonce}"', 'uri="sip:ims.example"']
    return "Authorization: Digest " + ", ".join([*given, f'response="{response}"', *extra])


def guess(nonce: str) -> str:
    """Answer a challenge without the key."""
    return claim(ASKS, "qop=auth", "nc=00000001", 'cnonce="c"', nonce=nonce, response="0" * 64)


def sqn_of(ims) -> int:
    with ims.hss.transaction() as db:
        return int(db.execute("SELECT sqn FROM usim WHERE impi = ?", (USIM,)).fetchone()[0])


def usim_client(ims) -> Client:
    return Client(Account.load("usim", path=ims.accounts_path), ClientOptions(reg_event=False))


# vectors and sequence numbers


async def test_hundreds_of_challenges_for_another_user(ims, intrude):
    """Each uses one of 2**43 sequence numbers, and no USIM gets out of range; 32 challenges are remembered."""
    mallory = await intrude("usim")
    nonces = []
    async with usim_client(ims) as alice:
        before = sqn_of(ims)
        for number in range(150):
            mallory.call_id = f"m{number}"
            await mallory.send(mallory.register(claim(ASKS)))
            nonces.append((await mallory.expect(401)).parameter("WWW-Authenticate", "nonce"))
        assert sqn_of(ims) >> 5 == (before >> 5) + 150
        assert alice.binding is not None
        answers = []
        for nonce in nonces[:-34:-1]:
            await mallory.send(mallory.register(guess(nonce)))
            answers.append((await mallory.receive_any()).status)
        assert answers == [403] * 31 + [401] * 2, "the oldest remembered challenge is that of the client"
    async with usim_client(ims) as alice:
        assert alice.binding is not None


async def test_challenges_between_a_challenge_and_its_answer(ims, intrude):
    """Repeated requests only displace challenges of the same peer: a wrong answer to a remembered challenge gets 403."""
    alice, mallory = await intrude("usim"), await intrude("usim")
    await alice.send(alice.register(claim(ASKS)))
    nonce = (await alice.expect(401)).parameter("WWW-Authenticate", "nonce")
    for number in range(100):
        mallory.call_id = f"m{number}"
        await mallory.send(mallory.register(claim(ASKS)))
        await mallory.expect(401)
    await alice.send(alice.register(guess(nonce)))
    assert (await alice.receive_any()).status == 403


@pytest.mark.parametrize("gap", [1 << 29, -(1 << 29), 1 << 42])
async def test_a_gap_in_the_sequence_is_closed(ims, gap):
    """After a change of the home network's counter the USIM reports its own, and the next challenge succeeds."""
    async with usim_client(ims):
        pass
    with ims.hss.transaction() as db:
        db.execute("UPDATE usim SET sqn = ?", (((1 << 35) + (gap << 5)) % 2**48,))
    async with usim_client(ims) as client:
        (bound,) = ims.hss.bindings("usim@ims.example", now=0)
        assert str(client.binding.contact.uri) in bound.contact


@pytest.mark.parametrize(
    ("auts", "status"),
    [
        (base64.b64encode(b"no USIM's AUTS").decode(), 403),
        (base64.b64encode(bytes(13)).decode(), 400),
        (base64.b64encode(bytes(15)).decode(), 400),
        ("!!!", 400),
        ("A" * 9000, 400),
    ],
)
async def test_a_forged_auts(ims, intrude, auts, status):
    """No other challenge follows, and the counter of the HSS stays."""
    mallory = await intrude("usim")
    await mallory.send(mallory.register(claim(ASKS)))
    nonce = (await mallory.expect(401)).parameter("WWW-Authenticate", "nonce")
    before = sqn_of(ims)
    await mallory.send(mallory.register(claim(ASKS, f'auts="{auts}"', nonce=nonce, response="0" * 64)))
    refused = await mallory.expect(status)
    assert "stale" not in str(refused)
    assert sqn_of(ims) == before


async def test_the_keys_of_a_challenge_stay_in_the_network(ims, intrude):
    mallory = await intrude("usim")
    await mallory.send(mallory.register(claim(ASKS)))
    challenge = (await mallory.expect(401)).one("WWW-Authenticate")
    assert not re.search(r"\b(ik|ck)\s*=", challenge)


@pytest.mark.parametrize("shift", [86_400.0, -86_400.0])
async def test_a_clock_that_jumps_between_challenge_and_answer(ims, intrude, clock, shift):
    """The answer is stale then, and one more challenge follows."""
    bob = await intrude("bob")
    await bob.send(bob.register())
    challenged = await bob.expect(401)
    clock[0] = shift
    await bob.send(bob.register(bob.proof(challenged)))
    again = await bob.expect(401)
    assert "stale=true" in str(again)
    await bob.send(bob.register(bob.proof(again)))
    await bob.expect(200)
    clock[0] = 0.0


@pytest.mark.parametrize("shift", [86_400.0, -86_400.0])
async def test_a_clock_that_jumps_between_challenge_and_answer_of_a_usim(ims, clock, shift):
    """One more challenge follows, with the next sequence number."""
    challenges: list[str] = []

    def jump(entity, now, direction, data, flow) -> None:
        if entity == "S-CSCF" and data.startswith(b"SIP/2.0 401"):
            challenges.append(data.decode())
            clock[0] = shift

    ims.on_message(jump)
    async with usim_client(ims) as client:
        assert client.binding is not None
    assert ["stale=true" in each for each in challenges] == [False, True]
    clock[0] = 0.0


# on Mw


@pytest.mark.parametrize("value", ["auth-done", "tls-yes", "tls-protected", "tls-connected", "ip-assoc-yes"])
async def test_integrity_protected_of_a_stranger_on_mw(ims, on_core, value):
    stranger = on_core(ims.scscf.node.mw.port)
    credentials = claim(f'integrity-protected="{value}"', user="alice@ims.example")
    path = f"Path: <sip:127.0.0.1:{stranger.port};lr;ob>"
    lines = [credentials, path, "Supported: path, outbound", "Expires: 3600"]
    answer = await stranger.ask(stranger.write("REGISTER", "sip:ims.example", *lines))
    assert answer.status == 401
    assert ims.hss.bindings("alice@ims.example", now=0) == []


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "MESSAGE", "NOTIFY", "BYE", "OPTIONS", "PUBLISH", "REFER"])
@pytest.mark.parametrize(("entity", "status"), [("scscf", 403), ("epcscf", 430)])
async def test_strangers_on_mw_are_refused(ims, on_core, entity, status, method):
    """An asserted identity counts only from an eP-CSCF; there is no flow without its token, and no dialog."""
    port = getattr(ims, entity).node.mw.port
    stranger = on_core(port)
    lines = ["P-Asserted-Identity: <sip:good@ims.example>", "Event: reg", "Subscription-State: terminated"]
    routes = [f"Route: <sip:orig@127.0.0.1:{port};lr>"]
    outside = stranger.write(method, "sip:bob@ims.example", *lines, *routes)
    assert (await stranger.ask(outside)).status == status
    inside = stranger.write(method, f"sip:127.0.0.1:{port}", *lines, to="<sip:good@ims.example>;tag=1")
    assert (await stranger.ask(inside)).status == 481


async def test_garbage_on_mw(ims, on_core):
    chance = random.Random(3)
    for entity in (ims.scscf, ims.epcscf):
        stranger = on_core(entity.node.mw.port)
        sample = stranger.write("REGISTER", "sip:ims.example", claim())
        for number in range(20):
            for _ in range(10):
                data = bytearray(sample)
                for _ in range(chance.randrange(1, 6)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
                stranger.socket.send(bytes(data[: chance.randrange(1, len(data))]))
                stranger.socket.send(chance.randbytes(100))
            question = stranger.write("OPTIONS", "sip:unknown@ims.example", to="<sip:unknown@ims.example>")
            end = f"end-{number}"
            answer = await stranger.ask(question.replace(b"Call-ID: stranger", f"Call-ID: {end}".encode()))
            while end not in str(answer):
                answer = await stranger.ask(b"")
            assert 400 <= answer.status < 500


# subscriptions to registration state


async def test_the_registration_state_of_another_user(intrude):
    alice, bob = await intrude("alice"), await intrude("bob")
    await alice.registered()
    await bob.registered()
    contact = f"Contact: <sip:bob@{bob.user}.invalid;transport=ws>"
    for lie in ("P-Asserted-Identity", "P-Preferred-Identity"):
        lines = ["Event: reg", "Expires: 3600", contact, f"{lie}: <sip:alice@ims.example>"]
        await bob.send(bob.write("SUBSCRIBE", "sip:alice@ims.example", *lines, call_id=lie))
        await bob.expect(403)
    await alice.expect_nothing()


async def test_hundreds_of_subscriptions(ims, intrude):
    """The oldest subscriptions of the same user give way; those of others stay."""
    alice = await intrude("alice")
    await alice.registered()
    kept = 2 + 16  # those of the eP-CSCF, one for each user, and the newest of hers
    for number in range(100):
        lines = ["Event: reg", "Expires: 3600", "Contact: <sip:alice@alice.invalid;transport=ws>"]
        await alice.send(alice.write("SUBSCRIBE", "sip:alice@ims.example", *lines, call_id=f"s{number}"))
    answers: list[int] = []

    async def answer() -> None:
        while True:
            text = Text(str(await alice.socket.recv()))
            if text.status >= 200:
                answers.append(text.status)
            elif not text.status:
                await alice.send(text.answer("200 OK"))

    async with asyncio.timeout(15), asyncio.TaskGroup() as tasks:
        answering = tasks.create_task(answer())
        # A subscription that gives way gets its last NOTIFY first.
        while len(answers) < 100 or len(ims.scscf.notifier) > kept:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        answering.cancel()
    assert answers == [200] * 100


# tokens and pools


@WITH_WEB
async def test_a_lease_of_another_user(ims):
    """A lease has an unguessable name; without it, no token or cookie gives access."""
    context = ssl.create_default_context(cafile=str(ims.ca_path))
    pool = f"{ims.accounts.get('guest')['wwsf']}/pool/lease"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        leases = []
        for _ in range(2):
            async with session.post(pool) as answer:
                leases.append(await answer.json())
        mine, yours = leases
        assert mine["impi"] != yours["impi"]
        for method in ("POST", "DELETE"):
            for headers in (
                {"Authorization": f"Bearer {mine['access_token']}"},
                {"Authorization": basic("wic", "")},
                {},
                {"Origin": "https://evil.example", "Cookie": "session=x"},
            ):
                guesses = (yours["lease"][:-1], yours["lease"].swapcase(), "0", "..%2flease", "%00", "x" * 5000)
                for lease in guesses:
                    async with session.request(method, f"{pool}/{lease}", headers=headers) as answer:
                        assert 400 <= answer.status < 500
        assert len(yours["lease"]) >= 40
        async with session.delete(
            f"{pool}/{yours['lease']}", headers={"Authorization": f"Bearer {yours['access_token']}"}
        ) as answer:
            assert answer.status == 204


@WITH_WEB
async def test_one_address_does_not_empty_the_pool(ims):
    context = ssl.create_default_context(cafile=str(ims.ca_path))
    pool = f"{ims.accounts.get('guest')['wwsf']}/pool/lease"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        statuses = []
        for _ in range(12):
            async with session.post(pool, headers={"X-Forwarded-For": f"10.0.0.{len(statuses)}"}) as answer:
                statuses.append(answer.status)
                if answer.status != 201:
                    assert int(answer.headers["Retry-After"]) >= 1
    assert statuses.count(201) <= 4
    assert set(statuses) <= {201, 429, 503}
