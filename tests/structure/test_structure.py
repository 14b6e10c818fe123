"""Rules of the house that no linter knows: names, circles, tables, texts, sizes, and tests that mirror the code."""

from __future__ import annotations

import ast
import functools
import re
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from . import measure
from .measure import ROOT, modules, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST_FILE = 600

CROSS_CUTTING = {
    # Suites of tests/<package> that are about more than one module: each with the reason.
    "auth/test_aka_exchange.py": "client and server of AKA against each other",
    "auth/test_second_opinion.py": "compares the package with other implementations",
    "call/test_properties.py": "any order of inputs into the whole package",
    "client/web/test_with_network.py": "registrations in the embedded network, by each source of tokens",
    "client/web/test_with_servers.py": "the package against WAF and WWSF",
    "cli/test_documentation.py": "the pages in docs that show commands",
    "cli/test_mistakes.py": "the user's mistakes, over all commands",
    "cli/test_two_terminals.py": "the commands `call` and `answer` with each other",
    "network/test_end_to_end.py": "two clients through every entity",
    "sdp/test_fuzz.py": "any bytes into the whole package",
    "sip/test_used_fields.py": "any fault in a field of no use, through user agents and proxies",
    "sip/test_differential.py": "compares the package with other implementations",
    "sip/test_fuzz.py": "any bytes into the whole package",
    "sip/test_properties.py": "any message into the whole package",
    "sip/test_rfc4475.py": "torture messages of the RFC into the whole package",
    "sip/test_rfc5118.py": "torture messages of the RFC into the whole package",
    "transport/test_any_bytes.py": "any bytes into every transport",
    "transport/test_leaks.py": "memory, sockets and tasks of every link",
}


# names and imports


def test_class_names_are_unique() -> None:
    assert measure.equal_class_names(ROOT) == []


def test_no_modules_import_each_other() -> None:
    assert measure.import_circles(ROOT) == []


def exports(path: Path) -> tuple[set[str], set[str]]:
    """Return `__all__` of a package, and the public names that its `__init__.py` takes from wic or defines."""
    stated: set[str] = set()
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wic"):
            names.update(alias.asname or alias.name for alias in node.names)
    for node in parsed(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            targets = {target.id for target in node.targets if isinstance(target, ast.Name)}
            names |= targets
            if "__all__" in targets:
                stated = set(listed := ast.literal_eval(node.value))
                assert len(stated) == len(listed)
    return stated, {name for name in names if not name.startswith("_") or name == "__version__"}


PACKAGES = [path for _, path in modules(ROOT, "wic") if path.name == "__init__.py" and "__all__" in path.read_text()]


@pytest.mark.parametrize("path", PACKAGES, ids=[path.parent.name for path in PACKAGES])
def test_all_is_what_the_package_exports(path: Path) -> None:
    stated, names = exports(path)
    assert stated == names
    package = import_module(".".join(path.parent.relative_to(ROOT).parts))
    assert [name for name in sorted(stated) if not hasattr(package, name)] == []


# state machines


def test_each_state_machine_has_a_table() -> None:
    assert measure.machines_without_table(ROOT) == []


# texts and sizes


def test_module_docstrings_name_the_module() -> None:
    assert measure.docstrings_that_ask(ROOT) == []


def test_class_docstrings_name_the_class() -> None:
    asking = [
        f"{name}.{node.name}: {docstring.splitlines()[0]}"
        for name, path in modules(ROOT, "wic", "cli")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and measure.INDIRECT.match(docstring := ast.get_docstring(node) or "")
    ]
    assert asking == []


def test_persons_have_names() -> None:
    assert measure.persons_without_a_name(ROOT) == []


def test_persons_have_names_in_tests() -> None:
    """In their texts, and in their names: `test_what_nobody_hears` is a riddle."""
    packages = [path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "structure"]
    assert measure.persons_without_a_name(ROOT, "examples", *(f"tests/{name}" for name in sorted(packages))) == []


def test_persons_have_names_in_the_documentation() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.py")]
    found = {
        f"{page.relative_to(ROOT)}: {match[0]}"
        for page in pages
        for match in measure.RIDDLES.finditer(page.read_text(encoding="utf-8"))
    }
    assert found == set()


def test_no_file_is_too_long() -> None:
    counts = {name: len(path.read_bytes().splitlines()) for name, path in modules(ROOT, "wic", "cli", "tests")}
    assert {name: count for name, count in counts.items() if count > LONGEST_FILE} == {}


# suites that run elsewhere


def test_imports_of_suites_that_are_not_collected() -> None:
    """Names that benches, interop, soak, fuzz targets and examples import from wic exist."""
    missing = [
        f"{path.relative_to(ROOT)}:{node.lineno}: from {node.module} import {alias.name}"
        for _, path in modules(ROOT, "tests/bench", "tests/interop", "tests/soak", "tests/fuzz", "examples")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "wic"
        for alias in node.names
        if find_spec(node.module or "") is None
        or not (hasattr(import_module(node.module or ""), alias.name) or find_spec(f"{node.module}.{alias.name}"))
    ]
    assert missing == []


# tests that mirror the code


def mirrored() -> Iterator[tuple[Path, list[Path]]]:
    """Yield each file of `tests/<package>` with the files of the code that it is about, by its name and place."""
    packages = {path.parent.name for path in (ROOT / "wic").glob("*/__init__.py")} | {"cli"}
    for _, path in modules(ROOT, *(f"tests/{package}" for package in sorted(packages))):
        place = path.parent.relative_to(ROOT / "tests")
        home = ROOT / place if place.parts[0] == "cli" else ROOT / "wic" / place
        if home.with_suffix(".py").is_file():
            yield path, [home.with_suffix(".py")]  # a folder for one module
            continue
        stem = path.stem.removeprefix("test_")
        places = [home, home / "commands"] if place.parts[0] == "cli" else [home]
        found = [each / name for each in places for name in (f"{stem}.py", f"_{stem}.py")]
        yield path, [each for each in [*found, *(home / stem).glob("*.py")] if each.is_file()]


def test_each_test_mirrors_a_module() -> None:
    alone = {path.relative_to(ROOT / "tests").as_posix() for path, about in mirrored() if not about}
    alone = {each for each in alone if not each.endswith("conftest.py")}
    assert not CROSS_CUTTING.keys() - alone, "no exception, or gone: take it out"
    assert sorted(alone - CROSS_CUTTING.keys()) == []


@functools.cache
def private_names(path: Path) -> frozenset[str]:
    """Return the private names that a module defines: its own, and those of its objects."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return frozenset(name for name in found if name.startswith("_") and not name.endswith("__"))


def private_reaches(path: Path, known: set[str]) -> Iterator[str]:
    """Yield where a test reaches for private names that it does not know.

    What lies behind a private attribute that it does know is as well known: `channel._sctp._send` is one reach.
    """
    foreign = PRIVATE - known
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute) and node.attr in foreign:
            holder = node.value.attr if isinstance(node.value, ast.Attribute) else ""
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not is_own and not (holder.startswith("_") and holder in known):
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wic"):
            for alias in node.names:
                if alias.name in foreign:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}: from {node.module} import {alias.name}"


REACH = re.compile(r"(?<!\bself)(?<!\bcls)\._[a-z]|\bimport\b[^\n]*[ (]_[a-z]|^    _[a-z]\w*,$", re.MULTILINE)
"""An attribute of another object, or an imported name, that begins with an underscore."""
PRIVATE = set().union(*(private_names(path) for _, path in modules(ROOT, "wic", "cli")))


def test_tests_leave_private_attributes_alone() -> None:
    """A test knows the private names of its module, and those that itself and the support files beside it define.

    What an object is cannot be seen here, so that a name counts as the code's when the code has it and the test does not.
    """
    about = dict(mirrored())
    found = []
    for _, path in modules(ROOT, "tests", "examples"):
        if not REACH.search(path.read_text(encoding="utf-8")):
            continue  # most files: parsing them all takes longer than all other tests of the structure
        support = [each for each in path.parent.glob("*.py") if not each.name.startswith("test_")]
        known = set().union(*(private_names(each) for each in [path, *support, *about.get(path, ())]))
        found += private_reaches(path, known)
    assert found == []


def test_tests_named_in_the_documentation_exist() -> None:
    tests = {
        node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else path.stem
        for _, path in modules(ROOT, "tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module)
    }
    named = {
        f"{page.relative_to(ROOT)}: {name}"
        for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for name in re.findall(r"\btest_\w+", page.read_text(encoding="utf-8"))
        if name not in tests
    }
    assert named == set()
