from __future__ import annotations

import pytest

from wic.sip.errors import MalformedHeader
from wic.sip.params import AuthParams, Params, UriHeaders, UriParams, quote, unquote


def test_names_are_found_in_any_case_and_values_come_unquoted() -> None:
    params = Params.parse(';Tag=1; text = "a \\"b\\"" ;flag;empty=')
    assert params.get("tag") == "1"
    assert params.get("TEXT") == 'a "b"'
    assert params.get("flag") == ""
    assert params.get("empty") == ""
    assert params.get("absent") is None
    assert params.get("absent", "default") == "default"
    assert "FLAG" in params
    assert "absent" not in params
    assert 1 not in params
    assert list(params) == ["Tag", "text", "flag", "empty"]
    assert list(params.items()) == [("Tag", "1"), ("text", 'a "b"'), ("flag", None), ("empty", "")]
    assert len(params) == 4


def test_the_first_of_two_counts() -> None:
    assert Params.parse(";a=1;A=2").get("a") == "1"


def test_written_values_are_read_as_if_they_had_come() -> None:
    params = AuthParams.of_written({"realm": '"the \\"home\\""', "qop": "auth"})
    assert params.text == 'realm="the \\"home\\"", qop=auth'
    assert (params.get("Realm"), params.get("qop"), params.get("nonce")) == ('the "home"', "auth", None)
    assert params == AuthParams.parse(params.text)


def test_text_goes_out_as_it_came() -> None:
    assert str(Params.parse(' ; a="x"; B')) == ' ; a="x"; B'
    assert str(Params.parse("")) == ""
    assert len(Params.parse("")) == 0


def test_changing_keeps_the_others_as_they_came() -> None:
    params = Params.parse(';a="x";b;a=2')
    assert str(params.with_("A", "y z")) == ';A="y z";b'
    assert str(params.with_("c")) == ';a="x";b;a=2;c'
    assert str(params.without("A", "c")) == ";b"
    assert str(params.without("a", "b")) == ""
    assert str(Params().with_("a", "1", quoted=True)) == ';a="1"'


@pytest.mark.parametrize("value", ["192.0.2.1", "2001:db8::1", "[2001:db8::1]", "token.!%"])
def test_hosts_and_tokens_need_no_quotes(value: str) -> None:
    assert str(Params([("received", value)])) == f";received={value}"


def test_quotes_can_be_asked_for() -> None:
    assert str(Params([("A", "1"), ("b", "2"), ("c", None)], quoted=["a"])) == ';A="1";b=2;c'


def test_order_case_of_names_and_quotes_make_no_difference() -> None:
    one, other = Params.parse(';a="1";b'), Params.parse(";B;A=1")
    assert one == other
    assert hash(one) == hash(other)
    assert one != Params.parse(";a=2;b")
    assert one != ";a=1;b"


def test_repr_can_be_read_back() -> None:
    params = Params.parse(";a=1")
    assert eval(repr(params)) == params


@pytest.mark.parametrize("text", ["a=1", ";", ";;a", ";a;", ";a=1 2", ';a="x', ";a=<x>", ";ä=1"])
def test_malformed_parameters(text: str) -> None:
    with pytest.raises(MalformedHeader):
        Params.parse(text)


def test_parameters_of_credentials() -> None:
    params = AuthParams.parse('username="Bob, the \\"builder\\"", qop=auth , nc = 00000001')
    assert params.get("username") == 'Bob, the "builder"'
    assert params.get("nc") == "00000001"
    assert str(AuthParams([("a", "1"), ("b", "x y")])) == 'a=1, b="x y"'
    assert str(AuthParams()) == ""


def test_parameters_of_uris_are_percent_encoded() -> None:
    params = UriParams.parse(";%6C%72;n%61me=v%61lue")
    assert params.get("LR") == ""
    assert params.get("name") == "value"
    assert params.get("other") is None
    assert str(params.with_("name", "a b;c")) == ";%6C%72;name=a%20b%3Bc"
    assert str(params.without("lr")) == ";n%61me=v%61lue"
    assert str(UriParams([("a b", "c d")])) == ";a%20b=c%20d"


def test_headers_of_uris() -> None:
    headers = UriHeaders.parse("?Replaces=a%40b%3Bto-tag%3D1&Subject=")
    assert headers.get("replaces") == "a@b;to-tag=1"
    assert list(headers.items()) == [("Replaces", "a@b;to-tag=1"), ("Subject", "")]
    assert list(UriHeaders.parse("??a=1&=2").items()) == [("?a", "1"), ("", "2")]
    assert str(UriHeaders([("Route", "<sip:x;lr>"), ("a", None)])) == "?Route=%3Csip:x%3Blr%3E&a"


@pytest.mark.parametrize("text", ["?", "Subject=1", "?a=1&", "?a=<x>"])
def test_malformed_headers_of_uris(text: str) -> None:
    with pytest.raises(MalformedHeader):
        UriHeaders.parse(text)


@pytest.mark.parametrize("text", ["", "plain", 'the "boss"', "back\\slash", "comma, semicolon;", "naïve"])
def test_quote_and_unquote_are_inverses(text: str) -> None:
    assert unquote(quote(text)) == text


def test_text_without_quotes_stays() -> None:
    assert unquote(r"a\b") == r"a\b"


def test_a_name_within_another_parameter_is_not_found() -> None:
    assert Params.parse(";tagged=1;x=tag").get("tag") is None
