from __future__ import annotations

import pytest

from wic.errors import ConfigurationError
from wic.registration import parse_impu


@pytest.mark.parametrize("text", ["sip:alice@ims.example", "sips:alice@ims.example", "tel:+358401234567"])
def test_public_identities(text: str) -> None:
    assert str(parse_impu(text)) == text


@pytest.mark.parametrize("text", ["alice", "", "http://ims.example/", "sip:", "sip:a b@c"])
def test_an_invalid_public_identity_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match="write it like"):
        parse_impu(text)
