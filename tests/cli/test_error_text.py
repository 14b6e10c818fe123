from wic.errors import RegistrationFailed
from wic_cli.error_text import clause, sentence


def test_a_sentence_is_one_line_and_never_empty() -> None:
    assert sentence(TimeoutError()) == "TimeoutError"
    assert sentence(RegistrationFailed("a\n  b")) == "a b"


def test_a_clause_has_no_full_stop() -> None:
    assert clause(RegistrationFailed("Nothing listens there.")) == "Nothing listens there"
