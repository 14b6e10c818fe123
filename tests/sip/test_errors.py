from __future__ import annotations

import pytest

from wic.errors import RemoteProtocolError
from wic.sip.errors import MalformedBody, MalformedHeader, MalformedUri


@pytest.mark.parametrize("kind", [MalformedHeader, MalformedUri, MalformedBody])
def test_malformed_input_is_a_fault_of_the_peer_and_answered_400(kind: type[RemoteProtocolError]) -> None:
    error = kind("why")
    assert isinstance(error, RemoteProtocolError)
    assert error.status_hint == 400


def test_reading_a_header_needs_one_except_clause() -> None:
    assert issubclass(MalformedUri, MalformedHeader)
