"""Life of a registration (TS 24.229 §5.1.1.4 to §5.1.1.7, TS 24.371 §6A): refresh, end by either side, lost connection."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Network, Terminal
    from .messages import Message
    from .tap import Tap


def notified(tap: Tap, event: str) -> Message:
    """Wait until the WIC is notified of an event of its contact (RFC 3680 §5.1)."""
    pattern = re.compile(rf'event="{event}"'.encode())

    def found() -> list[Message]:
        messages = [each for session in tap.sessions for each in session.received]
        return [each for each in messages if each.method == "NOTIFY" and not each.status and pattern.search(each.body)]

    tap.wait(lambda _: found())
    return found()[0]


def registers(tap: Tap) -> list[Message]:
    """Return the REGISTERs of the WIC, over all connections."""
    return [each for session in tap.sessions for each in session.sent if not each.status and each.method == "REGISTER"]


def test_a_423_is_followed_by_a_longer_registration(terminal: Terminal) -> None:
    run = terminal.register("bob", expires=30)
    assert run.code == 0, run.stderr
    refused = next(each for each in run.answers if each.status == 423)
    # RFC 3261 §10.2.8
    assert refused.one("Min-Expires") == "60"
    assert [each.one("Expires") for each in run.registers] == ["30", "30", "60", "0"]
    assert run.document["expires"] == 60


def test_identities_that_are_registered_one_by_one(network: Network, terminal: Terminal) -> None:
    network.subscriber("add", "gina", "--separate", "sip:office@ims.example", "--tel", "tel:+4930123")
    run = terminal.register("gina")
    assert run.code == 0, run.stderr
    granted = [each for each in run.answers if each.status == 200]
    # TS 24.229 §5.4.1.2.2F: the implicit registration set, the default identity first.
    assert run.document["associated_uris"] == ["sip:gina@ims.example", "tel:+4930123"]
    assert granted[0].all("P-Associated-URI") == ["<sip:gina@ims.example>, <tel:+4930123>"]
    by_identity = {each.one("To") for each in run.registers}
    assert by_identity == {"<sip:gina@ims.example>", "<sip:office@ims.example>"}
    ends = [each for each in run.registers if each.one("Expires") == "0"]
    assert {each.one("To") for each in ends} == by_identity
    # TS 24.371 §6A.2: when no identity is left.
    assert run.tap.session.closing[0] == "WIC"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_deregisters_first(terminal: Terminal, number: int) -> None:
    process = terminal.stay("bob")
    assert terminal.end(process, number) == 3
    assert registers(terminal.tap)[-1].one("Expires") == "0"
    answers = [each for each in terminal.tap.session.received if each.method == "REGISTER"]
    assert [each.status for each in answers] == [401, 200, 200]
    assert terminal.tap.session.closing[0] == "WIC"
    assert "Traceback" not in terminal.stderr
    assert "sip:bob@ims.example is deregistered." in terminal.stderr


@pytest.mark.parametrize(
    ("account", "protected", "statuses"),
    [
        # TS 24.371 §6.4.1.2 a) to c); the next nonce count proves the password anew.
        ("bob", [None, '"tls-pending"', '"tls-protected"'], [401, 200, 200]),
        # §6.4.1.3 a); a vector proves a USIM once.
        ("alice", ['"tls-connected"'] * 4, [401, 200, 401, 200]),
    ],
)
def test_the_network_asks_for_a_new_proof(
    network: Network, terminal: Terminal, account: str, protected: list[str | None], statuses: list[int]
) -> None:
    process = terminal.stay(account)
    network.subscriber("reauthenticate", account, "--within", 2)
    # TS 24.229 §5.4.1.6: event shortened, with what is left; §5.1.1.5A: a REGISTER at half of it.
    assert b'expires="2"' in notified(terminal.tap, "shortened").body
    terminal.tap.wait_for(200, "REGISTER", times=2)
    own = [each for each in network.on_mw(registers(terminal.tap)[0]) if each.method == "REGISTER"]
    assert [each.credentials()[1].get("integrity-protected") for each in own if not each.status] == protected
    assert [each.status for each in own if each.status] == statuses
    assert terminal.end(process, signal.SIGINT) == 3
    assert f"Registered sip:{account}@ims.example again for" in terminal.stderr


def test_a_deactivated_registration_is_made_anew(network: Network, terminal: Terminal) -> None:
    process = terminal.stay("alice")
    network.subscriber("deregister", "alice", "--reason", "deactivated")
    notice = notified(terminal.tap, "deactivated")
    # TS 24.229 §5.4.1.5: the contact and, with the last one, the registration are terminated.
    assert re.search(rb'<registration [^>]*state="terminated"', notice.body)
    terminal.tap.wait_for(200, "REGISTER", times=2)
    first, *_, anew, proof = registers(terminal.tap)
    # TS 24.229 §5.1.1.7: an initial registration, with a Call-ID of its own.
    assert anew.one("Call-ID") == proof.one("Call-ID") != first.one("Call-ID")
    assert anew.credentials()[1]["response"] == '""'
    assert terminal.end(process, signal.SIGINT) == 3
    assert "is lost for now" in terminal.stderr


def test_a_rejected_registration_is_the_end(network: Network, terminal: Terminal) -> None:
    process = terminal.stay("bob")
    network.subscriber("deregister", "bob", "--reason", "rejected")
    process.communicate(timeout=10)
    assert process.returncode == 1
    notified(terminal.tap, "rejected")
    # TS 24.229 §5.1.1.7: no REGISTER follows by itself, not even to deregister.
    assert len(registers(terminal.tap)) == 2
    (error,) = re.findall(r"^Error: (.*)$", terminal.stderr, re.MULTILINE)
    assert "rejected" in error
    assert terminal.stderr.count("rejected") == 1
    assert "deregistered" not in terminal.stderr
    assert terminal.tap.session.is_over


@pytest.mark.timeout(60)
def test_a_cut_connection_is_replaced_and_authenticated(network: Network, terminal: Terminal) -> None:
    process = terminal.stay("bob")
    terminal.tap.cut()
    terminal.tap.wait(
        lambda tap: len(tap.sessions) == 2 and any(each.status == 200 for each in tap.sessions[1].received)
    )
    before, after = (
        next(each for each in session.sent if each.method == "REGISTER") for session in terminal.tap.sessions
    )
    # RFC 5626 §4.4, §4.2: the same instance and reg-id over the new flow, and the same registration.
    for name in ("+sip.instance", "reg-id"):
        assert after.parameter("Contact", name) == before.parameter("Contact", name)
    assert after.one("Call-ID") == before.one("Call-ID")
    on_mw = [
        each for each in network.on_mw(after) if each.method == "REGISTER" and each.one("CSeq") == after.one("CSeq")
    ]
    # TS 24.371 §6.4.1.2 b): the association was that of the other TLS session, and the nonce proves the password anew.
    assert on_mw[0].credentials()[1]["integrity-protected"] == '"tls-pending"'
    assert f";rport={terminal.tap.sessions[1].port}" in on_mw[0].all("Via")[1]
    assert terminal.end(process, signal.SIGINT) == 3
    assert "Reconnected to" in terminal.stderr
