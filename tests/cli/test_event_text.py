from __future__ import annotations

import pytest

from wic.client.events import (
    ConnectionLost,
    ConnectionRestored,
    Deregistered,
    IdentitiesChanged,
    Refreshed,
    Registered,
    RegistrationLost,
)
from wic.errors import ConnectFailed, FlowLost, RegistrationFailed, SignInNeeded
from wic.registration import Binding, Identities
from wic.sip.headers.address import NameAddr
from wic.sip.uri import Uri
from wic_cli.event_text import event_text, message_text

ALICE = Uri.parse("sip:alice@ims.example")
BINDING = Binding(contact=NameAddr("", ALICE), expires=600, expires_at=600.0, impu=ALICE)
REFUSED = RegistrationFailed("403 Forbidden")


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Registered(ALICE, BINDING), "Registered sip:alice@ims.example for 600 s."),
        (Refreshed(ALICE, BINDING), "Registered sip:alice@ims.example again for 600 s."),
        (
            RegistrationLost(ALICE, REFUSED, final=True),
            "The registration of sip:alice@ims.example is lost: 403 Forbidden.",
        ),
        (
            RegistrationLost(ALICE, REFUSED, final=False),
            "The registration of sip:alice@ims.example is lost for now: 403 Forbidden.",
        ),
        (
            RegistrationLost(ALICE, REFUSED, final=False, next_try=60.0),
            "The registration of sip:alice@ims.example is lost for now: 403 Forbidden; next attempt in 60.0 s.",
        ),
        (
            RegistrationLost(ALICE, REFUSED, final=False, next_try=0.0),
            "The registration of sip:alice@ims.example is lost for now: 403 Forbidden; retrying at once.",
        ),
        (Deregistered(ALICE), "sip:alice@ims.example is deregistered."),
        (
            Deregistered(ALICE, RegistrationFailed("no answer")),
            "sip:alice@ims.example is deregistered here, but the network did not confirm it and may keep the binding until it expires: no answer.",
        ),
        (
            ConnectionLost("wss://a/", FlowLost("the connection was lost"), 2.52),
            "The connection was lost; next attempt in 2.5 s.",
        ),
        (ConnectionLost("wss://a/", FlowLost("the connection was lost"), None), "The connection was lost."),
        (
            ConnectionLost("wss://a/", ConnectFailed("Nothing listens there."), 1.0),
            "Nothing listens there; next attempt in 1.0 s.",
        ),
        (
            RegistrationLost(ALICE, SignInNeeded("Not signed in: run `wic login`."), final=True),
            "The registration of sip:alice@ims.example is lost: Not signed in: run `wic login`.",
        ),
        (ConnectionRestored("wss://a/"), "Reconnected to wss://a/."),
        (IdentitiesChanged(Identities(ALICE, (ALICE,), ())), "Identities now: sip:alice@ims.example."),
        (IdentitiesChanged(Identities.of(())), "Identities now: none."),
    ],
)
def test_an_event_is_one_line_of_text(event, text):
    assert event_text(event) == text


class FakeChannel:
    def __init__(self, label: str) -> None:
        self.label = label


@pytest.mark.parametrize(
    ("label", "message", "text"),
    [
        ("chat", "hello", "chat: hello"),
        ("chat", "a\nError: b\r\n\x1b[2J\u202e", r"chat: a\nError: b\r\n\x1b[2J\u202e"),
        ("a\nb", ":smile: [red]", r"a\nb: :smile: [red]"),
        ("chat", b"\x00\xff", "chat: 00ff"),
        ("chat", "x" * 501, f"chat: {'x' * 500}… (501 characters)"),
        ("chat", bytes(201), f"chat: {'00' * 200}… (201 octets)"),
        ("l" * 81, "hello", f"{'l' * 80}… (81 characters): hello"),
    ],
)
def test_a_message_of_a_peer_is_one_line_of_bounded_length(label: str, message: str | bytes, text: str) -> None:
    assert message_text(FakeChannel(label), message) == text
