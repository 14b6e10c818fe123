import pytest

from wic.errors import RegistrationFailed
from wic_cli.error_text import clause, sentence


def test_a_sentence_is_one_line_and_never_empty() -> None:
    assert sentence(TimeoutError()) == "No answer came in time."
    assert sentence(KeyError()) == "KeyError."
    assert sentence(RegistrationFailed("a\n  b")) == "A b."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the network asks for a password", "The network asks for a password."),
        ("Nothing listens there.", "Nothing listens there."),
        ("ims.example refused the call", "ims.example refused the call."),
        ("127.0.0.1 is away", "127.0.0.1 is away."),
        ("no such option (did you mean --for?)", "No such option (did you mean --for?)"),
    ],
)
def test_a_sentence_has_a_capital_and_a_full_stop(text: str, expected: str) -> None:
    assert sentence(RegistrationFailed(text)) == expected


def test_a_clause_has_no_full_stop() -> None:
    assert clause(RegistrationFailed("Nothing listens there.")) == "Nothing listens there"
