"""The S-CSCF by itself: over UDP in plain text, or only its registrar."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import pytest

from wic.auth.aka import aka_password, find_aka_algorithm, parse_nonce
from wic.auth.aka_server import AkaVerifier
from wic.auth.digest_server import DigestVerifier
from wic.auth.milenage import Milenage
from wic.auth.secret import Secret
from wic.network.hss import Hss, PublicIdentity, StoredBinding, SubscriberProfile, UsimKeys
from wic.network.scscf.aka_scheme import AkaScheme
from wic.network.scscf.attempt import Scheme
from wic.network.scscf.changes import Observers
from wic.network.scscf.digest_scheme import DigestScheme
from wic.network.scscf.gruu import GruuFactory
from wic.network.scscf.network_deregistration import Removals
from wic.network.scscf.options import RegistrarOptions
from wic.network.scscf.registrar import Registrar
from wic.network.scscf.server import Scscf, ScscfOptions
from wic.network.scscf.target_lookup import Callees
from wic.network.scscf.trusted_node import TrustedNodeScheme
from wic.sip.parser import parse
from wic.sip.random_source import CountingSource
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from conftest import MwPeer

ALICE, BOB = "sip:alice@ims.example", "sip:bob@ims.example"
IMPI = "alice@ims.example"
# TS 35.208 §4.3.1
K = bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc")
OPC = bytes.fromhex("cd63cb71954a9f4e48a5994e37a02baf")
PASSWORD = "sesame"


class World:
    def __init__(self, hss: Hss, scscf: Scscf, peer: MwPeer) -> None:
        self.hss, self.scscf, self.peer = hss, scscf, peer
        self.number = 0

    def send(self, method: str, uri: str, *lines: str, to: str = f"<{BOB}>", call_id: str = "") -> None:
        self.number += 1
        host, port = self.peer.address
        text = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{self.number}",
            "Max-Forwards: 70",
            f"From: <{ALICE}>;tag=a",
            f"To: {to}",
            f"Call-ID: {call_id or f'c{self.number}'}",
            f"CSeq: {self.number} {method}",
            *lines,
            "Content-Length: 0\r\n\r\n",
        ]
        mw = self.scscf.node.mw
        self.peer.send("\r\n".join(text), (mw.host, mw.port))

    @property
    def orig(self) -> str:
        mw = self.scscf.node.mw
        return f"Route: <sip:orig@{mw.host}:{mw.port};lr>"

    def bind(
        self, user: str, *, key: str = "k", q: str = "", expires_at: float = 2e9, path: str = "", instance: str = ""
    ) -> StoredBinding:
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
async def world(tmp_path, make_mw_peer):
    with Hss(tmp_path / "hss.db", realm="ims.example") as hss:
        for user in ("alice", "bob"):
            hss.add_subscriber(f"{user}@ims.example", [f"sip:{user}@ims.example"], Secret("x"))
        peer = await make_mw_peer()
        options = ScscfOptions(registrar=RegistrarOptions(min_expires=10, max_bindings=2))
        scscf = await Scscf.open(
            hss, trust=lambda flow: flow.remote == peer.address, options=options, wall_clock=lambda: 1e9
        )
        made = World(hss, scscf, peer)
        made.bind("alice")
        yield made
        await scscf.close()


@pytest.fixture
def hold(tmp_path):
    """Hold the database, as another process may do for long; `rollback` lets go."""
    with closing(sqlite3.connect(tmp_path / "hss.db", isolation_level=None)) as other:

        def begin(hss: Hss) -> sqlite3.Connection:
            hss._db.execute("PRAGMA busy_timeout = 0")
            other.execute("BEGIN IMMEDIATE")
            return other

        yield begin


class Card:
    """A USIM that takes every SQN and keeps the last, or refuses as it is told."""

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


class Desk:
    """The registrar, and what it tells; requests and responses are text."""

    def __init__(self, hss: Hss, options: RegistrarOptions) -> None:
        self.hss = hss
        self.now = 1e9
        self.told: list[tuple[str, list[tuple[str, str, int | None]]]] = []
        observers = Observers()
        observers.add(self)
        random_source = CountingSource()
        self.gruus = GruuFactory(hss, "ims.example", random_source)
        self.removals = Removals(hss, observers)
        self.callees = Callees(hss, self.gruus, "ims.example")
        verifier = DigestVerifier(
            "ims.example", key=bytes(32), random_source=random_source, algorithms=("SHA-256", "MD5")
        )
        self.registrar = Registrar(
            hss,
            {
                Scheme.DIGEST: DigestScheme(hss, verifier, challenge_every=options.challenge_every),
                Scheme.AKA: AkaScheme(
                    hss, AkaVerifier("ims.example", answer_within=options.answer_within), random_source, options
                ),
                Scheme.TRUSTED_NODE: TrustedNodeScheme(hss, barred=options.barred_entities),
            },
            Uri.parse("sip:orig@scscf.example;lr"),
            gruus=self.gruus,
            observer=observers,
            options=options,
        )
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
        request = parse("\r\n".join(text).encode())
        response = self.registrar.register(request, trusted=trusted, tag="t", now=self.now)
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
def make_desk(hss):
    return lambda **options: Desk(hss, RegistrarOptions(**options))


@pytest.fixture
def card() -> Card:
    return Card()


@pytest.fixture
def with_usim(hss):
    hss.add_usim(IMPI, [ALICE, "tel:+4930123"], UsimKeys(k=K, opc=OPC))


@pytest.fixture
def with_password(hss):
    hss.add_subscriber(IMPI, [ALICE, "tel:+4930123"], Secret(PASSWORD))


@pytest.fixture
def several_sets(hss):
    """A barred identity and a usable one together, and another one apart."""
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
