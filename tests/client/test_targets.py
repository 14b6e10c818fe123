from __future__ import annotations

import pytest

from wic.client.targets import parse_target
from wic.errors import ConfigurationError
from wic.sip.uri import Uri


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:bob@ims.example", "sip:bob@ims.example"),
        (" bob@ims.example ", "sip:bob@ims.example"),
        ("sips:bob@ims.example:5061", "sips:bob@ims.example:5061"),
        ("bob@ims.example:5070", "sip:bob@ims.example:5070"),
        ("030@ims.example", "sip:030@ims.example"),
        ("tel:+49301234", "tel:+49301234"),
        ("tel:+49-30.(1234)", "tel:+49-30.(1234)"),
        ("tel:1234;phone-context=+49", "tel:1234;phone-context=+49"),
        ("tel:1234", "tel:1234;phone-context=home.example"),
        ("tel:*A1;ext=3", "tel:*A1;ext=3;phone-context=home.example"),
        ("+49 30 / (12) 34-5.6", "tel:+4930123456"),
        ("+49\xa030\u202f12\u201334", "tel:+49301234"),
        ("300.30.12.34", "tel:300301234;phone-context=home.example"),
        ("030.12.34.56", "tel:030123456;phone-context=home.example"),
        ("sip:192.0.2.5", "sip:192.0.2.5"),
        ("bob@192.0.2.5", "sip:bob@192.0.2.5"),
        ("112", "tel:112;phone-context=home.example"),
        ("(030) 12-34", "tel:0301234;phone-context=home.example"),
        ("*43#", "sip:*43%23;phone-context=home.example@home.example;user=dialstring"),
        ("#21", "sip:%2321;phone-context=home.example@home.example;user=dialstring"),
        ("+49*1", "sip:+49*1;phone-context=home.example@home.example;user=dialstring"),
    ],
)
def test_targets(text, uri):
    target = parse_target(text, "home.example")
    assert str(target) == uri
    assert Uri.parse(uri) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "bob",
        "alice@",
        "@home.example",
        "home.example",
        "home.example:5060",
        "localhost:5060",
        "bob smith@x",
        "tel:+49 30",
        "-",
        "+",
        "()",
        "http://ims.example/",
        "sip:",
        "sip:b@x\r\nVia: x",
        "urn:service:sos",
        "tel:+",
    ],
)
def test_malformed_targets_are_refused(text):
    with pytest.raises(ConfigurationError, match=r"write sip:user@domain, tel:[+]number or a number"):
        parse_target(text, "home.example")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("192.0.2.5", "192.0.2.5"),
        (" 192.0.2.5:5060 ", "192.0.2.5:5060"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("::1", "[::1]"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("[2001:db8::1]:5060", "[2001:db8::1]:5060"),
    ],
)
def test_an_address_is_no_number(text, host):
    with pytest.raises(ConfigurationError) as refused:
        parse_target(text, "home.example")
    assert f"write sip:user@{host}, or sip:{host} for the host itself." in str(refused.value)
    assert str(parse_target(f"sip:{host}", "")) == f"sip:{host}"
    assert str(parse_target(f"sip:user@{host}", "")) == f"sip:user@{host}"


@pytest.mark.parametrize("text", ["+49 (0)30 123", "+49(0)30123"])
def test_a_digit_that_is_dialled_within_the_country_only(text):
    with pytest.raises(ConfigurationError, match=r"leave out \(0\)"):
        parse_target(text, "home.example")


@pytest.mark.parametrize("text", ["tel:abc", "tel:+abc", "tel:-", "tel:+49a", "tel:abc;phone-context=+49"])
def test_a_tel_uri_that_is_no_number_is_refused(text):
    with pytest.raises(ConfigurationError, match="is no telephone number; write one such as"):
        parse_target(text, "home.example")


@pytest.mark.parametrize("text", ["112", "tel:112", "*43#"])
def test_a_local_number_needs_a_domain(text):
    with pytest.raises(ConfigurationError, match="is a local number, and no domain is known"):
        parse_target(text, "")


@pytest.mark.parametrize("text", ["sip:bob@ims.example?Subject=x", "bob@ims.example?Replaces=1"])
def test_header_fields_of_a_target_are_refused(text):
    with pytest.raises(ConfigurationError, match="header fields, which a call does not take"):
        parse_target(text, "home.example")
