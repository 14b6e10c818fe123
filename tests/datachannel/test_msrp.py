from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.datachannel.msrp import (
    ByteRange,
    MsrpFramer,
    MsrpLimits,
    MsrpRefused,
    MsrpRequest,
    MsrpResponse,
    MsrpUri,
)
from wic.errors import LocalProtocolError

# RFC 4975 §4, figure 1: a SEND and its response. (The range counts 25 octets where 23 are printed.)
SEND = (
    b"MSRP a786hjs2 SEND\r\n"
    b"To-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp\r\n"
    b"From-Path: msrp://atlanta.example.com:7654/jshA7weztas;tcp\r\n"
    b"Message-ID: 87652491\r\n"
    b"Byte-Range: 1-25/25\r\n"
    b"Content-Type: text/plain\r\n"
    b"\r\n"
    b"Hey Bob, are you there?\r\n"
    b"-------a786hjs2$\r\n"
)
OK = (
    b"MSRP a786hjs2 200 OK\r\n"
    b"To-Path: msrp://atlanta.example.com:7654/jshA7weztas;tcp\r\n"
    b"From-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp\r\n"
    b"-------a786hjs2$\r\n"
)
BILOXI = MsrpUri("biloxi.example.com", 12763, "kjhd37s2s20w2a")
ATLANTA = MsrpUri("atlanta.example.com", 7654, "jshA7weztas")


def test_rfc_4975_request_is_read_and_printed_alike() -> None:
    (request,) = MsrpFramer().feed(SEND)
    assert isinstance(request, MsrpRequest)
    assert (request.method, request.flag, request.body) == ("SEND", "$", b"Hey Bob, are you there?")
    assert request.to_path == (BILOXI,)
    assert request.from_path == (ATLANTA,)
    assert request.get("message-id") == "87652491"
    assert request.get("Expires") is None
    assert request.to_bytes() == SEND


def test_rfc_4975_response_is_read_and_printed_alike() -> None:
    (response,) = MsrpFramer().feed(OK)
    assert isinstance(response, MsrpResponse)
    assert (response.transaction, response.status, response.comment) == ("a786hjs2", 200, "OK")
    assert response.to_bytes() == OK


def test_request_without_content_has_no_empty_line() -> None:
    request = MsrpRequest(transaction="abcd1234", method="SEND", to_path=(BILOXI,), from_path=(ATLANTA,), flag="+")
    assert b"\r\n\r\n" not in request.to_bytes()
    assert MsrpFramer().feed(request.to_bytes()) == [request]


@given(st.binary(max_size=60), st.integers(1, 40))
def test_any_body_survives_any_cut_of_the_stream(body: bytes, step: int) -> None:
    request = MsrpRequest(
        transaction="zz9z0000",
        method="SEND",
        to_path=(BILOXI,),
        from_path=(ATLANTA,),
        headers=(("Content-Type", "application/octet-stream"),),
        body=body,
    )
    stream = request.to_bytes() + OK + request.to_bytes()
    framer = MsrpFramer()
    messages = [message for i in range(0, len(stream), step) for message in framer.feed(stream[i : i + step])]
    assert messages[0] == messages[2] == request
    assert isinstance(messages[1], MsrpResponse)


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_refused(data: bytes) -> None:
    for stream in (data, b"MSRP abcd SEND\r\n" + data + b"\r\n-------abcd$\r\n"):
        assert is_refused(stream, len(stream)) == is_refused(stream, 1)


def is_refused(stream: bytes, step: int) -> bool:
    """Feed a stream piece by piece; tell whether it was refused."""
    framer = MsrpFramer()
    try:
        for start in range(0, len(stream), step or 1):
            framer.feed(stream[start : start + step])
    except MsrpRefused:
        return True
    return False


def test_end_line_with_an_unknown_flag_belongs_to_the_body() -> None:
    stream = SEND.replace(b"Hey Bob, are you there?", b"x\r\n-------a786hjs2?\r\ny")
    (request,) = MsrpFramer().feed(stream)
    assert isinstance(request, MsrpRequest)
    assert request.body == b"x\r\n-------a786hjs2?\r\ny"


def test_end_line_in_our_own_body_is_refused() -> None:
    request = MsrpRequest(
        transaction="abcd1234", method="SEND", to_path=(BILOXI,), from_path=(ATLANTA,), body=b"-------abcd1234$"
    )
    with pytest.raises(LocalProtocolError, match="end-line"):
        request.to_bytes()


def test_line_break_in_our_own_header_is_refused() -> None:
    request = MsrpRequest(
        transaction="abcd1234", method="SEND", to_path=(BILOXI,), from_path=(ATLANTA,), headers=(("A", "b\r\nc"),)
    )
    with pytest.raises(LocalProtocolError, match="line break"):
        request.to_bytes()


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\n",
        b"MSRP a SEND\r\n",
        b"SIP",
        b"MSRP " + b"a" * 2000,
        SEND.replace(b"To-Path: ", b"X-Path: "),
        SEND.replace(b"To-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp", b"To-Path: "),
        SEND.replace(b":12763", b":99999"),
        SEND.replace(b"msrp://biloxi", b"http://biloxi"),
        SEND.replace(b"Message-ID: 87652491", b"no header"),
        SEND.replace(b"Byte-Range", b"A: b\r\n" * 70 + b"Byte-Range"),
    ],
)
def test_bad_streams_are_refused(stream: bytes) -> None:
    with pytest.raises(MsrpRefused):
        MsrpFramer().feed(stream)


def test_start_line_may_come_octet_by_octet() -> None:
    framer = MsrpFramer()
    assert [message for i in range(len(OK)) for message in framer.feed(OK[i : i + 1])] != []


def test_chunk_longer_than_the_limit_is_refused() -> None:
    framer = MsrpFramer(MsrpLimits(chunk_size=1000))
    framer.feed(SEND[:-10])
    with pytest.raises(MsrpRefused, match="more than 1000"):
        framer.feed(b"x" * 1000)


@pytest.mark.parametrize(
    ("text", "uri", "printed"),
    [
        ("msrp://Host.Example/S1;TCP", MsrpUri("host.example", 2855, "S1"), "msrp://host.example:2855/S1;tcp"),
        ("msrps://[2001:db8::1]:9/s;tcp;x=y", MsrpUri("2001:db8::1", 9, "s", "msrps"), "msrps://[2001:db8::1]:9/s;tcp"),
        ("msrp://u@10.0.0.1:1;tcp", MsrpUri("10.0.0.1", 1, ""), "msrp://10.0.0.1:1/;tcp"),
    ],
)
def test_uris(text: str, uri: MsrpUri, printed: str) -> None:
    assert MsrpUri.parse(text) == uri
    assert str(uri) == printed


def test_byte_ranges() -> None:
    assert str(ByteRange.parse("1-*/*")) == "1-*/*"
    assert ByteRange.parse("3-9/12") == ByteRange(3, 9, 12)
    for bad in ("0-1/1", "1", "a-b/c"):
        with pytest.raises(MsrpRefused):
            ByteRange.parse(bad)
