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
    ["", " ", "bob", "-", "+", "()", "http://ims.example/", "sip:", "sip:b@x\r\nVia: x", "urn:service:sos", "tel:+"],
)
def test_malformed_targets_are_refused(text):
    with pytest.raises(ConfigurationError, match=r"write sip:user@domain, tel:[+]number or a number"):
        parse_target(text, "home.example")


@pytest.mark.parametrize("text", ["tel:abc", "tel:+abc", "tel:-", "tel:+49a", "tel:abc;phone-context=+49"])
def test_a_tel_uri_that_is_no_number_is_refused(text):
    with pytest.raises(ConfigurationError, match="is no telephone number; write one such as"):
        parse_target(text, "home.example")


@pytest.mark.parametrize("text", ["112", "tel:112", "*43#"])
def test_a_local_number_needs_a_domain(text):
    with pytest.raises(ConfigurationError, match="is a local number, and no domain is known"):
        parse_target(text, "")
