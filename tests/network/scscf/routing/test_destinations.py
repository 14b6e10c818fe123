"""Every way by which a user may name an address, with every kind of address: the S-CSCF speaks to elements it knows."""

from __future__ import annotations

import re

import pytest

from wic.network.hss import StoredBinding
from wic.sip.trace import Direction

ALICE, BOB = "sip:alice@ims.example", "sip:bob@ims.example"
ASSERTED = f"P-Asserted-Identity: <{ALICE}>"
WITHIN = {"to": f"<{BOB}>;tag=x", "call_id": "call"}
ADDRESSES = [
    "127.0.0.1:9",
    "127.0.0.1",
    "127.8.8.8:9",
    "127.1:9",
    "2130706433:9",
    "0x7f000001:9",
    "0177.0.0.1:9",
    "localhost:9",
    "LOCALHOST.:9",
    "[::1]:9",
    "[::ffff:127.0.0.1]:9",
    "0.0.0.0:9",
    "[::]:9",
    "169.254.169.254:80",
    "[fe80::1]:9",
    "224.0.0.1:9",
    "[ff02::1]:9",
    "255.255.255.255:9",
    "10.0.0.1:9",
    "192.0.2.1:9",
    "[2001:db8::1]:9",
    "elsewhere.example",
    "elsewhere.example:9",
    "elsewhere.example;maddr=127.0.0.1",
    "ims.example.evil.example",
    "{mw.host}:{mw.port};maddr=127.8.8.8",
    "{peer}:{port};maddr=127.8.8.8",
    "{peer}:9",
    "127.0.0.1:{mw.port}",
]
TRANSPORTS = ["", ";transport=tcp", ";transport=UDP", ";transport=tls", ";transport=ws", ";transport=sctp"]


class Attempts:
    """Attempts to have the S-CSCF send to one address."""

    def __init__(self, running, outsider, dialog) -> None:
        self.running, self.outsider, self.dialog = running, outsider, dialog
        self.sent: set[tuple[str, int]] = set()
        running.scscf.node.driver.add_observer(self._observe)

    def _observe(self, now, direction, data, flow) -> None:
        if direction is Direction.SENT:
            self.sent.add(flow.remote)

    # requests outside dialogs

    def request_uri(self, uri: str) -> None:
        for method in ("INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE", "REFER", "PUBLISH", "REGISTER"):
            self.running.send(method, uri, self.running.orig, ASSERTED, f"Contact: <{self._edge}>")

    def route(self, uri: str) -> None:
        for method in ("INVITE", "MESSAGE"):
            routes = self.running.orig, f"Route: <{uri};lr>"
            self.running.send(method, BOB, *routes, ASSERTED, f"Contact: <{self._edge}>")
            self.running.send(method, f"{self._own};lr", f"Route: <{uri}>", ASSERTED)  # a strict router

    # requests to a user whose binding says so

    def contact_of_a_binding(self, uri: str) -> None:
        self._bind(uri)

    def path_of_a_binding(self, uri: str) -> None:
        self._bind("sip:bob@bob.invalid", f"<{uri};lr>")

    def _bind(self, contact: str, *path: str) -> None:
        binding = StoredBinding(
            impi="bob@ims.example", key="evil", contact=f"<{contact}>", path=path, call_id="c", cseq=1, expires_at=2e9
        )
        self.running.hss.change_bindings("bob@ims.example", remove=["k"], store=[binding])
        for method in ("INVITE", "MESSAGE"):
            self.running.send(method, BOB, f"Contact: <{self._edge}>", peer=self.outsider)

    # ends of a dialog

    def way_back(self, uri: str) -> None:
        for lines in ([f"Contact: <{uri}>"], [f"Record-Route: <{uri};lr>", f"Contact: <{self._edge}>"]):
            for peer in (self.outsider, None):
                self.running.send("INVITE", BOB, *lines, peer=peer)
                self.running.send("SUBSCRIBE", ALICE, *lines, "Event: reg", ASSERTED, peer=peer)

    def remote_target(self, uri: str) -> None:
        for method in ("ACK", "BYE", "INVITE", "INFO"):
            for peer in (self.outsider, None):
                lines = (f"Route: {self.dialog}", f"Contact: <{uri}>")
                self.running.send(method, uri, *lines, peer=peer, **WITHIN)

    def route_set(self, uri: str) -> None:
        for method in ("ACK", "BYE"):
            for peer in (self.outsider, None):
                lines = (f"Route: {self.dialog}", f"Route: <{uri};lr>")
                self.running.send(method, "sip:x@far.invalid", *lines, peer=peer, **WITHIN)
                strict = self.dialog.strip("<>")
                self.running.send(method, strict, f"Route: <{uri}>", peer=peer, **WITHIN)

    # answers

    def via(self, uri: str) -> None:
        address = uri.removeprefix("sip:").partition("@")[2].partition(";")[0]
        host = re.sub(r":\d+$", "", address)
        for number, more in enumerate(
            ("rport", "rport=9", f"maddr={host};rport", f"received={host.strip('[]')};rport")
        ):
            text = (
                f"OPTIONS sip:unknown@ims.example SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKv{number};{more}\r\n"
                f"From: <{ALICE}>;tag=a\r\nTo: <{BOB}>\r\nCall-ID: via{number}\r\nCSeq: 1 OPTIONS\r\n"
                "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            )
            self.outsider.send(text, (self.running.mw.host, self.running.mw.port))

    @property
    def _edge(self) -> str:
        host, port = self.running.peer.address
        return f"sip:edge@{host}:{port}"

    @property
    def _own(self) -> str:
        return f"sip:{self.running.mw.host}:{self.running.mw.port}"

    async def finish(self) -> None:
        """Wait until all that was sent has been dealt with."""
        for peer in (self.running.peer, self.outsider):
            self.running.send("OPTIONS", "sip:unknown@ims.example", call_id="end", peer=peer)
            while "Call-ID: end" not in await peer.expect(""):
                pass


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "way",
    [
        "request_uri",
        "route",
        "contact_of_a_binding",
        "path_of_a_binding",
        "way_back",
        "remote_target",
        "route_set",
        "via",
    ],
)
async def test_an_address_that_a_user_names(running, outsider, dialog, way, address):
    attempts = Attempts(running, outsider, dialog)
    host, port = outsider.address
    for transport in TRANSPORTS:
        # The loopback address itself belongs to the network here; its other ports do not.
        uri = f"sip:x@{address.format(mw=running.mw, peer=host, port=port)}{transport}"
        getattr(attempts, way)(uri)
    await attempts.finish()
    assert attempts.sent <= {running.peer.address, outsider.address}


async def test_a_binding_that_nothing_may_go_to_is_an_absent_user(running, outsider, dialog):
    attempts = Attempts(running, outsider, dialog)
    attempts.contact_of_a_binding("sip:bob@127.0.0.1:9")
    for _ in range(2):
        await outsider.expect("SIP/2.0 480")


async def test_a_dialog_without_a_way_back_does_not_begin(running, outsider):
    """Else the called one could not hang up."""
    running.bind("bob")
    running.send("INVITE", BOB, "Contact: <sip:x@127.0.0.1:9>", peer=outsider)
    await outsider.expect("SIP/2.0 403 Destination Not Allowed")


async def test_a_request_within_a_dialog_to_a_stranger_does_not_end_the_dialog(running, dialog):
    """RFC 5057 §5.1: of 403 and 404, the first one ends nothing."""
    running.send("INFO", "sip:x@127.0.0.1:9", f"Route: {dialog}", **WITHIN)
    await running.peer.expect("SIP/2.0 403")
    running.send("INFO", "sip:x@far.invalid", f"Route: {dialog}", **WITHIN)
    await running.peer.expect("SIP/2.0 403")
