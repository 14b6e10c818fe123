"""Subscriptions of the WIC and its eP-CSCF to registration state (TS 24.229 §5.1.1.3, §5.2.3, RFC 3680)."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from .conftest import open_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Network, Terminal
    from .messages import Message

XML = b'<?xml version="1.0" encoding="UTF-8"?>'


@pytest.fixture(scope="module")
def terminal(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """bob is registered, and has had the first NOTIFY."""
    with open_terminal(network, tmp_path_factory.mktemp("bob")) as opened:
        opened.stay("bob")
        opened.tap.wait(lambda tap: any(each.method == "NOTIFY" for each in tap.session.sent))
        yield opened


def own_subscribe(network: Network) -> Message:
    """Wait for a SUBSCRIBE of the eP-CSCF for itself, which may follow the 200 to the REGISTER; return the last one."""
    while True:
        captured = [each.message for each in network.captured()]
        found = [each for each in captured if each.start.startswith("SUBSCRIBE sip:bob@") and len(each.all("Via")) == 1]
        if found and any(each.one("Call-ID") == found[-1].one("Call-ID") and each.status for each in captured):
            return found[-1]
        time.sleep(0.02)


def test_the_wic_subscribes_to_its_default_identity(terminal: Terminal) -> None:
    (subscribe,) = (each for each in terminal.tap.session.sent if each.start.startswith("SUBSCRIBE "))
    # TS 24.229 §5.1.1.3: Request-URI, From and To the default identity; over the eP-CSCF and the Service-Route.
    assert subscribe.start == "SUBSCRIBE sip:bob@ims.example SIP/2.0"
    assert subscribe.one("From").startswith("<sip:bob@ims.example>;tag=")
    assert subscribe.one("To") == "<sip:bob@ims.example>"
    edge, service_route = subscribe.all("Route")
    assert re.fullmatch(r"<sip:127\.0\.0\.1:\d+;transport=ws;lr>", edge)
    assert re.fullmatch(r"<sip:orig@127\.0\.0\.1:\d+;lr>", service_route)
    assert subscribe.one("Event") == "reg"
    assert subscribe.one("Accept") == "application/reginfo+xml"
    assert subscribe.one("Expires") == "600000"
    # RFC 5627 §4.4: the Contact is a GRUU.
    assert subscribe.one("Contact").startswith("<sip:bob@ims.example;gr=urn:uuid:")


def test_the_subscriber_is_asserted_to_the_core(network: Network, terminal: Terminal) -> None:
    (subscribe,) = (each for each in terminal.tap.session.sent if each.start.startswith("SUBSCRIBE "))
    on_mw = network.on_mw(subscribe)[0]
    # TS 24.229 §5.2.6.3.3: the identity is asserted by the eP-CSCF.
    assert on_mw.one("P-Asserted-Identity") == "<sip:bob@ims.example>"
    assert "orig-ioi=" in on_mw.one("P-Charging-Vector")
    assert "p-asserted-identity" not in subscribe.names


def test_the_first_notify_is_complete(terminal: Terminal) -> None:
    notify = next(each for each in terminal.tap.session.received if each.start.startswith("NOTIFY "))
    # RFC 6665 §4.1.3; RFC 3680 §4.7, §5.1: full, version 0.
    assert notify.one("Event") == "reg"
    assert notify.one("Subscription-State").startswith("active;expires=")
    assert notify.one("Content-Type") == "application/reginfo+xml"
    assert notify.body.startswith(XML)
    assert re.search(rb'<reginfo xmlns="urn:ietf:params:xml:ns:reginfo"[^>]* version="0" state="full">', notify.body)
    assert re.search(rb'<registration aor="sip:bob@ims\.example" id="[^"]+" state="active">', notify.body)
    # RFC 5628 §5: the GRUUs of the contact.
    assert b'<gr:pub-gruu uri="sip:bob@ims.example;gr=urn:uuid:' in notify.body
    assert any((each.status, each.method) == (200, "NOTIFY") for each in terminal.tap.session.sent)


def test_the_epcscf_subscribes_for_itself(network: Network, terminal: Terminal) -> None:
    assert terminal.tap.session
    subscribe = own_subscribe(network)
    # TS 24.229 §5.2.3: to the default identity, as itself; it asserts what it has written into Path.
    assert subscribe.start == "SUBSCRIBE sip:bob@ims.example SIP/2.0"
    own = subscribe.one("From").partition(";")[0]
    assert re.fullmatch(r"<sip:127\.0\.0\.1:\d+>", own)
    registers = [each.message for each in network.captured() if each.message.method == "REGISTER"]
    paths = {path for register in registers for path in register.all("Path")}
    assert subscribe.one("P-Asserted-Identity") in paths
    assert subscribe.one("Event") == "reg"
    assert "orig-ioi=" in subscribe.one("P-Charging-Vector")
