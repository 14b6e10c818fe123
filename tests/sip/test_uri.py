from __future__ import annotations

import pytest

from wic.sip.errors import MalformedUri
from wic.sip.params import UriParams
from wic.sip.uri import Uri


@pytest.mark.parametrize(
    "text",
    [
        "sip:example.com",
        "sip:alice@example.com",
        "sips:alice:secret@example.com:5061;transport=tls;lr",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice@[2001:db8::10]:5070;transport=ws",
        "sip:*31#5551212@example.com",
        "sip:a%20b@example.com;x=%41?Subject=hello%20you&Replaces=a%40b%3Bto-tag%3D1",
        "sip:user@under_score.example.",
        "sip:conf@example.com?Replaces=a;to-tag=1,2",
        "tel:+1-201-555-0123",
        "tel:7042;phone-context=example.com",
        "tel:*100#;phone-context=+49",
        "urn:service:sos.police",
        "http://www.example.com/x?y#z",
        "isbn:2983792873",
        "soap.beep://192.0.2.103:3002",
    ],
)
def test_text_goes_out_as_it_came(text: str) -> None:
    assert str(Uri.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        ":x",
        "1sip:x",
        "sip:",
        "sip:@example.com",
        "sip:alice@",
        "sip:alice@example.com:",
        "sip:alice@example.com:70000",
        "sip:alice@example.com:123456",
        "sip:alice@example.com;",
        "sip:alice@example.com;;lr",
        "sip:alice@example.com?",
        "sip:alice@example.com?a&",
        "sip:al ice@example.com",
        "sip:alice@exa mple.com",
        "sip:alice@example.com\r\nEvil: 1",
        "sip:alice@exämple.com",
        "sip:älice@example.com",
        "sip:%zz@example.com",
        "sip:alice@example.com;x=%4",
        "sip:2001:db8::10",
        "sip:[2001:db8::10",
        "sip:[::1::2]",
        "sip:[1::::2]",
        "sip:[1.2.3.4]",
        "\u017fip:alice@example.com",
        "<sip:alice@example.com>",
        "tel:",
        "tel:alice",
        "tel:+1;",
        "urn:",
        "http://a b",
    ],
)
def test_malformed_uris(text: str) -> None:
    with pytest.raises(MalformedUri):
        Uri.parse(text)


def test_all_parts() -> None:
    uri = Uri.parse("SIPS:a%6Cice:pw@Example.COM:5061;Transport=WS;lr?Subject=x&Priority=urgent")
    assert (uri.scheme, uri.user, uri.username, uri.password) == ("sips", "a%6Cice", "alice", "pw")
    assert (uri.host, uri.port) == ("Example.COM", 5061)
    assert (uri.params.get("transport"), uri.params.get("lr")) == ("WS", "")
    assert uri.headers.get("priority") == "urgent"
    assert (uri.is_sip, uri.secure) == (True, True)


def test_other_schemes() -> None:
    tel = Uri.parse("TEL:+1-201;ext=5")
    assert (tel.scheme, tel.opaque, tel.params.get("ext")) == ("tel", "+1-201", "5")
    assert (tel.is_sip, tel.secure, tel.username) == (False, False, "")
    assert Uri.parse("URN:service:sos").opaque == "service:sos"


def test_replace_and_build() -> None:
    uri = Uri("sip", "bob", host="2001:db8::1", params=UriParams([("transport", "ws")]))
    assert str(uri) == "sip:bob@[2001:db8::1];transport=ws"
    assert str(uri.replace(user=None, port=5060)) == "sip:[2001:db8::1]:5060;transport=ws"


@pytest.mark.parametrize(
    ("text", "aor"),
    [
        ("sip:alice:pw@Example.COM:5060;transport=ws?a=b", "sip:alice@example.com"),
        ("sip:%61lice%40x@example.com", "sip:alice%40x@example.com"),
        ("SIPS:example.com", "sip:example.com"),
        ("sips:alice@Example.com.:5061", "sip:alice@example.com"),
        ("tel:+1-(201).555;ext=1", "tel:+1201555"),
        ("tel:70-42;Phone-Context=Example.com;isub=1", "tel:7042;phone-context=example.com"),
        ("urn:service:sos", "urn:service:sos"),
    ],
)
def test_address_of_record(text: str, aor: str) -> None:
    assert str(Uri.parse(text).aor()) == aor


@pytest.mark.parametrize(
    ("text", "is_global"),
    [
        ("tel:+49-(30).123;ext=1", True),
        ("tel:70-42;phone-context=example.com", False),
        ("tel:+49ABC", False),
        ("tel:+-", False),
        ("sip:+4930123@example.com", False),
    ],
)
def test_global_number(text: str, is_global: bool) -> None:
    """RFC 3966 §5.1.4."""
    assert Uri.parse(text).is_global_number is is_global


EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("tel:+1-201-555", "tel:+1(201)555"),
    ("urn:service:sos", "URN:service:sos"),
]
DIFFERENT = [
    ("SIP:ALICE@AtlanTa.CoM;Transport=udp", "sip:alice@AtlanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:carol@chicago.com", "sips:carol@chicago.com"),
    ("sip:carol:x@chicago.com", "sip:carol@chicago.com"),
    ("sip:chicago.com", "sip:@chicago.com".replace("@", "a@")),
    ("tel:+1201555", "tel:+1201555;ext=1"),
    ("tel:+1201555", "tel:+1201556"),
    ("urn:service:sos", "urn:service:sos.fire"),
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_equivalent_by_rfc_3261_19_1_4(one: str, other: str) -> None:
    assert Uri.parse(one).matches(Uri.parse(other))
    assert Uri.parse(other).matches(Uri.parse(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_by_rfc_3261_19_1_4(one: str, other: str) -> None:
    assert not Uri.parse(one).matches(Uri.parse(other))
    assert not Uri.parse(other).matches(Uri.parse(one))
