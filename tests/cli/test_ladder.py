import pytest

from wic_cli.ladder import ASCII, UNICODE, Arrow, draw

ARROWS = [
    Arrow(at=10.000, source="alice", target="eP-CSCF", label="INVITE"),
    Arrow(at=10.004, source="eP-CSCF", target="bob", label="INVITE"),
    Arrow(at=10.020, source="bob", target="eP-CSCF", label="200 OK"),
]
PEOPLE = ["alice", "eP-CSCF", "bob"]


def test_an_arrow_points_from_source_to_target() -> None:
    lines = draw(PEOPLE, ARROWS, strokes=ASCII, width=80)
    assert lines[0].split() == ["ms", *PEOPLE]
    assert [line.split()[0] for line in lines[1:]] == ["0", "4", "20"]
    assert "INVITE" in lines[1]
    assert lines[1].index(">|") < lines[2].index(">|")
    assert "<" in lines[3]
    assert ">" not in lines[3]


def test_arrows_are_in_order_of_time_and_between_participants() -> None:
    stranger = Arrow(at=1.0, source="mallory", target="bob", label="BYE")
    assert draw(PEOPLE, [*reversed(ARROWS), stranger], strokes=ASCII) == draw(PEOPLE, ARROWS, strokes=ASCII)


def test_a_long_label_is_cut_to_its_gap() -> None:
    arrow = Arrow(at=0.0, source="alice", target="eP-CSCF", label="x" * 500)
    lines = draw(PEOPLE, [arrow], strokes=UNICODE, width=80)
    assert "xxxx… " in lines[1]
    assert lines[1].count("│") == 3


@pytest.mark.parametrize("width", [60, 80, 110, 140])
@pytest.mark.parametrize("people", [["a", "b"], PEOPLE, ["a-name-of-twenty-four-ch", "eP-CSCF", "b" * 60]])
def test_nothing_is_wider_than_the_page(people: list[str], width: int) -> None:
    arrows = [Arrow(at=n, source=people[0], target=people[-1], label="l" * n * 9) for n in range(12)]
    assert max(map(len, draw(people, arrows, width=width))) <= width


def test_without_arrows_there_is_only_the_head() -> None:
    assert len(draw(PEOPLE, [], strokes=ASCII)) == 1
