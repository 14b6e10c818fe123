"""How the documentation is built: `make docs`."""

import re

from sphinx.application import Sphinx

from wic import __version__

project = "wic"
author = "The wic developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinxcontrib.mermaid",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "changes"]
html_theme = "furo"
html_title = "wic"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["wic.css"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
nitpick_ignore_regex = [("py:.*", ".*")]  # types of other projects have no inventory at hand


def literal_code(_app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Read `code` in docstrings as Markdown does: they are written to be read as text first."""
    lines[:] = [re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``\\ ", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Hook into autodoc."""
    app.connect("autodoc-process-docstring", literal_code, priority=400)  # before napoleon looks for colons
