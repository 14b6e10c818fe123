"""Names in the documentation: the paths, modules and objects that the pages mention exist."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from .measure import ROOT, modules, parsed

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if not page.relative_to(ROOT).as_posix().startswith(("docs/_build/", "docs/changes/"))]

PATH = re.compile(r"(?<![\w./~-])(?:wic|cli|tests|docs|examples|typings|\.ci)/[\w./-]*\w")
DOTTED = re.compile(r"(?<![\w./@-])wic(?:_cli)?(?:\.[A-Za-z_]\w*)+")
ELSEWHERE = {
    "wic/0.1.0.dev0",  # the product in User-Agent
    "wic/accounts.toml",  # below the user's configuration directory
    "wic/tokens",  # below the user's state directory
    "wic/usim",
    "docs/_build/html/index.html",  # which `make docs` writes
}


def words_of(page: Path, pattern: re.Pattern[str]) -> list[str]:
    """Return what a page mentions, each once."""
    return sorted(set(pattern.findall(page.read_text(encoding="utf-8"))))


def names_in(tree: ast.Module) -> set[str]:
    """Return what a module defines or imports, with the methods and attributes of its classes."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(node.name)
            case ast.alias():
                found.add(node.asname or node.name)
            case ast.Name(ctx=ast.Store()):
                found.add(node.id)
            case ast.Attribute(ctx=ast.Store()):
                found.add(node.attr)
    return found


def exists(dotted: str) -> bool:
    """Tell whether there is such a module, or such a name in the module that the text begins with; imports nothing."""
    first, *rest = dotted.split(".")
    place = ROOT / "cli" if first == "wic_cli" else ROOT / first
    while rest and ((place / rest[0]).is_dir() or (place / f"{rest[0]}.py").is_file()):
        place /= rest.pop(0)
    module = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return not rest or (module.is_file() and rest[0] in names_in(parsed(module)))


@pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])
def test_paths_and_names_in_the_documentation_exist(page: Path) -> None:
    paths = [path for path in words_of(page, PATH) if path not in ELSEWHERE and not (ROOT / path).exists()]
    names = [name for name in words_of(page, DOTTED) if not exists(name)]
    assert (paths, names) == ([], [])


def modules_in_tables(page: Path) -> list[str]:
    """Return the modules that the first column of a table lists, where its heading says that it lists modules."""
    found: list[str] = []
    is_listing = False
    for line in page.read_text(encoding="utf-8").splitlines():
        first = line.split("|")[1].strip() if line.startswith("|") else ""
        is_listing = first in ("module", "file") or (is_listing and bool(first))
        found += re.findall(r"`([\w./]+)`", first) if is_listing else []
    return found


PLACES = {f"/{path.relative_to(ROOT).with_suffix('').as_posix()}" for _, path in modules(ROOT, "wic", "cli")}
PLACES |= {place.removesuffix("/__init__") for place in PLACES}


@pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])
def test_modules_in_tables_exist(page: Path) -> None:
    tails = {
        listed: "/" + listed.removesuffix(".py").strip("/").replace(".", "/") for listed in modules_in_tables(page)
    }
    assert [listed for listed, tail in tails.items() if not any(place.endswith(tail) for place in PLACES)] == []


@pytest.mark.parametrize(
    ("dotted", "expected"),
    [
        ("wic.sip.endpoint", True),
        ("wic.sip.endpoint.Endpoint", True),
        ("wic.Client", True),
        ("wic_cli.app.cli", True),
        ("wic.sip.Nothing", False),
        ("wic.nothing.at.all", False),
    ],
)
def test_a_name_is_found_where_it_is(dotted: str, expected: bool) -> None:
    assert exists(dotted) is expected
