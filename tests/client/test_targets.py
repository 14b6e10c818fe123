from __future__ import annotations

import pytest

from wic.client.targets import parse_target
from wic.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:bob@ims.example", "sip:bob@ims.example"),
        (" bob@ims.example ", "sip:bob@ims.example"),
        ("tel:+49301234", "tel:+49301234"),
        ("sips:bob@ims.example:5061", "sips:bob@ims.example:5061"),
        ("bob@ims.example:5070", "sip:bob@ims.example:5070"),
    ],
)
def test_targets(text, uri):
    assert str(parse_target(text)) == uri


@pytest.mark.parametrize("text", ["", "bob", "http://ims.example/", "sip:", "sip:bob@ims.example\r\nVia: x"])
def test_malformed_targets_are_refused(text):
    with pytest.raises(ConfigurationError):
        parse_target(text)
