"""Hostile peers made of strings: nothing here is built or read with wic's SIP classes."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import operator
import re
import ssl
from base64 import b64encode
from contextlib import AsyncExitStack
from functools import reduce
from itertools import count
from typing import TYPE_CHECKING

import aiohttp
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from websockets.asyncio.client import connect

from tests.support.impostor import DOMAIN, PASSWORD, Impostor, Text
from wic.auth import Secret
from wic.client import Account, Client, ClientOptions
from wic.network import ImsNetwork, NetworkOptions
from wic.network.scscf.options import RegistrarOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from websockets.asyncio.client import ClientConnection

WITH_WEB = pytest.mark.parametrize("web", [True], ids=["with a WAF"])
_numbers = count(1)


class Intruder:
    """WebSocket connection to the eP-CSCF that sends any text."""

    def __init__(self, socket: ClientConnection, user: str) -> None:
        self.socket = socket
        self.user = user
        self.call_id = f"reg-{next(_numbers)}"
        self.instance = f"<urn:uuid:{user}>"
        self._cseq = 0

    async def send(self, text: str | bytes) -> None:
        await self.socket.send(text)

    async def expect(self, status: int) -> Text:
        """Check the status of the next final response or request, which has 0, and return it."""
        text = await self.receive_any()
        assert text.status == status, text
        return text

    async def receive_any(self) -> Text:
        """Return the next final response or request."""
        async with asyncio.timeout(10):
            while True:
                data = await self.socket.recv()
                text = Text(data if isinstance(data, str) else data.decode())
                if text.status // 100 != 1:
                    return text

    async def expect_nothing(self) -> None:
        """Check that nothing is pending: the next message is the answer to an OPTIONS of this call."""
        await self.send(self.write("OPTIONS", f"sip:unknown@{DOMAIN}", call_id="the-end"))
        async with asyncio.timeout(10):
            assert "the-end" in str(await self.socket.recv())

    def write(self, method: str, uri: str, *lines: str, to: str = "", from_: str = "", call_id: str = "") -> str:
        self._cseq += 1
        own = f"<sip:{self.user}@{DOMAIN}>"
        head = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/WSS {self.user}.invalid;branch=z9hG4bK{next(_numbers)}",
            "Max-Forwards: 70",
            f"From: {from_ or own};tag={self.user}",
            f"To: {to or f'<{uri}>'}",
            f"Call-ID: {call_id or self.call_id}",
            f"CSeq: {self._cseq} {method}",
        ]
        return "\r\n".join([*head, *lines, "Content-Length: 0", "", ""])

    def register(self, *lines: str, impu: str = "", expires: int = 3600) -> str:
        contact = f"<sip:{self.user}@{self.user}.invalid;transport=ws>"
        contact += f';reg-id=1;+sip.instance="{self.instance}"'
        impu = impu or f"sip:{self.user}@{DOMAIN}"
        head = [f"Contact: {contact}", f"Expires: {expires}", "Supported: path, outbound", *lines]
        return self.write("REGISTER", f"sip:{DOMAIN}", *head, to=f"<{impu}>", from_=f"<{impu}>")

    def proof(self, challenged: Text, *, password: str = PASSWORD, user: str = "", extra: str = "") -> str:
        """Answer the SHA-256 challenge (RFC 7616 §3.4)."""

        def h(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        offered = next(each for each in challenged.all("WWW-Authenticate") if "algorithm=SHA-256" in each)
        nonce = re.search(r'nonce="([^"]*)"', offered)[1]  # type: ignore[index]
        impi, uri = f"{user or self.user}@{DOMAIN}", f"sip:{DOMAIN}"
        response = h(f"{h(f'{impi}:{DOMAIN}:{password}')}:{nonce}:00000001:cn:auth:{h(f'REGISTER:{uri}')}")
        return (
            f'Authorization: Digest username="{impi}", realm="{DOMAIN}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}", algorithm=SHA-256, qop=auth, nc=00000001, cnonce="cn"{extra}'
        )

    async def registered(self, *lines: str, expires: int = 3600) -> Text:
        await self.send(self.register(*lines, expires=expires))
        challenged = await self.expect(401)
        await self.send(self.register(*lines, self.proof(challenged), expires=expires))
        return await self.expect(200)


@pytest.fixture(autouse=True)
def quiet_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail the test if anything was logged as an error."""
    with caplog.at_level(logging.INFO):
        yield
    wrong = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR or record.exc_info]
    assert not wrong, [record.getMessage() for record in wrong]


@pytest.fixture
def web() -> bool:
    """Whether the network has a WAF and a WWSF; tests of tokens and pools choose it by `WITH_WEB`."""
    return False


@pytest.fixture
async def ims(tmp_path, web: bool) -> AsyncIterator[ImsNetwork]:
    """A network; alice and bob have a password, usim a USIM."""
    options = NetworkOptions(
        directory=tmp_path / "ims",
        subscribers=("usim", "good"),
        usims=("usim",),
        registrar=RegistrarOptions(min_expires=10),
        grace=0,
        web=web,
    )
    async with ImsNetwork(options) as network:
        for user in ("alice", "bob"):
            network.add_subscriber(user, password=Secret(PASSWORD))
        yield network


@pytest.fixture
async def well_behaved(ims: ImsNetwork) -> AsyncIterator[Client]:
    """Registered client beside the hostile peers; in the end it has the same binding and can refresh it."""
    driver_of = {"eP-CSCF": ims.epcscf.node.driver, "S-CSCF": ims.scscf.node.driver}
    account = Account.load("good", path=ims.accounts_path)
    async with Client(account, ClientOptions(reg_event=False)) as client:
        granted = client.binding
        yield client
        assert client.binding is granted, "the registration was lost or replaced"
        client.refresh()
        async with asyncio.timeout(10):
            while client.binding is granted:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert client.binding is not None
    failures = {name: driver.counters.failures for name, driver in driver_of.items()}
    assert not any(failures.values()), failures


@pytest.fixture
async def intrude(ims: ImsNetwork) -> AsyncIterator[Callable[[str], Awaitable[Intruder]]]:
    """Make peers of the eP-CSCF."""
    context = ssl.create_default_context(cafile=str(ims.ca_path))
    async with AsyncExitStack() as stack:

        async def make(user: str) -> Intruder:
            opening = connect(ims.wss_url, subprotocols=["sip"], ssl=context, proxy=None, max_size=2**24)
            return Intruder(await stack.enter_async_context(opening), user)

        yield make


@pytest.fixture
def token_of(ims: ImsNetwork) -> Callable[[str], Awaitable[str]]:
    """Get access tokens with the web credentials of a user's bot."""

    async def get(name: str) -> str:
        account = ims.accounts.get(name)
        assert account is not None
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{account['waf']}/token",
                data={"grant_type": "client_credentials"},
                headers={"Authorization": basic(str(account["client_id"]), str(account["client_secret"]))},
                ssl=ssl.create_default_context(cafile=str(ims.ca_path)),
            ) as answer,
        ):
            return str((await answer.json())["access_token"])

    return get


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def on_mw(ims: ImsNetwork) -> list[Text]:
    """What the eP-CSCF has sent to the core, without what is the well-behaved client's or its own."""
    seen: list[Text] = []

    def observe(now: float, direction: object, data: bytes, flow: object) -> None:
        if flow.transport in ("UDP", "TCP") and direction.name == "SENT":  # type: ignore[attr-defined]
            text = Text(data.decode())
            if not text.status and text.method != "SUBSCRIBE" and "sip:good@" not in str(text):
                seen.append(text)

    ims.epcscf.node.driver.add_observer(observe)
    return seen


@pytest.fixture
async def impostor() -> Impostor:
    return Impostor()


@pytest.fixture
def make_challenge() -> Callable[[], str]:
    """Make nonces with the keys of 3GPP TS 35.208 test set 1, each with the next SQN; as the home network would."""
    k, opc = bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc"), bytes.fromhex("cd63cb71954a9f4e48a5994e37a02baf")
    numbers = count(1)

    def e(block: bytes) -> bytes:
        encryptor = Cipher(algorithms.AES(k), modes.ECB()).encryptor()
        return encryptor.update(block)

    def xor(*blocks: bytes) -> bytes:
        return bytes(reduce(operator.xor, octets) for octets in zip(*blocks, strict=True))

    def make() -> str:
        rand, sqn, amf = hashlib.md5(b"chance", usedforsecurity=False).digest(), next(numbers) << 5, bytes(2)
        octets = sqn.to_bytes(6)
        temp = e(xor(rand, opc))
        rotated = xor((octets + amf) * 2, opc)
        mac = xor(e(xor(temp, rotated[8:] + rotated[:8], bytes(16))), opc)[:8]
        ak = xor(e(xor(temp, opc, bytes(15) + b"\1")), opc)[:6]
        return f'"{b64encode(rand + xor(octets, ak) + amf + mac).decode()}"'

    return make
