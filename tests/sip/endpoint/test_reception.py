from pathlib import Path

import pytest

from wic.sip.endpoint import Endpoint, EndpointOptions, Role
from wic.sip.events import AckReceived, MessageDropped, RequestReceived, ResponseReceived
from wic.sip.flow import Flow
from wic.sip.limits import Limits
from wic.sip.message import Request, Response
from wic.sip.parser import parse
from wic.sip.random_source import CountingSource

UDP = Flow("UDP", ("10.0.0.1", 5060), ("192.0.2.4", 5060))
TCP = Flow("TCP", ("10.0.0.1", 5060), ("192.0.2.4", 4444), "1")
WSS = Flow("WSS", ("10.0.0.1", 443), ("192.0.2.4", 4444), "2")


def endpoint(**options) -> Endpoint:
    return Endpoint(random_source=CountingSource(), options=EndpointOptions(**options))


def raw(method="OPTIONS", *extra, branch="z9hG4bK1", to="<sip:b@h>", cseq=None, drop=(), uri="sip:b@h") -> bytes:
    lines = [
        f"Via: SIP/2.0/UDP 192.0.2.4;branch={branch}",
        "Max-Forwards: 70",
        "From: <sip:a@h>;tag=1",
        f"To: {to}",
        "Call-ID: c",
        f"CSeq: {cseq or '1 ' + method}",
        *extra,
        "Content-Length: 0",
    ]
    kept = [line for line in lines if line.partition(":")[0] not in drop]
    return "\r\n".join([f"{method} {uri} SIP/2.0", *kept, "", ""]).encode(errors="surrogateescape")


def answer(endpoint, data, flow=UDP) -> Response | None:
    endpoint.receive(data, flow, now=0.0)
    transmits = endpoint.to_send()
    assert len(transmits) <= 1
    return parse(transmits[0].data) if transmits else None


def events(endpoint):
    found = []
    while (event := endpoint.next_event()) is not None:
        found.append(event)
    return found


class TestKeepAlive:
    @pytest.mark.parametrize("flow", [TCP, WSS])
    def test_a_ping_gets_a_pong(self, flow) -> None:
        ours = endpoint()
        ours.receive(b"\r\n\r\n", flow, now=0.0)
        assert [(transmit.flow, transmit.data) for transmit in ours.to_send()] == [(flow, b"\r\n")]
        assert ours.counters.keep_alives == 2

    @pytest.mark.parametrize(("data", "flow"), [(b"\r\n", TCP), (b"", TCP), (b"\r\n\r\n", UDP)])
    def test_anything_else_gets_nothing(self, data, flow) -> None:
        ours = endpoint()
        ours.receive(data, flow, now=0.0)
        assert (ours.to_send(), events(ours), ours.counters.keep_alives) == ([], [], 1)


class TestRefusals:
    def test_a_broken_header_gets_400(self) -> None:
        response = answer(endpoint(), raw(cseq="x OPTIONS"))
        assert response.status == 400
        assert response.to.tag is not None
        assert response.via.branch == "z9hG4bK1"

    def test_what_the_parser_refuses_gets_its_status(self) -> None:
        ours = endpoint()
        response = answer(ours, raw("OPTIONS", "broken line"))
        assert response.status == 400
        assert ours.counters.refused == 1
        assert answer(endpoint(limits=Limits(uri_length=100)), raw(uri="sip:" + 200 * "x")).status == 414

    def test_a_header_that_hides_the_to_gets_400_without_a_tag(self) -> None:
        assert answer(endpoint(), raw(to="nonsense")).status == 400
        assert answer(endpoint(), raw(drop=["To"])).status == 400

    def test_a_broken_via_is_answered_where_it_came_from(self) -> None:
        # RFC 4475 §3.1.2.1
        ours = endpoint()
        ours.receive(raw(branch="1;;,;,,"), UDP, now=0.0)
        (transmit,) = ours.to_send()
        assert transmit.flow == UDP
        assert transmit.data.startswith(b"SIP/2.0 400")
        ours.receive(raw("OPTIONS", "broken line", branch="1;;,;,,"), TCP, now=0.0)
        (transmit,) = ours.to_send()
        assert transmit.flow == TCP

    @pytest.mark.parametrize(
        "data",
        [raw(drop=["Via"]), b"rubbish\r\n\r\n", raw("OPTIONS", "broken line", drop=["Via"]), raw("ACK", cseq="x ACK")],
        ids=["no Via", "no SIP", "neither", "broken ACK"],
    )
    def test_what_cannot_be_answered_is_dropped(self, data) -> None:
        ours = endpoint()
        assert answer(ours, data) is None
        (event,) = events(ours)
        assert isinstance(event, MessageDropped)
        assert event.flow == UDP
        assert event.reason
        assert ours.counters.dropped == 1

    def test_methods_and_extensions_are_checked_if_they_are_named(self) -> None:
        strict = {"methods": frozenset({"INVITE", "ACK"}), "extensions": frozenset({"path"})}
        response = answer(endpoint(**strict), raw("OPTIONS"))
        assert (response.status, response.headers.get("Allow")) == (405, "ACK, INVITE")
        assert answer(endpoint(**strict), raw("DANCE")).status == 501
        response = answer(endpoint(**strict), raw("INVITE", "Require: path, 100rel"))
        assert (response.status, response.headers.get("Unsupported")) == (420, "100rel")
        for data in (raw("DANCE"), raw("OPTIONS", "Require: 100rel")):
            ours = endpoint()
            assert answer(ours, data) is None
            assert isinstance(ours.next_event(), RequestReceived)

    def test_a_proxy_knows_no_extension_by_itself(self) -> None:
        response = answer(endpoint(role=Role.PROXY), raw("OPTIONS", "Proxy-Require: gruu"))
        assert (response.status, response.headers.get("Unsupported")) == (420, "gruu")
        for options, data in (
            ({"extensions": frozenset({"gruu"})}, raw("OPTIONS", "Proxy-Require: gruu")),
            ({}, raw("OPTIONS", "Require: gruu")),
        ):
            ours = endpoint(role=Role.PROXY, **options)
            assert answer(ours, data) is None
            assert isinstance(ours.next_event(), RequestReceived)

    def test_the_ack_of_a_refusal_without_transaction_is_absorbed(self) -> None:
        for role in Role:
            ours = endpoint(role=role, limits=Limits(transactions=0))
            response = answer(ours, raw("INVITE", "Contact: <sip:a@h>"))
            assert (response.status, response.headers.get("Retry-After")) == (503, "5")
            assert ours.counters.overloaded == 1
            ours.receive(raw("ACK", to=f"<sip:b@h>;tag={response.to.tag}"), UDP, now=0.0)
            assert (events(ours), ours.counters.absorbed) == ([], 1)


class TestUserAgent:
    def test_a_merged_request_gets_482(self) -> None:
        # RFC 3261 §8.2.2.2
        ours = endpoint()
        assert answer(ours, raw()) is None
        assert answer(ours, raw(branch="z9hG4bK2")).status == 482
        assert len(events(ours)) == 1

    def test_a_request_of_an_unknown_dialog_gets_481(self) -> None:
        assert answer(endpoint(), raw("BYE", to="<sip:b@h>;tag=x")).status == 481

    def test_an_ack_that_is_not_awaited_is_dropped(self) -> None:
        ours = endpoint()
        assert answer(ours, raw("ACK", to="<sip:b@h>;tag=x")) is None
        assert ours.counters.dropped == 1

    def test_the_source_is_stamped_before_the_user_sees_the_request(self) -> None:
        ours = endpoint()
        ours.receive(raw(branch="z9hG4bK1;rport"), WSS, now=0.0)
        (event,) = events(ours)
        assert (event.request.via.received, event.request.via.rport) == ("192.0.2.4", 4444)
        assert event.flow is event.transaction.flow is event.transaction.reply_flow is WSS

    def test_the_transaction_is_open_until_its_limit(self) -> None:
        ours = endpoint(limits=Limits(transactions=2))
        for n in range(3):
            response = answer(ours, raw(branch=f"z9hG4bK{n}", cseq=f"{n} OPTIONS"))
        assert response.status == 503
        assert answer(ours, raw(branch="z9hG4bK0", cseq="0 OPTIONS")) is None
        assert ours.counters.absorbed == 1


class TestProxy:
    def test_requests_of_dialogs_and_merged_ones_are_the_users(self) -> None:
        ours = endpoint(role=Role.PROXY)
        for data in (raw(), raw(branch="z9hG4bK2"), raw("BYE", to="<sip:b@h>;tag=x")):
            assert answer(ours, data) is None
        assert [event.request.method for event in events(ours)] == ["OPTIONS", "OPTIONS", "BYE"]

    def test_an_ack_is_the_users_unless_a_transaction_waits_for_it(self) -> None:
        ours = endpoint(role=Role.PROXY)
        ours.receive(raw("ACK", to="<sip:b@h>;tag=x"), UDP, now=0.0)
        (event,) = events(ours)
        assert (event.flow, event.dialog, event.transaction) == (UDP, None, None)
        ours.receive(raw("INVITE", branch="z9hG4bK2"), UDP, now=0.0)
        (event,) = events(ours)
        ours.reply(event.transaction, 486, now=0.0)
        ours.receive(raw("ACK", branch="z9hG4bK2"), UDP, now=0.0)
        assert events(ours) == []

    def test_an_ack_with_the_branch_of_an_accepted_invite_is_the_users(self) -> None:
        ours = endpoint(role=Role.PROXY)
        ours.receive(raw("INVITE"), UDP, now=0.0)
        transaction = events(ours)[0].transaction
        ours.reply(transaction, 200, now=0.0)
        ours.receive(raw("ACK", to=f"<sip:b@h>;tag={transaction.tag}"), UDP, now=0.0)
        (event,) = events(ours)
        assert isinstance(event, AckReceived)
        assert event.transaction is transaction


class TestResponses:
    def response(self, status=200, *, method="OPTIONS", drop=()) -> bytes:
        request = parse(raw(method))
        assert isinstance(request, Request)
        response = Response.answer(request, status, to_tag="x")
        for name in drop:
            response.headers.remove(name)
        return response.to_bytes()

    @pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
    def test_one_of_no_transaction_is_counted(self, method) -> None:
        ours = endpoint()
        ours.receive(self.response(method=method), UDP, now=0.0)
        assert (events(ours), ours.counters.dropped, ours.to_send()) == ([], 1, [])

    @pytest.mark.parametrize("name", ["Via", "CSeq", "To", "From", "Call-ID"])
    def test_one_that_lacks_a_header_is_dropped(self, name) -> None:
        ours = endpoint()
        ours.receive(self.response(drop=[name]), UDP, now=0.0)
        (event,) = events(ours)
        assert isinstance(event, MessageDropped)
        assert name in event.reason

    def test_a_broken_one_is_never_answered(self) -> None:
        ours = endpoint()
        assert answer(ours, self.response().replace(b"Call-ID: c", b"no header")) is None
        assert ours.counters.dropped == 1


class TestUnreadableResponses:
    """A final response that cannot be read ends its transaction: no other will come (RFC 3261 §17.1)."""

    FAULTS = (
        ("Call-ID: c", "no header"),
        ("Call-ID: c", "X: \r Y"),
        ("Call-ID: c", "X: " + 20_000 * "x"),
        ("Content-Length: 0", 600 * "X: x\r\n" + "Content-Length: 0"),
        ("Content-Length: 0", 10 * f"X: {7_000 * 'x'}\r\n" + "Content-Length: 0"),
        ("Content-Length: 0", "Content-Length: 5"),
        ("Content-Length: 0", "Content-Length: x"),
        ("From: <sip:a@h>", "From: <sip:"),
        ("From: <sip:a@h>", "X: \udcff"),
        ("To: <sip:b@h>", "To: <sip:"),
        ("Call-ID: c", "Call-ID: c\r\nCall-ID: d"),
        ("\r\n\r\n", "\r\n\r\n" + 300_000 * "x"),
    )

    def sent(self, method, status, old, new, *, role=Role.USER_AGENT):
        """Send a request, and have its response come with a fault; return what that led to."""
        ours = endpoint(role=role)
        headers = [("From", "<sip:a@h>;tag=1"), ("To", "<sip:b@h>"), ("Call-ID", "c"), ("CSeq", f"1 {method}")]
        request = Request.build(method, "sip:b@h", headers)
        if role is Role.PROXY:
            request.headers.prepend("Via", "SIP/2.0/TCP other;branch=z9hG4bK9")
        ours.send_request(request, TCP, now=0.0)
        (transmit,) = ours.to_send()
        answer = Response.answer(parse(transmit.data), status, to_tag="x").to_bytes().decode()
        assert answer.count(old) == 1
        ours.receive(answer.replace(old, new).encode(errors="surrogateescape"), TCP, now=0.0)
        told = [event for event in events(ours) if not isinstance(event, MessageDropped)]
        assert ours.counters.dropped == 1
        return [event.response for event in told], [parse(transmit.data) for transmit in ours.to_send()]

    @pytest.mark.parametrize("role", Role)
    @pytest.mark.parametrize(("old", "new"), FAULTS)
    def test_a_failure_ends_with_its_status(self, old, new, role) -> None:
        for method in ("INVITE", "OPTIONS"):
            (response,), acks = self.sent(method, 486, old, new, role=role)
            assert (response.status, response.reason, response.cseq.method) == (486, "Busy Here", method)
            assert [ack.method for ack in acks] == (["ACK"] if method == "INVITE" else [])

    @pytest.mark.parametrize("role", Role)
    @pytest.mark.parametrize("octet", ["\r", "\n"])
    def test_a_phrase_with_a_line_break_can_go_on(self, octet, role) -> None:
        (response,), _ = self.sent("INVITE", 486, "Busy", f"Busy{octet}now", role=role)
        assert parse(response.to_bytes()).reason == "Busy now Here"

    @pytest.mark.parametrize("role", Role)
    @pytest.mark.parametrize(("old", "new"), FAULTS)
    def test_a_success_counts_as_502(self, old, new, role) -> None:
        (response,), _ = self.sent("OPTIONS", 200, old, new, role=role)
        assert response.status == 502
        assert response.reason.startswith("Unreadable 200: ")

    @pytest.mark.parametrize(
        ("method", "status", "old", "new"),
        [
            ("INVITE", 200, "From: <sip:a@h>", "From: <sip:"),  # it is repeated, and its dialog is not known
            ("OPTIONS", 180, "From: <sip:a@h>", "From: <sip:"),
            ("OPTIONS", 486, ";branch=z9hG4bK", ";branch=z9hG4bKother\r\nno header\r\nX: "),
            ("OPTIONS", 486, "Via: ", "Via: SIP/2.0/TCP a;branch="),
            ("OPTIONS", 486, "From: ", "Via: SIP/2.0/TCP other;branch=z9hG4bK2\r\nFrom: "),  # §8.1.3.3
            ("OPTIONS", 486, "\r\nFrom: ", ", SIP/2.0/TCP other;branch=z9hG4bK2\r\nFrom: "),
            ("OPTIONS", 486, "SIP/2.0 486 ", "SIP/2.0 4867 "),
        ],
    )
    def test_any_other_changes_nothing(self, method, status, old, new) -> None:
        assert self.sent(method, status, old, new) == ([], [])


class TestResponsesWithoutCSeq:
    """RFC 3261 §17.1.3 matches by branch and CSeq method: the branch of a single request says which CSeq it had."""

    FAULTS = (
        "",
        "CSeq: x\r\n",
        "CSeq: 1\r\n",
        "CSeq: 1 \udce9\r\n",
        "CSeq: 1 {0}\r\nCSeq: 1 {0}\r\n",
        "CSeq: 4294967296 {0}\r\n",
    )

    def sent(self, method: str, role: Role, **options) -> tuple[Endpoint, Request]:
        ours = endpoint(role=role, **options)
        headers = [("From", "<sip:a@h>;tag=1"), ("To", "<sip:b@h>"), ("Call-ID", "c"), ("CSeq", f"7 {method}")]
        request = Request.build(method, "sip:b@h", headers)
        if role is Role.PROXY:
            request.headers.prepend("Via", "SIP/2.0/TCP other;branch=z9hG4bK9")
        ours.send_request(request, TCP, now=0.0)
        (transmit,) = ours.to_send()
        return ours, parse(transmit.data)

    def receive(self, ours: Endpoint, request: Request, status: int, fault: str, flow=TCP) -> None:
        response = Response.answer(request, status, to_tag="x", headers=[("Contact", "<sip:b@h>")])
        response.headers.remove("CSeq")
        head, end, body = response.to_bytes().decode().partition("Content-Length")
        data = f"{head}{fault.format(request.method)}{end}{body}".encode(errors="surrogateescape")
        ours.receive(data, flow, now=0.0)

    @pytest.mark.parametrize("role", Role)
    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER", "BYE"])
    def test_it_is_that_of_its_request(self, method, fault, role) -> None:
        for status in (100, 180, 200, 302, 486, 603):
            ours, request = self.sent(method, role)
            self.receive(ours, request, status, fault)
            told = [event.response for event in events(ours) if isinstance(event, ResponseReceived)]
            if status == 100 and role is Role.USER_AGENT:
                assert len(told) <= 1
            else:
                assert [response.status for response in told] == [status]
            for response in told:
                assert str(response.cseq) == f"7 {method}"
                assert parse(response.to_bytes()).cseq == request.cseq
            assert ours.counters.dropped == 0
            acks = [transmit.data[:4] for transmit in ours.to_send()]
            assert acks == ([b"ACK "] if method == "INVITE" and status >= 300 else [])

    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_head_that_is_broken_elsewhere_as_well_ends_a_failure_with_its_status(self, fault) -> None:
        ours, request = self.sent("INVITE", Role.USER_AGENT)
        self.receive(ours, request, 486, f"no header\r\n{fault}")
        assert [event.response.status for event in events(ours) if isinstance(event, ResponseReceived)] == [486]
        assert [transmit.data[:4] for transmit in ours.to_send()] == [b"ACK "]

    @pytest.mark.parametrize(("status", "told"), [(183, 183), (487, 487), (100, None), (200, None), (481, None)])
    @pytest.mark.parametrize("role", Role)
    def test_while_a_cancel_has_the_same_branch_its_status_decides(self, status, told, role) -> None:
        """RFC 3261 §9.2, RFC 4320 §4.1: 487 and what rings are no answers to a CANCEL; others may be to either."""
        ours, request = self.sent("INVITE", role)
        self.receive(ours, request, 180, "")
        ours.cancel(events(ours)[0].transaction, now=0.0)
        ours.to_send()
        self.receive(ours, request, status, "")
        (event,) = events(ours)
        if told is None:
            assert isinstance(event, MessageDropped)
        else:
            assert (event.response.status, event.response.cseq) == (told, request.cseq)
        assert [transmit.data[:4] for transmit in ours.to_send()] == ([b"ACK "] if told == 487 else [])

    def test_a_cancel_that_is_answered_leaves_the_branch_to_its_invite(self) -> None:
        """Timer C or that of the CANCEL ends an INVITE whose answer was dropped (§9.1)."""
        ours, request = self.sent("INVITE", Role.USER_AGENT)
        self.receive(ours, request, 180, "")
        ours.cancel(events(ours)[0].transaction, now=0.0)
        (transmit,) = ours.to_send()
        cancel = parse(transmit.data)
        self.receive(ours, request, 500, "")
        assert [type(event) for event in events(ours)] == [MessageDropped]
        ours.receive(Response.answer(cancel, 200, to_tag="x").to_bytes(), TCP, now=0.0)
        self.receive(ours, request, 500, "")
        assert [event.response.status for event in events(ours)] == [500]

    @pytest.mark.parametrize("flow", [TCP, WSS])
    def test_one_of_another_branch_connection_or_sender_changes_nothing(self, flow) -> None:
        """A CSeq that can be read is never replaced."""
        ours, request = self.sent("INVITE", Role.USER_AGENT)
        ours.receive(
            Response.answer(request, 486, to_tag="x", headers=[]).to_bytes().replace(b"7 INVITE", b"7 BYE"),
            TCP,
            now=0.0,
        )
        other = request.copy()
        if flow is TCP:
            other.headers.set("Via", request.headers.get("Via").replace("branch=z9hG4bK", "branch=z9hG4bKother"))
        self.receive(ours, other, 486, "", flow)
        other.headers.set("Via", "SIP/2.0/TCP h;branch=")
        self.receive(ours, other, 486, "", flow)
        other.headers.set("Via", "SIP/2.0/TCP")
        self.receive(ours, other, 486, "", flow)
        assert not [event for event in events(ours) if isinstance(event, ResponseReceived)]
        assert ours.counters.dropped == 4


def test_a_stream_needs_content_length_and_a_datagram_does_not() -> None:
    data = raw(drop=["Content-Length"])
    assert answer(endpoint(), data, TCP).status == 400
    for flow in (UDP, WSS):
        ours = endpoint()
        assert answer(ours, data, flow) is None
        assert isinstance(ours.next_event(), RequestReceived)


class TestOctetsThatAreNoText:
    """RFC 3261 §25.1, RFC 4475 §3.1.1.2: a NUL in a quoted string, which is no more a reason to drop than Latin-1 is."""

    @pytest.mark.parametrize("odd", ["\\\0", "\0", "\udce9"])
    @pytest.mark.parametrize(
        "line",
        [
            'Route: "a%sb" <sip:h;lr>',
            'Record-Route: <sip:h;lr>;x="%s"',
            'Reason: SIP;text="%s"',
            'Contact: "%s" <sip:h>;x="%s"',
            "Subject: %s",
        ],
    )
    def test_a_request_with_it_is_taken(self, line, odd) -> None:
        for role in Role:
            ours = endpoint(role=role)
            line = line.replace("%s", odd)
            assert (
                answer(ours, raw("INVITE", *([] if line.startswith("Contact") else ["Contact: <sip:a@h>"]), line))
                is None
            )
            (event,) = events(ours)
            assert isinstance(event, RequestReceived)
            assert line.encode(errors="surrogateescape") in event.request.to_bytes()

    @pytest.mark.parametrize("odd", ["\\\0", "\0", "\udce9"])
    def test_a_via_with_it_is_answered(self, odd) -> None:
        ours = endpoint()
        assert answer(ours, raw(branch=f'z9hG4bK1;x="{odd}"')) is None
        assert ours.reply(ours.next_event().transaction, 200, now=0.0)

    @pytest.mark.parametrize("uri", ["urn:a\u200bb", "sip:\udce9@h", "sip:\0"])
    def test_a_request_uri_with_it_is_refused(self, uri) -> None:
        assert answer(endpoint(), raw(uri=uri)).status == 400

    def test_a_broken_head_is_answered_with_its_octets(self) -> None:
        ours = endpoint()
        ours.receive(
            raw(to='"\udce9\0" <sip:b@h>', drop=["CSeq"]).replace(b"Max-", b"no header\r\nCSeq: 1 X\r\n"), UDP, now=0.0
        )
        (transmit,) = ours.to_send()
        assert b'To: "\xe9\0" <sip:b@h>;tag=' in transmit.data

    @pytest.mark.parametrize("broken", ["V", "To", "Call-ID ", "i\r\n x", ": x", "To: a\rb", "T\udce9: x"])
    def test_what_is_no_field_is_in_no_answer_to_a_broken_head(self, broken) -> None:
        """The answer itself is a message."""
        response = answer(endpoint(), raw().replace(b"Max-", f"{broken}\r\nMax-".encode(errors="surrogateescape")))
        assert response.status == 400
        assert len(response.headers) == 6

    @pytest.mark.parametrize("odd", ["\\\0", "\0", "\udce9"])
    def test_a_display_name_with_it_is_answered(self, odd) -> None:
        ours = endpoint()
        assert answer(ours, raw(to=f'"NUL:{odd}" <sip:b@h>')) is None
        ours.reply(ours.next_event().transaction, 200, now=0.0)
        (transmit,) = ours.to_send()
        assert f'To: "NUL:{odd}" <sip:b@h>;tag='.encode(errors="surrogateescape") in transmit.data

    def test_a_body_may_have_it(self) -> None:
        ours = endpoint()
        data = raw().replace(b"Content-Length: 0\r\n\r\n", b"Content-Length: 1\r\n\r\n\0")
        assert answer(ours, data) is None
        assert ours.next_event().request.body == b"\0"


@pytest.mark.parametrize("role", Role)
def test_every_torture_message_can_be_answered(role) -> None:
    for path in sorted((Path(__file__).parents[2] / "vectors" / "rfc4475").glob("*.dat")):
        for flow in (UDP, TCP, WSS):
            ours = endpoint(role=role)
            ours.receive(path.read_bytes(), flow, now=0.0)
            for event in events(ours):
                if isinstance(event, RequestReceived):
                    assert ours.reply(event.transaction, 404, now=0.0), path.name
