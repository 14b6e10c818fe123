"""RFC 3261 §12."""

import pytest

from wic.sip.dialog import Dialog, DialogId, DialogState
from wic.sip.errors import MalformedHeader
from wic.sip.message import Request, Response

RECORD_ROUTE = "<sip:p2.example.com;lr>, <sip:p1.example.com;lr>"


def invite(*headers, uri="sip:bob@example.com", method="INVITE", contact="<sip:alice@10.0.0.1>", cseq=3) -> Request:
    lines = [
        ("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1"),
        ("From", '"Alice" <sip:alice@example.com>;tag=a1'),
        ("To", "<sip:bob@example.com>"),
        ("Call-ID", "call-1"),
        ("CSeq", f"{cseq} {method}"),
        *headers,
    ]
    if contact:
        lines.append(("Contact", contact))
    return Request.build(method, uri, lines)


def answer(request, status, *, contact="<sip:bob@10.0.0.2;transport=tcp>", tag="b1", route=RECORD_ROUTE) -> Response:
    headers = [("Record-Route", route)] if route else []
    if contact:
        headers.append(("Contact", contact))
    return Response.answer(request, status, to_tag=tag, headers=headers)


def caller(status=200, **options) -> Dialog:
    request = invite()
    return Dialog.from_response(request, answer(request, status, **options), owner="call")


def callee(status=200, *headers) -> Dialog:
    request = invite(*headers)
    return Dialog.from_request(request, Response.answer(request, status, to_tag="b1"), owner="call")


def within(method, cseq, *headers, contact=None) -> Request:
    return invite(*headers, method=method, cseq=cseq, contact=contact)


class TestTheCaller:
    def test_it_learns_the_dialog_from_a_2xx(self) -> None:
        dialog = caller()
        assert dialog.id == DialogId("call-1", "a1", "b1")
        assert dialog.state is DialogState.CONFIRMED
        assert str(dialog.remote_target) == "sip:bob@10.0.0.2;transport=tcp"
        assert [hop.uri.host for hop in dialog.route_set] == ["p1.example.com", "p2.example.com"]
        assert (dialog.local_cseq, dialog.remote_cseq, dialog.secure, dialog.owner) == (3, None, False, "call")
        assert repr(dialog) == "<Dialog call-1 confirmed>"

    def test_a_provisional_response_makes_an_early_one_even_without_contact(self) -> None:
        dialog = caller(180, contact=None)
        assert dialog.state is DialogState.EARLY
        assert str(dialog.remote_target) == "sip:bob@example.com"

    def test_a_2xx_without_contact_is_malformed(self) -> None:
        with pytest.raises(MalformedHeader, match="Contact"):
            caller(200, contact=None)

    def test_each_tag_is_another_dialog(self) -> None:
        assert caller(180, tag="b1").id != caller(180, tag="b2").id
        assert caller(180, tag=None).id.remote_tag == ""

    def test_a_sips_uri_makes_it_secure(self) -> None:
        request = invite(uri="sips:bob@example.com")
        assert Dialog.from_response(request, answer(request, 200)).secure

    def test_a_2xx_confirms_an_early_dialog_and_computes_the_route_anew(self) -> None:
        dialog = caller(180)
        request = invite()
        dialog.receive_response(answer(request, 200, contact="<sip:bob@10.9.9.9>", route="<sip:p3.example.com;lr>"))
        assert dialog.state is DialogState.CONFIRMED
        assert str(dialog.remote_target) == "sip:bob@10.9.9.9"
        assert [hop.uri.host for hop in dialog.route_set] == ["p3.example.com"]

    def test_a_provisional_response_changes_nothing(self) -> None:
        dialog = caller(180)
        dialog.receive_response(answer(invite(), 183, contact="<sip:bob@10.9.9.9>"))
        assert dialog.state is DialogState.EARLY
        assert dialog.remote_target.host == "10.0.0.2"

    def test_a_failed_invite_ends_an_early_dialog_and_not_a_confirmed_one(self) -> None:
        early, confirmed = caller(180), caller(200)
        for dialog in (early, confirmed):
            dialog.receive_response(answer(invite(), 488, contact=None, route=None))
        assert (early.state, confirmed.state) == (DialogState.TERMINATED, DialogState.CONFIRMED)

    def test_a_failed_update_leaves_an_early_dialog(self) -> None:
        dialog = caller(180)
        dialog.receive_response(answer(within("UPDATE", 4), 491, contact=None, route=None))
        assert dialog.state is DialogState.EARLY

    @pytest.mark.parametrize("status", [408, 481])
    def test_408_and_481_end_it(self, status) -> None:
        dialog = caller()
        dialog.receive_response(answer(within("INFO", 4), status, contact=None, route=None))
        assert dialog.state is DialogState.TERMINATED


class TestTheCallee:
    def test_it_learns_the_dialog_from_request_and_answer(self) -> None:
        dialog = callee(200, ("Record-Route", RECORD_ROUTE))
        assert dialog.id == DialogId("call-1", "b1", "a1")
        assert str(dialog.remote_target) == "sip:alice@10.0.0.1"
        assert [hop.uri.host for hop in dialog.route_set] == ["p2.example.com", "p1.example.com"]
        assert (dialog.local_cseq, dialog.remote_cseq, dialog.state) == (0, 3, DialogState.CONFIRMED)

    def test_it_needs_a_contact(self) -> None:
        request = invite(contact=None)
        with pytest.raises(MalformedHeader):
            Dialog.from_request(request, answer(request, 180))

    def test_it_is_early_until_confirmed_or_ended(self) -> None:
        dialog = callee(180)
        assert dialog.state is DialogState.EARLY
        dialog.confirm()
        dialog.confirm()
        assert dialog.state is DialogState.CONFIRMED
        dialog.terminate()
        dialog.terminate()
        dialog.confirm()
        assert dialog.state is DialogState.TERMINATED


class TestRequestsOfThisSide:
    def test_they_follow_the_route_set(self) -> None:
        dialog = caller()
        request = dialog.create_request("BYE", [("Reason", "SIP;cause=200")])
        assert request.method == "BYE"
        assert request.uri_text == "sip:bob@10.0.0.2;transport=tcp"
        assert [str(route) for route in request.routes] == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
        assert (str(request.cseq), request.call_id, request.max_forwards) == ("4 BYE", "call-1", 70)
        assert (request.from_.tag, request.from_.display, request.to.tag) == ("a1", "Alice", "b1")
        assert request.headers.get("Reason") == "SIP;cause=200"
        assert str(dialog.next_hop) == "sip:p1.example.com;lr"

    def test_without_a_route_set_they_go_to_the_target(self) -> None:
        dialog = caller(route=None)
        assert dialog.next_hop is dialog.remote_target
        assert dialog.create_request("BYE").routes == ()

    def test_a_strict_router_gets_itself_in_the_request_uri(self) -> None:
        # RFC 3261 §12.2.1.1
        dialog = caller(route="<sip:p2.example.com;lr>, <sip:p1.example.com;method=INVITE?Subject=x>")
        request = dialog.create_request("INFO", body=b"x")
        assert request.uri_text == "sip:p1.example.com"
        assert [str(route) for route in request.routes] == [
            "<sip:p2.example.com;lr>",
            "<sip:bob@10.0.0.2;transport=tcp>",
        ]
        assert request.body == b"x"

    def test_each_has_the_next_number(self) -> None:
        dialog = callee()
        assert [dialog.create_request("INFO").cseq.number for _ in range(3)] == [1, 2, 3]

    def test_an_ack_has_the_number_of_the_invite_and_its_credentials(self) -> None:
        request = invite(("Proxy-Authorization", "Digest username=a"), ("Authorization", "Digest username=b"))
        response = answer(request, 200)
        dialog = Dialog.from_response(request, response)
        dialog.create_request("INFO")
        ack = dialog.ack(response, [("X-Note", "1")], b"sdp")
        assert str(ack.cseq) == "3 ACK"
        assert ack.headers.get_all("Proxy-Authorization") == ["Digest username=a"]
        assert ack.headers.get_all("Authorization") == ["Digest username=b"]
        assert (ack.headers.get("X-Note"), ack.body, dialog.local_cseq) == ("1", b"sdp", 4)


class TestRequestsOfTheOtherSide:
    def test_a_lower_number_is_out_of_order(self) -> None:
        dialog = callee()
        assert dialog.receive_request(within("INFO", 5))
        assert not dialog.receive_request(within("INFO", 4))
        assert dialog.receive_request(within("INFO", 5))
        assert dialog.receive_request(within("INFO", 90))
        assert dialog.remote_cseq == 90

    def test_any_number_may_be_the_first(self) -> None:
        dialog = caller()
        assert dialog.receive_request(within("INFO", 0))
        assert dialog.remote_cseq == 0

    def test_a_target_refresh_moves_the_target(self) -> None:
        dialog = callee()
        dialog.receive_request(within("UPDATE", 4, contact="<sip:alice@10.7.7.7>"))
        assert dialog.remote_target.host == "10.7.7.7"
        dialog.receive_request(within("INFO", 5, contact="<sip:alice@10.8.8.8>"))
        dialog.receive_request(within("INVITE", 6))
        assert dialog.remote_target.host == "10.7.7.7"

    def test_a_2xx_to_a_target_refresh_moves_it_too(self) -> None:
        dialog = caller()
        dialog.receive_response(answer(within("UPDATE", 4), 200, contact="<sip:bob@10.7.7.7>"))
        dialog.receive_response(answer(within("INFO", 5), 200, contact="<sip:bob@10.8.8.8>"))
        dialog.receive_response(answer(within("UPDATE", 6), 200, contact=None))
        assert dialog.remote_target.host == "10.7.7.7"
        # RFC 3261 §12.2.1.2: the route set of a confirmed dialog never changes
        assert [hop.uri.host for hop in dialog.route_set] == ["p1.example.com", "p2.example.com"]


class TestWhatCannotBeUsed:
    @pytest.mark.parametrize("contact", ["<tel:+1>", "<urn:x:y>"])
    def test_a_contact_that_is_no_sip_uri(self, contact) -> None:
        with pytest.raises(MalformedHeader, match="Contact"):
            caller(contact=contact)
        dialog = callee()
        assert dialog.receive_request(within("UPDATE", 4, contact=contact))
        assert dialog.remote_target.host == "10.0.0.1"

    def test_a_record_route_that_is_no_sip_uri(self) -> None:
        with pytest.raises(MalformedHeader, match="Record-Route"):
            caller(route="<urn:x:y>")
        with pytest.raises(MalformedHeader, match="Record-Route"):
            callee(200, ("Record-Route", "<urn:x:y>"))

    def test_a_name_that_cannot_be_written_is_left_out(self) -> None:
        request = invite()
        request.headers.set("To", '"NUL:\\\0" <sip:bob@example.com>;x=1')
        ours = Dialog.from_response(request, answer(request, 200)).create_request("BYE")
        assert str(ours.to) == "<sip:bob@example.com>;tag=b1"
        assert b"\0" not in ours.to_bytes()
