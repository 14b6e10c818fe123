"""A client whose server means no good: it ends by name or goes on, and never becomes a flood itself."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from contextlib import nullcontext, suppress

import pytest

from wic.auth import Secret
from wic.client import AuthScheme
from wic.client.aka_settings import AkaSettings
from wic.errors import (
    AuthenticationFailed,
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


# what nonces and challenges there may be

BAD_NONCES = {
    "empty": '""',
    "truncated": b64(bytes(31)),
    "AUTN too short": b64(bytes(16 + 15)),
    "RAND alone": b64(bytes(16)),
    "no base64": '"!!!! not base64 !!!!"',
    "wrong padding": '"' + "A" * 43 + '"',
    "base64 with blanks": '"' + "AAAA " * 11 + '"',
    "other letters": '"' + "é" * 44 + '"',
    "too large": b64(bytes(4_000)),
    "absent": None,
}


@pytest.mark.parametrize("nonce", BAD_NONCES.values(), ids=BAD_NONCES.keys())
async def test_nonces_that_hold_no_challenge(impostor, nonce):
    impostor.answer = lambda request: [
        request.answer("401 Unauthorized", challenge(nonce=nonce, algorithm="AKAv2-SHA-256"))
    ]
    await refused(aka_client(impostor), AuthenticationFailed)
    assert len(impostor.registers()) <= 4


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "MD5"},
        {"algorithm": "SHA-256"},
        {"algorithm": None},
        {"algorithm": "AKAv3-SHA-512"},
        {"algorithm": "AKAv2-"},
        {"algorithm": '"AKAv2-SHA-256, MD5"'},
        {"algorithm": "AKAv2-SHA-256", "qop": '"auth-conf"'},
    ],
)
async def test_a_downgrade_is_refused_by_name(impostor, changes):
    """Who has a USIM gives no proof that a weaker challenge asks for."""
    nonce = b64(bytes(32))
    impostor.answer = lambda request: [request.answer("401 Unauthorized", challenge(**({"nonce": nonce} | changes)))]
    await refused(aka_client(impostor), ChallengeUnsupported)
    assert len(impostor.registers()) == 1


async def test_a_narrower_choice_refuses_what_is_weaker(impostor):
    settings = AkaSettings(k=AKA.k, opc=AKA.opc, accept=("AKAv2-SHA-256",))
    nonce = b64(bytes(32))
    impostor.answer = lambda request: [
        request.answer("401 Unauthorized", challenge(nonce=nonce, algorithm="AKAv1-MD5"))
    ]
    client = impostor.client(auth=AuthScheme.AKA, password=None, aka=settings)
    await refused(client, ChallengeUnsupported)


async def test_a_network_without_the_key(impostor):
    """Three challenges that no home network made are the end, and the first two get no proof."""
    impostor.answer = lambda request: [
        request.answer("401 Unauthorized", challenge(nonce=b64(bytes(32)), algorithm="AKAv2-SHA-256"))
    ]
    await refused(aka_client(impostor), NetworkNotTrusted, "OP")
    assert 1 < len(impostor.registers()) <= 4
    assert all('response=""' in each.one("Authorization") for each in impostor.registers())


async def test_a_challenge_that_was_recorded(impostor, make_challenge):
    """A right AUTN is right once: sent again it gets `auts`, and never RES."""
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
    later = impostor.registers()[proved:]
    assert len(later) > 1
    assert all("auts=" in each.one("Authorization") or 'nonce=""' in each.one("Authorization") for each in later)


@pytest.mark.parametrize("size", [20_000, 300_000, 3_000_000])
async def test_a_challenge_beyond_every_limit(impostor, size):
    """It counts as no answer at all."""
    impostor.answer = lambda request: [request.answer("401 Unauthorized", challenge(nonce=f'"{"n" * size}"'))]
    await refused(impostor.client(), RegistrationFailed, "did not answer the registration within 30 s")


async def test_challenges_without_end(impostor):
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
        [challenge(realm='"evil.example"')],
        [challenge(nonce='"' + "n" * 6_000 + '"')],
        [challenge(algorithm="ROT13")],
        [challenge()] * 500,
        [],
    ],
)
async def test_challenges_that_are_none(impostor, lines):
    impostor.answer = lambda request: [request.answer("401 Unauthorized", *lines)]
    await refused(impostor.client(), AuthenticationFailed)
    assert len(impostor.registers()) <= 8


@pytest.mark.parametrize(
    "line",
    [
        'Authentication-Info: nextnonce="' + "n" * 6_000 + '"',
        'Authentication-Info: nextnonce=""',
        "Authentication-Info: nextnonce",
        'Authentication-Info: qop=auth, rspauth="' + "0" * 64 + '", cnonce="x", nc=00000001',
        'Authentication-Info: nextnonce="a\\"b"',
        "Authentication-Info: ,,,=",
    ],
)
async def test_what_comes_with_a_200(impostor, line):
    """A nextnonce is only a nonce; what is none leaves the next REGISTER without it."""

    def answer(request):
        if 'nonce=""' in request.one("Authorization"):
            return [request.answer("401 Unauthorized", challenge())]
        return [impostor.grant(request, line, expires=600)]

    impostor.answer = answer
    with suppress(AuthenticationFailed) if "rspauth" in line else nullcontext():
        async with impostor.client() as client:
            await asyncio.sleep(2 * HOUR)
            assert client.binding is not None
    assert len(impostor.registers()) < 60


# redirections, waits, and floods


@pytest.mark.parametrize(
    ("status", "lines", "at_most"),
    [
        ("305 Use Proxy", ["Contact: <sip:evil.invalid;transport=ws>"], 12),
        ("302 Moved", ["Contact: <sip:evil.invalid>"], 3),
        ("503 Unavailable", [], 12),
        ("503 Unavailable", ["Retry-After: 0"], 140),
        ("503 Unavailable", ["Retry-After: 99999999999999999999"], 4),
        ("503 Unavailable", ["Retry-After: -1"], 12),
        ("500 Internal", ["Retry-After: soon"], 12),
        ("423 Too Brief", ["Min-Expires: 4294967295"], 3),
        ("423 Too Brief", ["Min-Expires: 0"], 3),
        ("420 Bad Extension", ["Unsupported: path, gruu, outbound, " + "x, " * 5000 + "y"], 12),
        ("421 Extension Required", ["Require: sec-agree"], 3),
        ("439 First Hop Lacks Outbound", [], 12),
        ("481 Gone", [], 12),
        ("494 Security Agreement Required", ["Security-Server: ipsec-3gpp"], 3),
        ("504 Timeout", ["P-Asserted-Identity: <sip:evil.invalid>", "Content-Type: application/3gpp-ims+xml"], 12),
        ("699 Never", [], 12),
    ],
)
async def test_refusals_of_a_refresh_for_an_hour(impostor, status, lines, at_most):
    """Registered once, refused ever after: an hour of that is a few REGISTERs, with growing waits."""
    impostor.answer = lambda request: [
        impostor.grant(request, expires=600) if len(impostor.registers()) == 1 else request.answer(status, *lines)
    ]
    async with impostor.client():
        await asyncio.sleep(HOUR)
        assert len(impostor.registers()) <= at_most
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


async def test_a_server_that_hangs_up_at_once(impostor):
    """Every connection ends as soon as it has registered: the reconnections become rare."""

    def answer(request):
        asyncio.get_running_loop().call_later(0.1, impostor.connections[-1].abort, "no")
        return [impostor.grant(request)]

    impostor.answer = answer
    async with impostor.client():
        await asyncio.sleep(HOUR)
        assert len(impostor.connections) <= 12


@pytest.mark.parametrize("granted", [0, 1, 2])
async def test_grants_of_nearly_no_time(impostor, granted):
    impostor.answer = lambda request: [impostor.grant(request, expires=granted)]
    try:
        async with impostor.client():
            await asyncio.sleep(100.0)
    except RegistrationFailed:
        assert granted == 0
    assert len(impostor.registers()) <= 110


# what the network tells of the registration (TS 24.229 §5.1.1.7)


def reginfo(*, state: str, event: str, uri: str, extra: str = "", version: int = 0) -> str:
    return (
        f'<?xml version="1.0"?><reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="{version}" state="full">'
        f'<registration aor="sip:alice@ims.example" id="a" state="active">'
        f'<contact id="c" state="{state}" event="{event}" {extra}><uri>{uri}</uri></contact></registration></reginfo>'
    )


def notify(subscribe, body: bytes, *lines: str, cseq: int = 1, dialog: dict[str, str] | None = None) -> bytes:
    """Write a NOTIFY within the dialog of a SUBSCRIBE."""
    fields = {
        "From": f"{subscribe.one('To')};tag=far",
        "To": subscribe.one("From"),
        "Call-ID": subscribe.one("Call-ID"),
        "Event": "reg",
        "Subscription-State": "active;expires=3600",
        "Content-Type": "application/reginfo+xml",
    } | (dialog or {})
    uri = subscribe.one("Contact").partition(">")[0].strip("<")
    head = [f"NOTIFY {uri} SIP/2.0", f"Via: SIP/2.0/WSS far.invalid;branch=z9hG4bKn{cseq}", "Max-Forwards: 70"]
    head += [f"{name}: {value}" for name, value in fields.items() if value]
    head += [f"CSeq: {cseq} NOTIFY", "Contact: <sip:far.invalid;transport=ws>", *lines, f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


class Notifier:
    """Grants what comes, and has something to say about each registration."""

    def __init__(self, impostor, says) -> None:
        self._impostor = impostor
        self._says = says
        self._cseq = 0
        impostor.answer = self.answer

    def answer(self, request):
        if request.method == "SUBSCRIBE":
            asyncio.get_running_loop().call_later(0.05, self.tell, request)
            return [request.answer("200 OK", "Expires: 3600", "Contact: <sip:far.invalid;transport=ws>")]
        return [self._impostor.grant(request)]

    def tell(self, subscribe) -> None:
        self._cseq += 1
        contact = self._impostor.registers()[-1].one("Contact").partition(">")[0].strip("<")
        body = self._says(contact, self._cseq).encode()
        self._impostor.send(notify(subscribe, body, cseq=self._cseq))


@pytest.mark.parametrize(
    ("event", "extra"),
    [("deactivated", ""), ("expired", ""), ("probation", 'retry-after="0"'), ("probation", 'retry-after="1"')],
)
async def test_a_network_that_ends_every_registration_at_once(impostor, event, extra):
    """The first time another one is made at once, as it should be; an hour of it is no storm."""
    Notifier(impostor, lambda uri, n: reginfo(state="terminated", event=event, uri=uri, extra=extra, version=n))
    async with impostor.client(options={"reg_event": True}):
        await asyncio.sleep(HOUR)
        assert 2 <= len(impostor.registers()) <= 12
        assert impostor.times[1] - impostor.times[0] < 3.0


@pytest.mark.parametrize("expires", [0, 1, 4294967295])
async def test_a_network_that_shortens_every_registration(impostor, expires):
    notifier = Notifier(
        impostor,
        lambda uri, n: reginfo(state="active", event="shortened", uri=uri, extra=f'expires="{expires}"', version=n),
    )

    def answer(request):
        if request.method == "REGISTER" and len(impostor.registers()) > 1 and impostor.subscribes():
            asyncio.get_running_loop().call_later(0.05, notifier.tell, impostor.subscribes()[-1])
        return notifier.answer(request)

    impostor.answer = answer
    async with impostor.client(options={"reg_event": True}):
        await asyncio.sleep(100.0)
        assert len(impostor.registers()) <= 102


async def test_a_network_that_wants_restoration_for_ever(impostor):
    body = (
        '<?xml version="1.0"?><ims-3gpp version="1"><alternative-service><type>restoration</type><reason>x</reason>'
        "<action>initial-registration</action></alternative-service></ims-3gpp>"
    )

    def answer(request):
        if request.method == "REGISTER":
            return [impostor.grant(request, "Service-Route: <sip:orig@scscf.invalid;lr>")]
        lines = ["P-Asserted-Identity: <sip:orig@scscf.invalid>", "Content-Type: application/3gpp-ims+xml"]
        return [request.answer("504 Server Time-out", *lines, body=body)]

    impostor.answer = answer
    async with impostor.client(options={"reg_event": True}):
        await asyncio.sleep(HOUR)
        assert len(impostor.registers()) <= 12


# NOTIFY


@pytest.mark.parametrize(
    "dialog",
    [
        {"Call-ID": "nobody@far"},
        {"To": "<sip:alice@ims.example>;tag=nobody"},
        {"To": "<sip:alice@ims.example>"},
        {"From": "<sip:alice@ims.example>;tag=other"},
    ],
)
async def test_a_notify_for_nobody(impostor, dialog):
    """Nothing that is in it counts, even where it would end the registration."""
    says = reginfo(state="terminated", event="rejected", uri="sip:x", version=9)
    notifier = Notifier(impostor, lambda uri, n: reginfo(state="active", event="registered", uri=uri, version=n))
    async with impostor.client(options={"reg_event": True}) as client:
        await asyncio.sleep(1.0)
        (subscribe,) = impostor.subscribes()
        impostor.send(notify(subscribe, says.encode(), cseq=77, dialog=dialog))
        await asyncio.sleep(1.0)
        assert [each.status for each in impostor.responses] == [200, 481]
        notifier.tell(subscribe)
        await asyncio.sleep(1.0)
        assert impostor.responses[-1].status == 200
        assert client.binding is not None


async def test_a_notify_over_another_connection(impostor):
    """The dialog is right, the connection is one that the client has given up."""
    Notifier(impostor, lambda uri, n: reginfo(state="active", event="registered", uri=uri, version=n))
    async with impostor.client(options={"reg_event": True}) as client:
        await asyncio.sleep(1.0)
        (old,) = impostor.connections
        old.abort("lost")
        await asyncio.sleep(60.0)
        assert len(impostor.connections) == 2
        told = len(impostor.responses)
        ended = reginfo(state="terminated", event="rejected", uri="sip:x", version=9)
        old.send(notify(impostor.subscribes()[0], ended.encode(), cseq=77))
        await asyncio.sleep(1.0)
        assert len(impostor.responses) == told
        assert client.binding is not None


_HEAD = '<?xml version="1.0"?>'
_BOMB = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
DOCUMENTS = {
    "billion laughs": f'{_HEAD}<!DOCTYPE x [<!ENTITY e0 "ha">{_BOMB}]><reginfo>&e9;</reginfo>',
    "a file": f'{_HEAD}<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><reginfo>&f;</reginfo>',
    "a DTD elsewhere": f'{_HEAD}<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><reginfo/>',
    "an undeclared entity": f"{_HEAD}<reginfo>&nobody;</reginfo>",
    "an include": f'{_HEAD}<reginfo xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="/etc/passwd"/></reginfo>',
    "deep": "<a>" * 9000 + "</a>" * 9000,
    "many elements": '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo">' + "<a/>" * 15_000 + "</reginfo>",
    "many attributes": "<reginfo " + " ".join(f'a{n}="1"' for n in range(6000)) + "/>",
    "not closed": "<reginfo>" * 3,
    "another encoding": '<?xml version="1.0" encoding="x-unknown"?><reginfo/>',
    "UTF-16": "\ufeff<reginfo/>",
    "empty": "",
    "octets": "\x00\x01\x02",
    "another document": "<html/>",
    "a huge version": '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="' + "9" * 5000 + '" state="full"/>',
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
async def test_documents_that_are_none(impostor, document):
    """They are refused with what is wrong about them; the registration goes on."""
    Notifier(impostor, lambda uri, n: document)
    async with impostor.client(options={"reg_event": True}) as client:
        await asyncio.sleep(100.0)
        assert impostor.responses
        assert {each.status for each in impostor.responses} <= ({400, 413, 415} if document else {200})
        assert client.binding is not None
        assert len(impostor.registers()) == 1
        assert len(impostor.requests) < 30


async def test_a_document_of_a_hundred_megabytes(impostor):
    """It is beyond what any message may be: that connection ends, and another one takes the registration over."""
    Notifier(impostor, lambda uri, n: reginfo(state="active", event="registered", uri=uri, version=n))
    async with impostor.client(options={"reg_event": True}) as client:
        await asyncio.sleep(1.0)
        body = b"<reginfo>" + b" " * 100_000_000 + b"</reginfo>"
        impostor.send(notify(impostor.subscribes()[-1], body, cseq=99))
        await asyncio.sleep(60.0)
        assert client.binding is not None
        assert all(each.status != 200 for each in impostor.responses[1:])


# what a 200 may say


@pytest.mark.parametrize(
    "lines",
    [
        ["Service-Route: <sip:x"],
        ["Service-Route: <javascript:alert(1)>"],
        ["Service-Route: " + ", ".join(["<sip:r.invalid;lr>"] * 5000)],
        ["P-Associated-URI: " + ", ".join(f"<sip:u{n}@ims.example>" for n in range(5000))],
        ["P-Associated-URI: <" + "sip:" * 2000 + ">"],
        ["P-Associated-URI: ,,,,"],
        ["P-Associated-URI: <mailto:alice@ims.example>"],
        ["Path: <sip:x"],
        ["Flow-Timer: 0"],
        ["Flow-Timer: 1"],
        ["Flow-Timer: 99999999999999999"],
        ["Flow-Timer: -5"],
        ["Expires: 99999999999999999999"],
        ["Require: everything"],
        ["Feature-Caps: " + "x" * 8000],
    ],
)
async def test_grants_with_odd_news(impostor, lines):
    """The client ends by name, or is registered and keeps still."""
    impostor.answer = lambda request: [impostor.grant(request, *lines)]
    try:
        async with impostor.client():
            await asyncio.sleep(1000.0)
    except RegistrationFailed:
        pass
    assert len(impostor.registers()) <= 8
    assert len(impostor.connections) == 1


@pytest.mark.parametrize("uri", ["sip:x y", "", "mailto:a@b", "sip:" + "a" * 9000, "sip:[::", "sip:evil.invalid;gr"])
async def test_gruus_that_are_none(impostor, uri):
    def answer(request):
        contact = f'{request.one("Contact")};pub-gruu="{uri}";temp-gruu="{uri}"'
        return [impostor.grant(request, contact=contact)]

    impostor.answer = answer
    try:
        async with impostor.client():
            await asyncio.sleep(10.0)
    except RegistrationFailed:
        pass
    assert len(impostor.registers()) <= 8


# requests and garbage


async def test_requests_that_nobody_wants(impostor):
    async with impostor.client() as client:
        for number, method in enumerate(
            ["REGISTER", "SUBSCRIBE", "PUBLISH", "REFER", "MESSAGE", "UPDATE", "BYE", "XYZ"]
        ):
            impostor.send(
                f"{method} sip:alice@x.invalid SIP/2.0\r\nVia: SIP/2.0/WSS far.invalid;branch=z9hG4bKq{number}\r\n"
                f"From: <sip:e@v>;tag=1\r\nTo: <sip:a@b>;tag=none\r\nCall-ID: q{number}\r\nCSeq: 1 {method}\r\n"
                "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            )
        await asyncio.sleep(1.0)
        assert len(impostor.responses) == 8
        assert all(400 <= each.status < 600 for each in impostor.responses)
        assert client.binding is not None


@pytest.mark.parametrize("seed", range(5))
async def test_garbage(impostor, seed):
    """Octets by chance, messages cut and turned around: the registration stays, and its refresh works."""
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


@pytest.mark.parametrize("seconds", [-1e6, 1e6, 1e9])
async def test_a_clock_that_jumps(impostor, seconds, monkeypatch):
    """Registrations live by the loop's clock; the wall clock may say what it likes."""
    really = time.time()
    async with impostor.client() as client:
        monkeypatch.setattr(time, "time", lambda: really + seconds)
        await asyncio.sleep(2 * HOUR)
        assert client.binding is not None
        assert 2 <= len(impostor.registers()) <= 6
