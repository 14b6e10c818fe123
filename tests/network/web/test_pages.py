"""Page templates: every value is escaped, and every file is in the wheel."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from wic.network.web.pages import SHARED_PAGES, Html

ROOT = Path(__file__).parents[3]


def test_values_are_escaped_and_html_is_not() -> None:
    page = SHARED_PAGES.fragment("error.html", title="<b>&\"'", text=Html("<em>so</em>"))
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;&quot;&#x27;" in page
    assert "<em>so</em>" in page


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError):
        SHARED_PAGES.fragment("error.html", title="x")


def test_the_pages_are_installed() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    folders = {".".join(folder.parent.relative_to(ROOT).parts) for folder in (ROOT / "wic").rglob("pages")}
    assert folders == {package for package, files in data.items() if files == ["pages/*"]}
