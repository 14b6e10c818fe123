from __future__ import annotations

from wic.sip.headers.names import COMPACT, KEYS, display_name, key_of


def test_every_spelling_has_one_key() -> None:
    assert {key_of(name) for name in ("Call-ID", "call-id", "CALL-ID", "cAlL-iD", "i", "I")} == {"call-id"}


def test_compact_forms_are_known_in_full() -> None:
    assert all(KEYS[compact] == full and KEYS[full] == full for compact, full in COMPACT.items())


def test_spellings_that_go_out() -> None:
    assert display_name("cseq", "CSEQ") == "CSeq"
    assert display_name("x-thing", "x-Thing") == "x-Thing"


def test_unknown_names() -> None:
    assert key_of("X-Thing") == "x-thing"
    assert key_of("") is None
    assert key_of("X Thing") is None
