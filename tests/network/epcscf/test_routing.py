"""Requests from the core that do not come by the Record-Route of a known dialog."""

from __future__ import annotations

import re

import pytest

EMPTY = (
    'Authorization: Digest username="alice@ims.example", realm="ims.example", nonce="", '
    'uri="sip:ims.example", response=""'
)


class Core:
    """The core behind an eP-CSCF, with one registered WIC."""

    def __init__(self, edge, wic, path: str) -> None:
        self.edge, self.wic, self.path = edge, wic, path

    def send(self, method: str, route: str, *, to_tag: str = ";tag=a", cseq: int = 1) -> None:
        """Send a request within a dialog, unless its To has no tag."""
        mw = self.edge.epcscf.node.mw
        self.edge.core.send(
            f"{method} sip:alice@{self.wic.host} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.edge.core.port};branch=z9hG4bK-{method}-{cseq}\r\nRoute: {route}\r\n"
            f"From: <sip:bob@ims.example>;tag=b\r\nTo: <sip:alice@ims.example>{to_tag}\r\nCall-ID: core\r\n"
            f"CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            (mw.host, mw.port),
        )


@pytest.fixture
async def core(edge) -> Core:
    alice = await edge.wic("alice")
    alice.send(alice.register(EMPTY))
    request = await edge.core.expect("REGISTER")
    edge.core.grant(request)
    await alice.expect("SIP/2.0 200")
    return Core(edge, alice, re.findall(r"^Path: (.*)\r$", request, re.MULTILINE)[0])


@pytest.mark.parametrize("to_tag", ["", ";tag=a"])
async def test_a_token_that_leads_nowhere_gets_430(core, to_tag):
    """RFC 5626 §5.3.1: the registrar wants to know that the flow is gone."""
    core.send("OPTIONS", re.sub(r"sip:\w+@", "sip:void@", core.path), to_tag=to_tag)
    await core.edge.core.expect("SIP/2.0 430")


async def test_a_request_within_a_dialog_may_come_along_the_path(core):
    """The eP-CSCF knows no such dialog, so the WIC decides; an offer without a call is refused."""
    core.send("INFO", core.path)
    core.wic.send(core.wic.respond(await core.wic.expect("INFO"), "481 Call/Transaction Does Not Exist"))
    await core.edge.core.expect("SIP/2.0 481")
    core.send("INVITE", core.path)
    await core.edge.core.expect("SIP/2.0 481")
    assert core.wic.nothing_came()


async def test_an_ack_along_the_path_reaches_the_wic(core):
    core.send("ACK", core.path)
    await core.wic.expect("ACK")


@pytest.mark.parametrize(
    ("lines", "to_tag", "status"),
    [("", "", 200), ("Require: path\r\n", "", 200), ("Require: sec-agree\r\n", "", 420), ("", ";tag=x", 481)],
)
async def test_options_for_the_epcscf_itself(edge, lines, to_tag, status):
    """RFC 3261 §11: a monitor asks on either side, and is registered nowhere."""
    mw, wic = edge.epcscf.node.mw, await edge.wic("monitor")
    edge.core.send(
        f"OPTIONS sip:{mw.host}:{mw.port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{edge.core.port};branch=z9hG4bK-o\r\n"
        f"From: <sip:m@x>;tag=m\r\nTo: <sip:{mw.host}>{to_tag}\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\n{lines}"
        "Max-Forwards: 0\r\nContent-Length: 0\r\n\r\n",
        (mw.host, mw.port),
    )
    answer = await edge.core.expect(f"SIP/2.0 {status}")
    assert ("Supported: path, outbound" in answer) is (status == 200)
    uri = f"sip:127.0.0.1:{edge.epcscf.port};transport=ws"
    wic.send(wic.request("OPTIONS", uri, *filter(None, [lines.strip()]), to=f"<{uri}>{to_tag}"))
    await wic.expect(f"SIP/2.0 {status}")


CHARGING = ('P-Charging-Vector: icid-value="1"', "P-Charging-Function-Addresses: ccf=192.0.2.1")


@pytest.mark.parametrize("status", ["180 Ringing", "200 OK", "302 x", "401 x", "486 x", "503 x", "603 x"])
@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "MESSAGE"])
async def test_charging_information_in_responses_stays_in_the_network(core, method, status):
    """RFC 7315 §4.6, TS 24.229 §5.2.2, §5.2.6.3: no more than in requests."""
    alice, registrar = core.wic, core.edge.core
    contact = f"Contact: {alice.contact}"
    alice.send(alice.register(EMPTY) if method == "REGISTER" else alice.request(method, "sip:bob@ims.example", contact))
    registrar.answer(await registrar.expect(method), status, *CHARGING, contact)
    assert b"P-Charging" not in await alice.expect("SIP/2.0 ")


EMERGENCIES = ["urn:service:sos", "URN:service:SOS.police", "tel:112", "tel:1-1-2;phone-context=ims.example"]
EMERGENCIES += ["sip:911@ims.example;user=phone", "sip:%3112@IMS.example", "sips:112;phone-context=+49@ims.example"]
ORDINARY = ["urn:service:sosage", "urn:service:counseling", "tel:1120", "tel:+49112", "sip:112@other.example"]


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "FOO"])
@pytest.mark.parametrize("uri", [*EMERGENCIES, *ORDINARY])
async def test_an_emergency_call_is_refused_with_another_way(core, method, uri):
    """TS 24.371 §7.4.4, TS 24.229 §5.2.10.4: the UE believes it by the URI in its Path."""
    core.wic.send(core.wic.request(method, uri, f"Contact: {core.wic.contact}"))
    if uri in ORDINARY:
        await core.edge.core.expect(f"{method} {uri} ")
        return
    refused = await core.wic.expect("SIP/2.0 380 Alternative Service")
    assert core.wic.headers(refused, "P-Asserted-Identity") == [core.path]
    assert core.wic.headers(refused, "Content-Type") == ["application/3gpp-ims+xml"]
    assert b"<type>emergency</type>" in refused
    assert core.edge.core.nothing_came()
