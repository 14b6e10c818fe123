"""What holds for every value: text and value are inverses, and what was written is read back."""

from __future__ import annotations

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from wic.sip.framing import StreamFramer
from wic.sip.grammar import split_list
from wic.sip.headers import AuthValue, CSeq, MediaType, NameAddr, Via
from wic.sip.message import Request, Response
from wic.sip.params import AuthParams, Params, UriHeaders, UriParams, quote, unquote
from wic.sip.parser import parse
from wic.sip.uri import Uri

# How long an example takes says something about the machine and nothing about the code.
unhurried = settings(deadline=None)

TOKEN = string.ascii_letters + string.digits + "-.!%*_+`'~"
USER = string.ascii_letters + string.digits + "-_.!~*'()&=+$,;?/"

tokens = st.text(TOKEN, min_size=1, max_size=12)
# Any text may stand in a quoted string but line breaks and NUL, which no one may send, and lone surrogates.
texts = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)
pairs = st.lists(st.tuples(tokens, st.none() | texts), max_size=5)
# RFC 3261 §7.3.1: no name twice, which is refused where something is decided by it.
params = st.lists(st.tuples(tokens, st.none() | texts), max_size=5, unique_by=lambda each: each[0].lower()).map(Params)
uri_pairs = st.lists(st.tuples(texts.filter(bool), st.none() | texts), max_size=4)
hosts = (
    st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,5}){0,2}\Z")
    | st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map(str)
)
ports = st.none() | st.integers(0, 65535)
sip_uris = st.builds(
    Uri,
    st.sampled_from(["sip", "sips"]),
    st.none() | st.text(USER, min_size=1, max_size=12),
    host=hosts,
    port=ports,
    params=uri_pairs.map(UriParams),
    headers=uri_pairs.map(UriHeaders),
)
tel_uris = st.builds(Uri, st.just("tel"), opaque=st.from_regex(r"\A\+[0-9]{1,12}\Z"), params=uri_pairs.map(UriParams))
urns = st.builds(Uri, st.just("urn"), opaque=st.from_regex(r"\Aservice:[a-z]{1,8}(\.[a-z]{1,8})?\Z"))
uris = sip_uris | tel_uris | urns
addresses = st.builds(NameAddr, texts, uris, params)
vias = st.builds(Via, st.just("SIP/2.0"), tokens, hosts, ports, params)
lines = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=30).map(
    lambda text: text.strip(" \t")
)


@given(texts)
@unhurried
def test_quoted_strings(text: str) -> None:
    assert unquote(quote(text)) == text


@given(st.lists(texts.map(quote) | uris.map(lambda uri: f"<{uri}>") | tokens, min_size=1))
@unhurried
def test_lists(items: list[str]) -> None:
    assert split_list(" ,\t".join(items)) == items


@given(pairs)
@unhurried
def test_params(items: list[tuple[str, str | None]]) -> None:
    made = Params(items)
    read = Params.parse(str(made))
    assert list(read.items()) == list(made.items()) == items
    assert read == made
    assert list(AuthParams.parse(str(AuthParams(items))).items()) == items


@given(uri_pairs)
@unhurried
def test_uri_params(items: list[tuple[str, str | None]]) -> None:
    assert list(UriParams.parse(str(UriParams(items))).items()) == items
    assert list(UriHeaders.parse(str(UriHeaders(items))).items()) == items


@given(params, tokens, texts)
@unhurried
def test_setting_a_parameter(before: Params, name: str, value: str) -> None:
    after = Params.parse(str(before.with_(name, value)))
    assert after.get(name.upper()) == value
    assert after.without(name) == before.without(name)


@given(uris)
@unhurried
def test_uris(uri: Uri) -> None:
    read = Uri.parse(str(uri))
    assert read == uri
    assert str(read) == str(uri)
    assert read.matches(uri)
    assert read.aor() == read.aor().aor()


@given(addresses)
@unhurried
def test_addresses(address: NameAddr) -> None:
    assert NameAddr.parse(str(address)) == address


@given(vias)
@unhurried
def test_vias(via: Via) -> None:
    assert Via.parse(str(via)) == via


@given(tokens, pairs.filter(bool))
@unhurried
def test_credentials(scheme: str, items: list[tuple[str, str | None]]) -> None:
    items = [(name, value or "x") for name, value in items]
    value = AuthValue(scheme, AuthParams(items, quoted=[name for name, _ in items]))
    assert AuthValue.parse(str(value)) == value
    assert AuthValue.parse_list(f"{value}, {value}") == [value, value]


@given(tokens, st.integers(0, 2**31 - 1), tokens, tokens, params)
@unhurried
def test_small_values(method: str, number: int, major: str, minor: str, parameters: Params) -> None:
    assert CSeq.parse(str(CSeq(number, method))) == CSeq(number, method)
    media_type = MediaType(major.lower(), minor.lower(), parameters)
    assert MediaType.parse(str(media_type)) == media_type


@given(tokens, uris, st.lists(st.tuples(tokens, lines), max_size=8), st.binary(max_size=40))
@unhurried
def test_requests(method: str, uri: Uri, headers: list[tuple[str, str]], body: bytes) -> None:
    request = Request.build(method, uri, headers, body)
    data = request.to_bytes()
    read = parse(data, datagram=False)
    assert isinstance(read, Request)
    assert (read.method, read.uri, read.body) == (method, uri, body)
    expected = [(name, value) for name, value in request.headers.items() if name != "Content-Length"]
    assert [(name, value) for name, value in read.headers.items() if name != "Content-Length"] == expected
    assert read.to_bytes() == data
    assert StreamFramer().feed(data + data) == [data, data]


@given(st.integers(100, 699), lines, vias, addresses, st.binary(max_size=40))
@unhurried
def test_responses(status: int, reason: str, via: Via, address: NameAddr, body: bytes) -> None:
    response = Response.build(status, reason, [("Via", via), ("To", address), ("From", address)], body)
    read = parse(response.to_bytes() + b"more octets of the datagram")
    assert isinstance(read, Response)
    assert (read.status, read.reason, read.via, read.to, read.from_, read.body) == (
        status,
        reason,
        via,
        address,
        address,
        body,
    )
