"""Installed packages, types and import contract, compared with the disk."""

import re
import tomllib
from pathlib import Path

import pytest

import wic_cli

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages_on_disk() -> set[str]:
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "wic").rglob("__init__.py")}
    for path in (ROOT / "cli").rglob("__init__.py"):
        found.add(".".join(("wic_cli", *path.parent.relative_to(ROOT / "cli").parts)))
    return found


def test_the_package_list_matches_the_disk() -> None:
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == packages_on_disk()


def test_the_directory_cli_is_installed_as_wic_cli() -> None:
    assert Path(wic_cli.__file__ or "").parent == ROOT / "cli"
    assert PYPROJECT["tool"]["setuptools"]["package-dir"] == {"wic": "wic", "wic_cli": "cli"}


def test_imports_within_cli_are_relative() -> None:
    absolute = [
        f"{path.name}: {line}"
        for path in (ROOT / "cli").rglob("*.py")
        for line in path.read_text().splitlines()
        if re.match(r"\s*(import|from)\s+(cli|wic_cli)\b", line)
    ]
    assert absolute == []


@pytest.mark.parametrize("package", ["wic", "cli"])
def test_types_are_shipped(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_every_package_is_in_the_import_contract() -> None:
    layers = PYPROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {name.strip() for layer in layers for name in layer.split("|")}
    top = {f"wic.{path.parent.name}" for path in (ROOT / "wic").glob("*/__init__.py")}
    assert top | {"wic_cli", "wic.aio", "wic.errors", "wic.files", "wic.option_checks"} == named
