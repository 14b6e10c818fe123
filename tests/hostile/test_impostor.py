"""A client whose server means no good: it ends by name or goes on, and never becomes a flood itself."""

from __future__ import annotations

import asyncio
import base64

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
    try:
        async with impostor.client() as client:
            await asyncio.sleep(2 * HOUR)
            assert client.binding is not None
    except AuthenticationFailed as error:
        assert "rspauth" in line, error
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
