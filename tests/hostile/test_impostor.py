"""A client before a hostile server: it fails with a named error or goes on, and never floods the server."""

from __future__ import annotations

import asyncio
import base64
import logging
import random
import time

import pytest

from wic.accounts import AkaSettings
from wic.auth import Secret
from wic.client import AuthScheme
from wic.errors import (
    AuthenticationFailed,
    CallRejected,
    ChallengeUnsupported,
    NetworkNotTrusted,
    RegistrationFailed,
    SequenceOutOfRange,
)

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0
AKA = AkaSettings(k=Secret("465b5ce8b199b49faa5f0a2ee238a6bc"), opc=Secret("cd63cb71954a9f4e48a5994e37a02baf"))


def aka_client(impostor, **options):
    return impostor.client(auth=AuthScheme.AKA, password=None, aka=AKA, **options)


def challenge(**changes: str | None) -> str:
    given = {"realm": '"ims.example"', "nonce": '"n"', "algorithm": "SHA-256", "qop": '"auth"'} | changes
    return "WWW-Authenticate: Digest " + ", ".join(f"{key}={value}" for key, value in given.items() if value)


def b64(data: bytes) -> str:
    return f'"{base64.b64encode(data).decode()}"'


async def refused(client, error: type[Exception], match: str | None = None) -> str:
    with pytest.raises(error, match=match) as caught:
        async with client:
            pass
    return str(caught.value)


# nonces and challenges

BAD_NONCES = {
    "empty": ('""', "of 0 octets"),
    "truncated": (b64(bytes(31)), "of 31 octets"),
    "RAND alone": (b64(bytes(16)), "of 16 octets"),
    "AUTN too short": (b64(bytes(16 + 8)), "of 24 octets"),
    "no base64": ('"!!!! not base64 !!!!"', "not Base64"),
    "a digit too many": ('"' + "A" * 45 + '"', "not Base64"),
    "base64 with blanks": ('"' + "AAAA " * 11 + '"', "not Base64"),
    "other letters": ('"' + "é" * 44 + '"', "not Base64"),
    "too large": (b64(bytes(4_000)), "not AKA"),
    "absent": (None, "not AKA"),
}


@pytest.mark.parametrize(("nonce", "words"), BAD_NONCES.values(), ids=BAD_NONCES.keys())
async def test_malformed_aka_nonces(impostor, nonce, words):
    impostor.answer = lambda request: [
        request.answer("401 Unauthorized", challenge(nonce=nonce, algorithm="AKAv2-SHA-256"))
    ]
    await refused(aka_client(impostor), ChallengeUnsupported, words)
    assert len(impostor.registers()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "MD5"},
        {"algorithm": "SHA-256"},
        {"algorithm": None},
        {"algorithm": "AKAv3-SHA-512"},
        {"algorithm": "AKAv2-"},
        {"algorithm": '"AKAv2-SHA-256, MD5"'},
    ],
)
async def test_a_downgrade_is_refused_by_name(impostor, changes):
    """A client with a USIM does not answer a weaker challenge."""
    nonce = b64(bytes(32))
    impostor.answer = lambda request: [request.answer("401 Unauthorized", challenge(**({"nonce": nonce} | changes)))]
    await refused(aka_client(impostor), ChallengeUnsupported)
    assert len(impostor.registers()) == 1


async def test_an_account_may_refuse_older_akas(impostor):
    settings = AkaSettings(k=AKA.k, opc=AKA.opc, accept=("AKAv2-SHA-256",))
    nonce = b64(bytes(32))
    impostor.answer = lambda request: [
        request.answer("401 Unauthorized", challenge(nonce=nonce, algorithm="AKAv1-MD5"))
    ]
    client = impostor.client(auth=AuthScheme.AKA, password=None, aka=settings)
    await refused(client, ChallengeUnsupported)
    assert len(impostor.registers()) == 1


async def test_a_network_without_the_key(impostor):
    """The third forged challenge ends the attempt, and none gets a proof."""
    impostor.answer = lambda request: [
        request.answer("401 Unauthorized", challenge(nonce=b64(bytes(32)), algorithm="AKAv2-SHA-256"))
    ]
    await refused(aka_client(impostor), NetworkNotTrusted, "compare first K and then OPc")
    assert len(impostor.registers()) == 3
    assert all('response=""' in each.one("Authorization") for each in impostor.registers())


async def test_a_challenge_that_was_recorded(impostor, make_challenge):
    """An AUTN is accepted once: sent again it gets `auts`, and never RES."""
    right = make_challenge()

    def answer(request):
        if 'response=""' in request.one("Authorization") and 'nonce=""' in request.one("Authorization"):
            return [request.answer("401 Unauthorized", challenge(nonce=right, algorithm="AKAv2-SHA-256"))]
        return [impostor.grant(request)]

    impostor.answer = answer
    async with aka_client(impostor) as client:
        assert client.binding is not None
    proved = len(impostor.registers())
    impostor.answer = lambda request: [
        request.answer("401 Unauthorized", challenge(nonce=right, algorithm="AKAv2-SHA-256"))
    ]
    await refused(aka_client(impostor), SequenceOutOfRange)
    first, *later = impostor.registers()[proved:]
    assert 'nonce=""' in first.one("Authorization")
    assert ["auts=" in each.one("Authorization") for each in later] == [True, True]


@pytest.mark.parametrize("size", [20_000, 300_000, 3_000_000])
async def test_an_oversized_challenge(impostor, size):
    """It is not read, and there is no other: the registration fails at once."""
    impostor.answer = lambda request: [request.answer("401 Unauthorized", challenge(nonce=f'"{"n" * size}"'))]
    await refused(impostor.client(), AuthenticationFailed, "cannot be read")
    assert len(impostor.registers()) == 1


async def test_endless_challenges(impostor):
    numbers = iter(range(10_000))
    impostor.answer = lambda request: [
        request.answer("401 Unauthorized", challenge(nonce=f'"n{next(numbers)}"', stale="true"))
    ]
    await refused(impostor.client(), AuthenticationFailed)
    assert len(impostor.registers()) <= 8


@pytest.mark.parametrize(
    "lines",
    [
        ["WWW-Authenticate: Digest realm="],
        ["WWW-Authenticate: " + "Digest a=b, " * 500],
        ["WWW-Authenticate: Negotiate " + "A" * 6_000],
        [challenge(realm=None)],
        [challenge(nonce='"' + "n" * 6_000 + '"')],
        [challenge(algorithm="ROT13")],
        [],
    ],
)
async def test_unusable_challenges(impostor, lines):
    impostor.answer = lambda request: [request.answer("401 Unauthorized", *lines)]
    await refused(impostor.client(), ChallengeUnsupported)
    assert len(impostor.registers()) == 1


@pytest.mark.parametrize("lines", [[challenge(realm='"elsewhere.example"')], [challenge()] * 500])
async def test_a_password_is_tried_once(impostor, lines):
    impostor.answer = lambda request: [request.answer("401 Unauthorized", *lines)]
    await refused(impostor.client(), AuthenticationFailed, "does not accept the password")
    assert len(impostor.registers()) == 2


def grant_with(impostor, line: str):
    """Challenge requests without a proof, and grant the others with a further header line."""

    def answer(request):
        if 'nonce=""' in request.one("Authorization"):
            return [request.answer("401 Unauthorized", challenge())]
        return [impostor.grant(request, line, expires=600)]

    return answer


@pytest.mark.parametrize(
    "line",
    [
        'Authentication-Info: nextnonce="' + "n" * 6_000 + '"',
        'Authentication-Info: nextnonce=""',
        "Authentication-Info: nextnonce",
        'Authentication-Info: nextnonce="a\\"b"',
        "Authentication-Info: ,,,=",
    ],
)
async def test_odd_authentication_info(impostor, line):
    """A malformed nextnonce is ignored, and refreshes go on."""
    impostor.answer = grant_with(impostor, line)
    async with impostor.client() as client:
        await asyncio.sleep(2 * HOUR)
        assert client.binding is not None
        assert 24 <= len(impostor.registers()) <= 26


async def test_a_wrong_rspauth(impostor):
    proof = "0" * 64
    impostor.answer = grant_with(impostor, f'Authentication-Info: qop=auth, rspauth="{proof}", cnonce="x", nc=00000001')
    await refused(impostor.client(), NetworkNotTrusted, "could not prove that it knows the password")
    assert len(impostor.registers()) == 2


# redirections, waits and floods


BACKED_OFF = (6, 12)
"""Least and most REGISTERs of an hour with back-off."""


@pytest.mark.parametrize(
    ("status", "lines", "registers"),
    [
        ("305 Use Proxy", ["Contact: <sip:evil.invalid;transport=ws>"], BACKED_OFF),
        ("302 Moved", ["Contact: <sip:evil.invalid>"], (2, 2)),
        ("503 Unavailable", [], BACKED_OFF),
        ("503 Unavailable", ["Retry-After: 0"], (100, 140)),
        ("503 Unavailable", ["Retry-After: 99999999999999999999"], (3, 3)),
        ("503 Unavailable", ["Retry-After: -1"], BACKED_OFF),
        ("500 Internal", ["Retry-After: soon"], BACKED_OFF),
        ("423 Too Brief", ["Min-Expires: 4294967295"], (2, 2)),
        ("423 Too Brief", ["Min-Expires: 0"], (2, 2)),
        ("420 Bad Extension", ["Unsupported: path, gruu, outbound, " + "x, " * 5000 + "y"], (3, 3)),
        ("421 Extension Required", ["Require: sec-agree"], (2, 2)),
        ("439 First Hop Lacks Outbound", [], (3, 3)),
        ("481 Gone", [], (3, 3)),
        ("494 Security Agreement Required", ["Security-Server: ipsec-3gpp"], (2, 2)),
        (
            "504 Timeout",
            ["P-Asserted-Identity: <sip:evil.invalid>", "Content-Type: application/3gpp-ims+xml"],
            BACKED_OFF,
        ),
        ("699 Never", [], BACKED_OFF),
    ],
)
async def test_refusals_of_a_refresh_for_an_hour(impostor, status, lines, registers):
    """After one grant every refresh is refused: the registration ends, or an hour has few REGISTERs, by the back-off."""
    least, most = registers
    impostor.answer = lambda request: [
        impostor.grant(request, expires=600) if len(impostor.registers()) == 1 else request.answer(status, *lines)
    ]
    async with impostor.client():
        await asyncio.sleep(HOUR)
        assert least <= len(impostor.registers()) <= most
        assert all("evil" not in str(each) for each in impostor.registers())


async def test_a_retry_after_is_obeyed_and_bounded(impostor):
    impostor.answer = lambda request: [
        impostor.grant(request, expires=600)
        if len(impostor.registers()) in (1, 3)
        else request.answer("503 Unavailable", "Retry-After: 99999999999999999999")
    ]
    async with impostor.client() as client:
        await asyncio.sleep(2300.0)
        assert len(impostor.registers()) == 3
        assert impostor.times[2] - impostor.times[1] == pytest.approx(1800.0, abs=1)
        assert client.binding is not None


async def test_a_server_that_closes_after_each_200(impostor):
    """Each connection ends after its registration: reconnections become rare."""

    def answer(request):
        asyncio.get_running_loop().call_later(0.1, impostor.connections[-1].abort, "no")
        return [impostor.grant(request)]

    impostor.answer = answer
    async with impostor.client():
        await asyncio.sleep(HOUR)
        # The waits double up to half an hour, and none is shorter than its half: at least 2 + 4 + … + 512 + 900 + 900 + 900 s.
        assert len(impostor.connections) <= 13


@pytest.mark.parametrize("granted", [1, 2])
async def test_very_short_grants(impostor, granted):
    impostor.answer = lambda request: [impostor.grant(request, expires=granted)]
    async with impostor.client():
        await asyncio.sleep(100.0)
        assert 2 <= len(impostor.registers()) <= 110


async def test_a_grant_of_zero_seconds(impostor):
    impostor.answer = lambda request: [impostor.grant(request, expires=0)]
    await refused(impostor.client(), RegistrationFailed, "granted no time")
    assert len(impostor.registers()) == 1


# headers of a 200


@pytest.mark.parametrize(
    "line",
    [
        "Service-Route: <sip:x",
        "Service-Route: <javascript:alert(1)>",
        "P-Associated-URI: <" + "sip:" * 2000 + ">",
        "P-Associated-URI: ,,,,",
        "Path: <sip:x",
    ],
)
async def test_malformed_headers_of_a_200(impostor, line, caplog):
    """The binding exists; what else the registrar says is left out, and the log names it."""
    caplog.set_level(logging.DEBUG, logger="wic")
    impostor.answer = lambda request: [impostor.grant(request, line)]
    async with impostor.client() as client:
        await asyncio.sleep(10.0)
        assert (client.binding.service_route, client.binding.associated_uris, client.binding.path) == ((), (), ())
        assert len(impostor.registers()) == 1
    assert "left out of" in caplog.text
    assert line.partition(":")[0] in caplog.text


async def test_a_contact_of_a_200_that_cannot_be_read(impostor):
    impostor.answer = lambda request: [impostor.grant(request, contact=request.one("Contact").replace(">", "", 1))]
    async with impostor.client() as client:
        await asyncio.sleep(10.0)
        assert client.binding is not None
        assert len(impostor.registers()) == 1


@pytest.mark.parametrize(
    "line",
    [
        "Service-Route: " + ", ".join(["<sip:r.invalid;lr>"] * 5000),
        "P-Associated-URI: " + ", ".join(f"<sip:u{n}@ims.example>" for n in range(5000)),
    ],
)
async def test_oversized_headers_of_a_200(impostor, line):
    """Such a 200 is not read, and there is no other: the registration fails at once, and says why."""
    impostor.answer = lambda request: [impostor.grant(request, line)]
    await refused(impostor.client(), RegistrationFailed, "502 Unreadable 200: head of more than 65536 octets")
    assert len(impostor.registers()) == 1


@pytest.mark.parametrize(
    "line",
    [
        "P-Associated-URI: <mailto:alice@ims.example>",
        "Flow-Timer: 0",
        "Flow-Timer: 1",
        "Flow-Timer: 99999999999999999",
        "Flow-Timer: -5",
        "Expires: 99999999999999999999",
        "Require: everything",
        "Feature-Caps: " + "x" * 8000,
    ],
)
async def test_odd_headers_of_a_200(impostor, line):
    """The client stays registered, and sends nothing more."""
    impostor.answer = lambda request: [impostor.grant(request, line)]
    async with impostor.client() as client:
        await asyncio.sleep(1000.0)
        assert client.binding is not None
        assert (len(impostor.registers()), len(impostor.connections)) == (1, 1)


def grant_gruu(impostor, uri: str):
    def answer(request):
        return [impostor.grant(request, contact=f'{request.one("Contact")};pub-gruu="{uri}";temp-gruu="{uri}"')]

    return answer


async def test_an_oversized_gruu(impostor):
    impostor.answer = grant_gruu(impostor, "sip:" + "a" * 9000)
    await refused(impostor.client(), RegistrationFailed, "502 Unreadable 200: line of more than 16384 characters")
    assert len(impostor.registers()) == 1


@pytest.mark.parametrize("uri", ["", "mailto:a@b", "sip:evil.invalid;gr", "sip:x y", "sip:[::"])
async def test_unusable_gruus(impostor, uri):
    impostor.answer = grant_gruu(impostor, uri)
    async with impostor.client() as client:
        await asyncio.sleep(10.0)
        assert client.binding is not None
        assert len(impostor.registers()) == 1


# fields of no use


ODD = (
    'Contact: <sip:gw@10.0.0.1;x-id="aGVsbG8=">',
    "Contact: <>",
    "Expires: 0\r\nExpires: 0",
    "Event: ?",
    "Record-Route: <sip:",
    "Route: ;;",
    "Max-Forwards: many",
    'P-Asserted-Identity: "',
    "Retry-After: soon",
)


@pytest.mark.parametrize("line", ODD)
@pytest.mark.parametrize("status", [404, 486, 503, 603])
async def test_a_refusal_with_a_field_of_no_use_ends_the_call(impostor, status, line):
    def answer(request):
        if request.method == "ACK":
            return []
        return [request.answer(f"{status} No", line) if request.method == "INVITE" else impostor.grant(request)]

    impostor.answer = answer
    async with impostor.client() as client:
        call = await client.call("sip:bob@ims.example")
        with pytest.raises(CallRejected, match=str(status)) as rejected:
            await call.answered()
        assert rejected.value.response.status == status
        await asyncio.sleep(1.0)
        assert [each.method for each in impostor.requests].count("ACK") == 1
        assert client.counters.dropped == 0


# requests and garbage


UNEXPECTED = {
    **dict.fromkeys(["REGISTER", "SUBSCRIBE", "PUBLISH", "REFER", "MESSAGE"], 405),
    **dict.fromkeys(["UPDATE", "BYE"], 481),
    "XYZ": 501,
}


async def test_unexpected_requests(impostor):
    async with impostor.client() as client:
        for number, method in enumerate(UNEXPECTED):
            impostor.send(
                f"{method} sip:alice@x.invalid SIP/2.0\r\nVia: SIP/2.0/WSS far.invalid;branch=z9hG4bKq{number}\r\n"
                f"From: <sip:e@v>;tag=1\r\nTo: <sip:a@b>;tag=none\r\nCall-ID: q{number}\r\nCSeq: 1 {method}\r\n"
                "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            )
        await asyncio.sleep(1.0)
        assert {each.method: each.status for each in impostor.responses} == UNEXPECTED
        assert client.binding is not None


@pytest.mark.parametrize("seed", range(5))
async def test_garbage(impostor, seed, caplog):
    """Random octets and damaged messages: the registration stays, its refresh works, and the user can see them."""
    chance = random.Random(seed)
    async with impostor.client() as client:
        sample = impostor.grant(impostor.registers()[0]).encode()
        for _ in range(300):
            data = bytearray(sample)
            for _ in range(chance.randrange(1, 8)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            impostor.send(bytes(data[: chance.randrange(1, len(data))]))
            impostor.send(chance.randbytes(chance.randrange(1, 200)))
        await asyncio.sleep(HOUR)
        assert client.binding is not None
        assert len(impostor.registers()) >= 2
        assert client.counters.dropped >= 200
        logged = [record for record in caplog.records if record.getMessage().startswith("dropped a message")]
        assert 1 <= len(logged) <= 6


@pytest.mark.parametrize("seconds", [-1e6, 1e6, 1e9])
async def test_a_clock_that_jumps(impostor, seconds, monkeypatch):
    """Registrations use the clock of the loop, not the wall clock."""
    really = time.time()
    async with impostor.client() as client:
        monkeypatch.setattr(time, "time", lambda: really + seconds)
        await asyncio.sleep(2 * HOUR)
        assert client.binding is not None
        assert 2 <= len(impostor.registers()) <= 6
