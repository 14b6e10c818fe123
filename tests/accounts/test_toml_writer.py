from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.accounts.toml_writer import TomlText

LINES = (
    "# a comment [a.x]\n",
    "\n",
    "  \t\n",
    "text = '[a.x]'\n",
    "lines = '''\n[a.x]\ny = 1\n'''\n",
    'more = """\n# [a.x]\\\n  """ # [a.x]\n',
    "array = [\n  '[a.x]', # [a.x]\n  [1, 2],\n]\n",
    "inline = {x = {y = 1}}\n",
    "dot.ted = 1\n",
    "'quo ted'.x = 2\n",
    "y = 0 # it\n",
)
HEADS = ("[a.b]\n", "[ a . 'b' ] # spaced\n", "[b.x]\n", "[a.x.sub]\n", "[a.xy]\n", "[[c]]\n")


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A document of many forms, in which `[a.x]` may be a table too."""
    heads = draw(st.lists(st.sampled_from(HEADS), unique=True))
    if "[a.b]\n" in heads and HEADS[1] in heads:
        heads.remove(HEADS[1])
    if draw(st.booleans()):
        heads.insert(draw(st.integers(0, len(heads))), "[a.x]\n")
    lines = st.lists(st.sampled_from(LINES), unique=True)
    text = "".join(["".join(draw(lines)), *(head + "".join(draw(lines)) for head in heads)])
    return text if draw(st.booleans()) else text.removesuffix("\n")


@given(documents())
def test_everything_else_stays(text: str) -> None:
    wanted, document = tomllib.loads(text), TomlText(text)
    try:
        document.put(("a", "x"), "new", "value")
    except KeyError:
        pass  # [a.x] has no head
    else:
        wanted["a"]["x"]["new"] = "value"
        document.remove(("a", "x"), "text")
        wanted["a"]["x"].pop("text", None)
    document.add(("z", "z"), {"k": ["v"]})
    wanted["z"] = {"z": {"k": ["v"]}}
    assert tomllib.loads(str(document)) == wanted
    assert str(document).count("#") == text.count("#")


@given(documents())
def test_everything_beside_a_dropped_table_stays(text: str) -> None:
    wanted, document = tomllib.loads(text), TomlText(text)
    document.drop(("a", "b"))
    wanted.get("a", {}).pop("b", None)
    found = tomllib.loads(str(document))
    assert {**found, "a": found.get("a") or {}} == {**wanted, "a": wanted.get("a") or {}}


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("[a.x]", "[a.x]\ny = 1\n"),
        ("[a.x]\ny = 0", "[a.x]\ny = 1\n"),
        ("[a.x]\ny = 0 # old\n", "[a.x]\ny = 1 # old\n"),
        ("[a.x]\ny = '#' # old\n", "[a.x]\ny = 1 # old\n"),
        ("[a.x]\ny = [ # one\n  1, # two\n] # three\n", "[a.x]\ny = 1 # three\n"),
        ("[a.x]\nz = 1\n# end\n\n[b]\n", "[a.x]\nz = 1\ny = 1\n# end\n\n[b]\n"),
    ],
)
def test_an_entry_is_written_in_its_table(text: str, changed: str) -> None:
    document = TomlText(text)
    document.put(("a", "x"), "y", 1)
    assert str(document) == changed


def test_a_dropped_table_takes_its_inner_tables_along() -> None:
    text = "# a\n[a.x]\ny = 1\n# within\nz = 2\n\n# b\n[a.x.more]\nk = 1\n\n[b]\n[[a.x.list]]\n"
    document = TomlText(text)
    document.drop(("a", "x"))
    assert str(document) == "# a\n# b\n[b]\n"


def test_a_table_without_a_head_cannot_be_changed() -> None:
    with pytest.raises(KeyError):
        TomlText("a = {x = {}}\n").put(("a", "x"), "y", 1)
    with pytest.raises(KeyError):
        TomlText("").remove(("a", "x"), "y")


def test_the_first_table_begins_the_document() -> None:
    document = TomlText("")
    document.add(("a", "b c"), {"k": True})
    assert str(document) == '[a."b c"]\nk = true\n'
