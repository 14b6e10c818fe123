"""Each way to write a public identity, in each place where the S-CSCF compares one."""

from __future__ import annotations

import pytest

from wic.network.hss import PublicIdentity, SubscriberProfile

ALICE, NUMBER = "sip:alice@ims.example", "tel:+4930123"
IMPI = "alice@ims.example"
FORMS = [
    "sip:alice@ims.example",
    "SIP:alice@IMS.example",
    "sips:alice@ims.example",
    "sips:alice@ims.example:5061;transport=tls",
    "sip:alice@ims.example:28101",
    "sip:alice@ims.example;transport=tcp;lr",
    "sip:alice@ims.example;user=ip",
    "sip:alice@ims.example.",
    "sip:%61lice@ims.example",
    "sip:alice:secret@ims.example",
    "tel:+4930123",
    "tel:+49-30-123",
    "tel:+49(30)123;isub=1",
    "sip:+4930123@ims.example",
    "sip:+49-30-123@ims.example:5060;user=phone",
    "sips:+4930123;isub=1@ims.example;user=phone",
]
SECURE = [form for form in FORMS if form.startswith("sips")]


@pytest.fixture
def with_number(running):
    running.hss.add(SubscriberProfile(IMPI, (PublicIdentity(ALICE), PublicIdentity(NUMBER))))


pytestmark = pytest.mark.usefixtures("with_number")


@pytest.mark.parametrize("form", FORMS)
async def test_the_called_user(running, form):
    running.send("OPTIONS", form)
    if form in SECURE:
        # RFC 5630 §5.3: there is no TLS all the way.
        assert "Warning: 380 127.0.0.1" in await running.peer.expect("SIP/2.0 480")
    else:
        running.peer.answer(await running.peer.expect("OPTIONS sip:alice@k.invalid "), "200 OK")
        await running.peer.expect("SIP/2.0 200")
    running.hss.change_bindings(IMPI, remove=["k"])
    running.send("OPTIONS", form)
    assert "Warning" not in await running.peer.expect("SIP/2.0 480")


@pytest.mark.parametrize("form", FORMS)
async def test_the_asserted_user(running, form):
    running.send("OPTIONS", "sip:unknown@ims.example", running.orig, f"P-Asserted-Identity: <{form}>")
    await running.peer.expect("SIP/2.0 404")


@pytest.mark.parametrize("form", FORMS)
async def test_the_registered_user(running, form):
    credentials = f'Digest username="{IMPI}", realm="ims.example", nonce="", uri="sip:ims.example", response=""'
    lines = (f'Authorization: {credentials}, integrity-protected="auth-done"', "Contact: <sip:alice@x.invalid>")
    running.send("REGISTER", "sip:ims.example", *lines, to=f"<{form}>")
    await running.peer.expect("SIP/2.0 200")


@pytest.mark.parametrize("form", FORMS)
async def test_the_watched_user_and_its_watcher(running, form):
    host, port = running.peer.address
    lines = ("Event: reg", f"Contact: <sip:{host}:{port}>", f"P-Asserted-Identity: <{form}>")
    running.send("SUBSCRIBE", form, *lines, to=f"<{form}>")
    await running.peer.expect("SIP/2.0 200")
