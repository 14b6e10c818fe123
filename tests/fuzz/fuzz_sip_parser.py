"""Fuzz target for the SIP parser: each input is parsed, or refused with the documented error.

`tests/sip/test_fuzz.py` runs `check` with hypothesis in every test run. With atheris installed,
`python tests/fuzz/fuzz_sip_parser.py [corpus …]` lets coverage guide it; the RFC 4475 files are a good corpus.
"""

from __future__ import annotations

import contextlib
import sys

from wic.errors import LocalProtocolError
from wic.sip.errors import MalformedBody, MalformedHeader
from wic.sip.flow import Flow
from wic.sip.framing import FrameRefused, StreamFramer
from wic.sip.message import Message, Request, Response
from wic.sip.multipart import leaves
from wic.sip.parser import MessageRefused, parse
from wic.sip.trace import Direction, format_message
from wic.sip.validate import check_request, check_response

FLOW = Flow("UDP", ("192.0.2.1", 5060), ("192.0.2.2", 5060))
PROPERTIES = (
    "via",
    "vias",
    "from_",
    "to",
    "call_id",
    "cseq",
    "contacts",
    "contact_is_wildcard",
    "routes",
    "record_routes",
    "paths",
    "service_routes",
    "associated_uris",
    "max_forwards",
    "expires",
    "min_expires",
    "content_type",
    "content_length",
    "require",
    "proxy_require",
    "supported",
    "unsupported",
    "allow",
    "event",
)


def check(data: bytes) -> None:
    """Process `data` in every way that a received message is processed."""
    format_message(data, direction=Direction.RECEIVED, flow=FLOW, at=0.0)
    _frame(data)
    try:
        message = parse(data)
    except MessageRefused as refused:
        if refused.partial is not None:
            parse(Response.answer(refused.partial, refused.status_hint or 400).to_bytes())
        return
    _read(message)
    again = parse(message.to_bytes())
    assert list(again.headers.items())[: len(message.headers)] == list(message.headers.items())
    assert again.body == message.body
    if isinstance(message, Request):
        _answer(message)
    else:
        check_response(message)


def _frame(data: bytes) -> None:
    framer = StreamFramer()
    with contextlib.suppress(FrameRefused):
        for place in range(0, len(data), 7):
            framer.feed(data[place : place + 7])


def _read(message: Message) -> None:
    for name in PROPERTIES:
        try:
            value = getattr(message, name)
        except MalformedHeader:
            continue
        str(value), repr(value), hash(value)
    for name in ("WWW-Authenticate", "Authorization"):
        with contextlib.suppress(MalformedHeader):
            message.auth(name)
    with contextlib.suppress(MalformedBody, MalformedHeader):
        if message.content_type is not None:
            leaves(message.content_type, message.body)


def _answer(request: Request) -> None:
    with contextlib.suppress(MalformedHeader):
        uri = request.uri
        assert uri.matches(uri), uri
        str(uri.aor())
    refusal = check_request(request, methods=("INVITE", "REGISTER"), extensions=())
    status, reason = (refusal.status, refusal.reason) if refusal else (200, "OK")
    parse(Response.answer(request, status, reason).to_bytes())
    if refusal is None:
        # A NUL within a quoted string is not copied into a header that we write.
        with contextlib.suppress(LocalProtocolError, MalformedHeader):  # of most methods Contact is not read
            request.headers.set("To", request.to.with_tag("1"))
            request.headers.set("Contact", ", ".join(map(str, request.contacts)))
            parse(request.to_bytes())


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
