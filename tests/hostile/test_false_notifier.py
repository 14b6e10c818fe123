"""NOTIFYs about the registration that are false, malformed or hostile (TS 24.229 §5.1.1.7, RFC 3680)."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0


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
    """Server that grants each request, and sends a NOTIFY for each subscription."""

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
    """The first time the client registers again at once; within an hour there are few REGISTERs."""
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


async def test_a_network_that_demands_restoration_forever(impostor):
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
        {"Call-ID": "unknown@far"},
        {"To": "<sip:alice@ims.example>;tag=unknown"},
        {"To": "<sip:alice@ims.example>"},
        {"From": "<sip:alice@ims.example>;tag=other"},
    ],
)
async def test_a_notify_outside_its_dialog(impostor, dialog):
    """Its body is ignored, even if it would end the registration."""
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
    """The dialog is right, but its connection was replaced."""
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
    "an undeclared entity": f"{_HEAD}<reginfo>&undeclared;</reginfo>",
    "an include": f'{_HEAD}<reginfo xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="/etc/passwd"/></reginfo>',
    "deep": "<a>" * 9000 + "</a>" * 9000,
    "many elements": '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo">' + "<a/>" * 15_000 + "</reginfo>",
    "many attributes": "<reginfo " + " ".join(f'a{n}="1"' for n in range(6000)) + "/>",
    "not closed": "<reginfo>" * 3,
    "another encoding": '<?xml version="1.0" encoding="x-unknown"?><reginfo/>',
    "UTF-16": "\ufeff<reginfo/>",
    "octets": "\x00\x01\x02",
    "another document": "<html/>",
    "a huge version": '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="' + "9" * 5000 + '" state="full"/>',
}


TOO_LARGE = {"deep", "many elements"}


@pytest.mark.parametrize(
    ("document", "status"),
    [(document, 413 if name in TOO_LARGE else 400) for name, document in DOCUMENTS.items()],
    ids=DOCUMENTS.keys(),
)
async def test_unusable_documents(impostor, document, status):
    """They are refused, and the registration goes on."""
    Notifier(impostor, lambda uri, n: document)
    async with impostor.client(options={"reg_event": True}) as client:
        await asyncio.sleep(100.0)
        assert {each.status for each in impostor.responses} == {status}
        assert client.binding is not None
        assert len(impostor.registers()) == 1
        assert len(impostor.requests) < 30


async def test_a_notify_without_a_document(impostor):
    """The body is optional (RFC 6665 §4.1.3)."""
    Notifier(impostor, lambda uri, n: "")
    async with impostor.client(options={"reg_event": True}) as client:
        await asyncio.sleep(100.0)
        assert {each.status for each in impostor.responses} == {200}
        assert client.binding is not None
        assert len(impostor.registers()) == 1


async def test_a_document_of_a_hundred_megabytes(impostor):
    """The message exceeds the limit: its connection ends, and another one takes over the registration."""
    Notifier(impostor, lambda uri, n: reginfo(state="active", event="registered", uri=uri, version=n))
    async with impostor.client(options={"reg_event": True}) as client:
        await asyncio.sleep(1.0)
        body = b"<reginfo>" + b" " * 100_000_000 + b"</reginfo>"
        impostor.send(notify(impostor.subscribes()[-1], body, cseq=99))
        await asyncio.sleep(60.0)
        assert client.binding is not None
        assert all(each.status != 200 for each in impostor.responses[1:])
