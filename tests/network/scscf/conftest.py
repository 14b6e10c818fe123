"""The S-CSCF by itself: over UDP in plain text, or only its registrar."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.support.subscribers import add_with_password
from wic.auth.aka import aka_password, find_aka_algorithm, parse_nonce
from wic.auth.milenage import Milenage
from wic.auth.secret import Secret
from wic.network.hss import Hss, PublicIdentity, StoredBinding, SubscriberProfile, UsimKeys, make_profile
from wic.network.peers import Peer
from wic.network.scscf.authentication import RegisterAuthenticator
from wic.network.scscf.gruu import GruuFactory
from wic.network.scscf.location_service import LocationService
from wic.network.scscf.options import RegistrarOptions, ScscfOptions
from wic.network.scscf.registrar import Registrar
from wic.network.scscf.server import Scscf
from wic.network.scscf.target_lookup import TargetLookup
from wic.sip.parser import parse
from wic.sip.random_source import CountingSource
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MwPeer

    from wic.network.node import MwAddress

ALICE, BOB = "sip:alice@ims.example", "sip:bob@ims.example"
IMPI = "alice@ims.example"
# TS 35.208 §4.3.1
K = bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc")
OPC = bytes.fromhex("cd63cb71954a9f4e48a5994e37a02baf")
PASSWORD = "sesame"


class RunningScscf:
    """An S-CSCF, and one element beside it on Mw that speaks plain text."""

    def __init__(self, directory: Path, peer: MwPeer, options: ScscfOptions) -> None:
        self.path = directory / "hss.db"
        self.peer = peer
        self.wall = 1e9
        """Seconds of the epoch."""
        self.trusted = {peer.address}
        """Addresses inside the trust domain."""
        self.reachable = {peer.address}
        """Addresses of this network's eP-CSCFs."""
        self._options = options
        self._number = 0

    async def start(self) -> None:
        self.hss = Hss(self.path, realm="ims.example")
        self.scscf = await Scscf.open(
            self.hss,
            trust=lambda flow: flow.remote in self.trusted,
            options=replace(self._options, edges=tuple(self.reachable)),
            wall_clock=lambda: self.wall,
        )
        self._options = replace(self._options, port=self.mw.port)

    async def restart(self, **options: object) -> None:
        """Start again, with other options."""
        await self.stop()
        self._options = replace(self._options, **options)
        await self.start()

    async def stop(self) -> None:
        await self.scscf.close()
        self.hss.close()

    @property
    def mw(self) -> MwAddress:
        return self.scscf.node.mw

    @property
    def orig(self) -> str:
        """The Route of a request of a registered user."""
        return f"Route: <sip:orig@{self.mw.host}:{self.mw.port};lr>"

    def send(
        self,
        method: str,
        uri: str,
        *lines: str,
        to: str = f"<{BOB}>",
        call_id: str = "",
        peer: MwPeer | None = None,
        max_forwards: int = 70,
    ) -> None:
        """Send a request from the element beside the S-CSCF, or from another one."""
        self._number += 1
        sender = peer or self.peer
        host, port = sender.address
        text = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{self._number}",
            f"Max-Forwards: {max_forwards}",
            f"From: <{ALICE}>;tag=a",
            f"To: {to}",
            f"Call-ID: {call_id or f'c{self._number}'}",
            f"CSeq: {self._number} {method}",
            *lines,
            "Content-Length: 0\r\n\r\n",
        ]
        sender.send("\r\n".join(text), (self.mw.host, self.mw.port))

    def bind(
        self, user: str, *, key: str = "k", q: str = "", expires_at: float = 2e9, path: str = "", instance: str = ""
    ) -> StoredBinding:
        """Register a user at the element beside the S-CSCF."""
        host, port = self.peer.address
        binding = StoredBinding(
            impi=f"{user}@ims.example",
            key=key,
            contact=f"<sip:{user}@{key}.invalid>{q}",
            path=(f"<sip:{path or f'token-{key}'}@{host}:{port};lr;ob>",),
            call_id="c",
            cseq=1,
            expires_at=expires_at,
            instance=instance or None,
        )
        self.hss.change_bindings(binding.impi, store=[binding])
        return binding


@pytest.fixture
async def make_running(tmp_path, make_mw_peer):
    """Start an S-CSCF with the subscribers alice and bob."""
    async with AsyncExitStack() as stack:

        async def make(**options: object) -> RunningScscf:
            running = RunningScscf(tmp_path, await make_mw_peer(), ScscfOptions(**options))
            with Hss(running.path, realm="ims.example") as hss:
                for user in ("alice", "bob"):
                    add_with_password(hss, f"{user}@ims.example", [f"sip:{user}@ims.example"], Secret("x"))
            await running.start()
            stack.push_async_callback(running.stop)
            return running

        yield make


@pytest.fixture
async def running(make_running):
    """An S-CSCF at which alice is registered."""
    made = await make_running(registrar=RegistrarOptions(min_expires=10, max_bindings=2))
    made.bind("alice")
    return made


@pytest.fixture
async def outsider(running, make_mw_peer):
    """A peer on Mw, which is no eP-CSCF of this network."""
    made = await make_mw_peer()
    host, port = made.address
    await running.restart(peers=(Peer.parse(f"peer.example=sip:{host}:{port}"),))
    return made


@pytest.fixture
async def dialog(running, outsider):
    """A dialog of the outsider with bob: the Record-Route of the S-CSCF."""
    running.bind("bob")
    host, port = outsider.address
    running.send("INVITE", BOB, f"Contact: <sip:caller@{host}:{port}>", call_id="call", peer=outsider)
    got = await running.peer.expect("INVITE")
    running.peer.answer(got, "200 OK", "Contact: <sip:bob@k.invalid>")
    await outsider.expect("SIP/2.0 200")
    return header(got, "Record-Route")[0]


@pytest.fixture
def hold(tmp_path):
    """Hold the database, as another process may do for long; `rollback` lets go."""
    with closing(sqlite3.connect(tmp_path / "hss.db", isolation_level=None)) as other:

        def begin(hss: Hss) -> sqlite3.Connection:
            with hss.transaction() as db:
                db.execute("PRAGMA busy_timeout = 0")
            other.execute("BEGIN IMMEDIATE")
            return other

        yield begin


class Card:
    """A USIM that accepts every rising SQN."""

    def __init__(self, k: bytes = K, opc: bytes = OPC) -> None:
        self.functions = Milenage(k, opc=opc)
        self.sqn = -1

    def take(self, nonce: str) -> tuple[bytes, bytes, bytes]:
        """Check a challenge as TS 33.102 §6.3.3 says; return RES, CK and IK."""
        rand, autn = parse_nonce(nonce)
        res, ck, ik, ak = self.functions.f2345(rand)
        sqn = bytes(a ^ b for a, b in zip(autn[:6], ak, strict=True))
        assert autn[8:] == self.functions.f1(rand, sqn, autn[6:8])
        assert int.from_bytes(sqn) > self.sqn, "a SQN came twice"
        self.sqn = int.from_bytes(sqn)
        return res, ck, ik


class TextRegistrar:
    """A registrar whose requests and responses are text, and what it tells its observers."""

    def __init__(self, hss: Hss, options: RegistrarOptions) -> None:
        self.hss = hss
        self.now = 1e9
        self.told: list[tuple[str, list[tuple[str, str, int | None]]]] = []
        random_source = CountingSource()
        self.gruus = GruuFactory(hss, "ims.example", random_source)
        self.location_service = LocationService(hss)
        self.location_service.add_observer(self)
        self.targets = TargetLookup(hss, self.gruus, "ims.example")
        authenticator = RegisterAuthenticator(
            hss, "ims.example", options, random_source, key=bytes(32), algorithms=("SHA-256", "MD5")
        )
        service_route = Uri.parse("sip:orig@scscf.example;lr")
        self._registrar = Registrar(hss, authenticator, self.location_service, service_route, self.gruus, options)
        self._cseq = count(1)

    def changed(self, impi, changes, *, now) -> None:
        assert now == self.now
        self.told.append((impi, [(each.binding.key, each.event.value, each.retry_after) for each in changes]))

    def register(
        self,
        credentials: str | None = None,
        *lines: str,
        impu: str = ALICE,
        contact: str = "<sip:alice@host.invalid>",
        call_id: str = "c1",
        cseq: int | None = None,
        path: str = "<sip:token@192.0.2.1;lr;ob>",
        trusted: bool = True,
    ) -> str:
        """Send a REGISTER; return the response as text."""
        own = [f"Contact: {contact}"] if contact else []
        own += [f"Authorization: {credentials}"] if credentials is not None else []
        text = [
            "REGISTER sip:ims.example SIP/2.0",
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
            "Max-Forwards: 70",
            f"From: <{impu}>;tag=a",
            f"To: <{impu}>",
            f"Call-ID: {call_id}",
            f"CSeq: {next(self._cseq) if cseq is None else cseq} REGISTER",
            f"Path: {path}",
            *own,
            *lines,
            "Content-Length: 0\r\n\r\n",
        ]
        request = parse("\r\n".join(text).encode(errors="surrogateescape"))
        response = self._registrar.register(request, trusted=trusted, tag="t", now=self.now)
        return response.to_bytes().decode()

    @staticmethod
    def digest(protection: str = "", *more: str, impi: str = IMPI, response: str = "", nonce: str = "") -> str:
        """Write credentials without a proof."""
        parts = [
            f'Digest username="{impi}"',
            'realm="ims.example"',
            f'nonce="{nonce}"',
            'uri="sip:ims.example"',
            f'response="{response}"',
            *more,
            *([f'integrity-protected="{protection}"'] if protection else []),
        ]
        return ", ".join(parts)

    def answer(
        self, challenge: str, password: bytes, protection: str = "", *, nc: str = "00000001", impi: str = IMPI
    ) -> str:
        """Answer a challenge (RFC 7616 §3.4)."""
        name = re.search(r"algorithm=([\w-]+)", challenge)[1]
        known = find_aka_algorithm(name)
        function = known.hash_name if known else {"MD5": "md5", "SHA-256": "sha256"}[name]

        def h(data: bytes) -> bytes:
            return hashlib.new(function, data, usedforsecurity=False).hexdigest().encode()

        nonce = re.search(r'nonce="([^"]*)"', challenge)[1]
        ha1 = h(f"{impi}:ims.example:".encode() + password)
        ha2 = h(b"REGISTER:sip:ims.example")
        response = h(ha1 + f":{nonce}:{nc}:cn:auth:".encode() + ha2).decode()
        more = (f"algorithm={name}", "qop=auth", f"nc={nc}", 'cnonce="cn"')
        return self.digest(protection, *more, impi=impi, response=response, nonce=nonce)

    def answer_aka(self, challenged: str, card: Card, *, nc: str = "00000001", taken: tuple | None = None) -> str:
        """Have a USIM answer a 401."""
        nonce = re.search(r'nonce="([^"]*)"', challenged)[1]
        res, ck, ik = taken or card.take(nonce)
        algorithm = find_aka_algorithm(re.search(r"algorithm=([\w-]+)", challenged)[1])
        password = aka_password(algorithm, res=res, ck=ck, ik=ik)
        return self.answer(challenged, password, "tls-connected", nc=nc)


@pytest.fixture
def hss(tmp_path):
    with Hss(tmp_path / "hss.db", realm="ims.example") as database:
        yield database


@pytest.fixture
def make_registrar(hss):
    return lambda **options: TextRegistrar(hss, RegistrarOptions(**options))


@pytest.fixture
def card() -> Card:
    return Card()


@pytest.fixture
def with_usim(hss):
    hss.add_usim(make_profile(IMPI, [ALICE, "tel:+4930123"]), UsimKeys(k=K, opc=OPC))


@pytest.fixture
def with_password(hss):
    add_with_password(hss, IMPI, [ALICE, "tel:+4930123"], Secret(PASSWORD))


@pytest.fixture
def several_sets(hss):
    """A barred identity and usable ones in one registration set, and another one in a second set."""
    identities = [
        PublicIdentity(ALICE, barred=True),
        PublicIdentity("sip:al@ims.example", display_name="Al"),
        PublicIdentity("tel:+4930123"),
        PublicIdentity("sip:work@ims.example", registration_set=1),
    ]
    hss.add(SubscriberProfile(IMPI, tuple(identities)))


def header(message: str, name: str) -> list[str]:
    return re.findall(rf"^{name}: (.*)$", message.replace("\r", ""), re.MULTILINE)


@pytest.fixture(name="header")
def header_of():
    return header
