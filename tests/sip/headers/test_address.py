from __future__ import annotations

import pytest

from wic.sip.errors import MalformedHeader, MalformedUri
from wic.sip.headers import NameAddr
from wic.sip.params import Params
from wic.sip.uri import Uri


@pytest.mark.parametrize(
    ("text", "display", "uri", "params"),
    [
        ("<sip:a@x>", "", "sip:a@x", ""),
        ("<sip:a@x;lr>;tag=1", "", "sip:a@x;lr", ";tag=1"),
        ("sip:a@x;tag=1", "", "sip:a@x", ";tag=1"),
        ("sip:a@x ; tag = 1 ", "", "sip:a@x", " ; tag = 1"),
        ("caller<sip:a@x>", "caller", "sip:a@x", ""),
        ("Bell  A. <sip:a@x>", "Bell  A.", "sip:a@x", ""),
        ('"Bell, \\"A\\" <" <sip:a@x>;q=0.5', 'Bell, "A" <', "sip:a@x", ";q=0.5"),
        ('"" <sip:a@x>', "", "sip:a@x", ""),
        ('"Zoë Ωmega" <sip:a@x>', "Zoë Ωmega", "sip:a@x", ""),
        ("Zoë Ωmega <sip:a@x>", "Zoë Ωmega", "sip:a@x", ""),
        ("<sip:a@x?Replaces=b%40c>", "", "sip:a@x?Replaces=b%40c", ""),
        ("<urn:service:sos>", "", "urn:service:sos", ""),
        ("tel:+1;tag=2", "", "tel:+1", ";tag=2"),
    ],
)
def test_parts(text: str, display: str, uri: str, params: str) -> None:
    address = NameAddr.parse(text)
    assert (address.display, str(address.uri), str(address.params)) == (display, uri, params)
    assert NameAddr.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        "<sip:a@x",
        "sip:a@x>",
        "sip:a@x?Route=b",
        "sip:a,b@x",
        "Bell, A. <sip:a@x>",
        '"Bell <sip:a@x>',
        '"Bell" Alexander <sip:a@x>',
        "<sip:a@x>;",
        "<sip:a@x>;;q=1",
        "<sip:a@x> tag=1",
        "*",
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedHeader):
        NameAddr.parse(text)


def test_a_broken_uri_is_named() -> None:
    with pytest.raises(MalformedUri):
        NameAddr.parse("< sip:a@x >")


@pytest.mark.parametrize(
    ("params", "expires"),
    [
        ("", None),
        (";expires=0", 0),
        (";Expires=600000", 600000),
        (";expires=9999999999999", 2**32 - 1),
        (";expires=x", 3600),
    ],
)
def test_expires(params: str, expires: int | None) -> None:
    assert NameAddr.parse(f"<sip:a@x>{params}").expires == expires


@pytest.mark.parametrize(
    ("params", "q"), [("", 1.0), (";q=0.7", 0.7), (";q=1.000", 1.0), (";q=0", 0.0), (";q=7", 1.0), (";q", 1.0)]
)
def test_preference(params: str, q: float) -> None:
    assert NameAddr.parse(f"<sip:a@x>{params}").q == q


def test_changes_make_copies() -> None:
    address = NameAddr("Bob", Uri.parse("sip:b@x"))
    assert address.tag is None
    assert str(address.with_tag("7")) == '"Bob" <sip:b@x>;tag=7'
    assert address.with_tag("7").tag == "7"
    assert str(address.with_uri(Uri.parse("sip:c@y")).with_params(Params([("q", "1")]))) == '"Bob" <sip:c@y>;q=1'
