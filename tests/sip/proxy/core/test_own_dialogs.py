"""An element that proxies and takes part in dialogs of its own, as a notifier does."""

from __future__ import annotations

import pytest

from wic.sip.dialog import Dialog, DialogId, DialogState
from wic.sip.events import RequestReceived, ResponseReceived
from wic.sip.headers import NameAddr
from wic.sip.uri import Uri


def own_dialog(owner: object = None) -> Dialog:
    return Dialog(
        id=DialogId("c", "own", "from"),
        state=DialogState.CONFIRMED,
        local=NameAddr.parse("<sip:p@x>;tag=own"),
        remote=NameAddr.parse("<sip:a@x>;tag=from"),
        remote_target=Uri.parse("sip:a@10.0.0.2"),
        owner=owner,
    )


def test_requests_of_its_dialog_are_its_own(net, make_phone, make_proxy, make_request) -> None:
    proxy, phone = make_proxy("p"), make_phone("a")
    dialog = own_dialog()
    proxy.endpoint.add_dialog(dialog)
    phone.send(make_request("SUBSCRIBE", call_id="c", to_tag="own", cseq=5), proxy.host)
    net.run()
    (event,) = proxy.unhandled
    assert isinstance(event, RequestReceived)
    assert event.dialog is dialog
    assert not proxy.contexts
    proxy.endpoint.reply(event.transaction, 200, now=0)
    phone.send(make_request("SUBSCRIBE", call_id="c", to_tag="own", cseq=4), proxy.host)
    net.run()
    assert phone.statuses == [200, 500]


@pytest.mark.parametrize(("required", "status"), [(None, 200), ("eventlist", 420)])
def test_a_request_within_its_dialog_may_require_what_it_has_not(
    net, make_phone, make_proxy, make_request, required, status
) -> None:
    """RFC 3261 §8.2.2.3, RFC 4662 §4.5: it would not understand the body."""
    proxy, phone = make_proxy("p"), make_phone("a")
    proxy.host.on_event = lambda event: proxy.endpoint.reply(event.transaction, 200, now=0)
    proxy.endpoint.add_dialog(own_dialog())
    request = make_request("NOTIFY", call_id="c", to_tag="own", cseq=5)
    if required is not None:
        request.headers.add("Require", required)
    phone.send(request, proxy.host)
    net.run()
    assert phone.statuses == [status]
    assert phone.responses[0].headers.get("Unsupported") == required


def test_requests_of_other_dialogs_pass(net, make_phone, make_proxy, make_request) -> None:
    proxy, phone = make_proxy("p"), make_phone("a")
    proxy.endpoint.add_dialog(own_dialog())
    phone.send(make_request("SUBSCRIBE", call_id="c", to_tag="other"), proxy.host)
    phone.send(make_request("SUBSCRIBE", call_id="d"), proxy.host)
    net.run()
    assert len(proxy.contexts) == 2
    assert not [event for event in proxy.unhandled if isinstance(event, RequestReceived)]


def test_a_notify_that_is_awaited_is_its_own(net, make_phone, make_proxy, make_request) -> None:
    proxy, phone = make_proxy("p"), make_phone("a")
    owner = object()
    proxy.endpoint.await_dialog("c", "own", owner)
    phone.send(make_request("NOTIFY", call_id="c", to_tag="own"), proxy.host)
    net.run()
    (event,) = proxy.unhandled
    assert isinstance(event, RequestReceived)
    assert (event.dialog, event.transaction.owner) == (None, owner)
    phone.send(make_request("SUBSCRIBE", call_id="c", to_tag="own", cseq=2), proxy.host)
    proxy.endpoint.cease_to_await_dialog("c", "own")
    proxy.endpoint.cease_to_await_dialog("c", "own")
    phone.send(make_request("NOTIFY", call_id="c", to_tag="own", cseq=3), proxy.host)
    net.run()
    assert [context.request.method for context in proxy.contexts] == ["SUBSCRIBE", "NOTIFY"]


def test_a_user_agent_that_awaits_no_dialog_any_more(net, make_phone, make_request) -> None:
    a, b = make_phone("a"), make_phone("b")
    b.endpoint.await_dialog("c", "own", self_ := object())
    a.send(make_request("NOTIFY", call_id="c", to_tag="own"), b.host)
    net.run()
    assert b.requests[0].transaction.owner is self_
    b.endpoint.cease_to_await_dialog("c", "own")
    a.send(make_request("NOTIFY", call_id="c", to_tag="own", cseq=2), b.host)
    net.run()
    assert a.statuses == [481]
    assert any(isinstance(event, ResponseReceived) for event in a.host.events)
