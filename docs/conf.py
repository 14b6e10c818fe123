"""How the documentation is built: `make docs`."""

import json
import re

from sphinx.application import Sphinx

from wic import __version__
from wic.accounts.schema import SETTINGS, AuthScheme

project = "wic"
author = "The wic developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "changes"]
html_theme = "furo"
html_title = "wic"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["wic.css"]

myst_enable_extensions = ["colon_fence", "deflist", "substitution"]
myst_heading_anchors = 3
smartquotes = False  # `--json` is an option and not an en dash
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
nitpick_ignore_regex = [("py:.*", ".*")]  # types of other projects have no inventory at hand


def settings_table(auth: AuthScheme | None) -> str:
    """Return the settings of accounts with one scheme, or of all accounts, as a Markdown table."""
    lines = ["| setting | meaning | if left out |", "|---|---|---|"]
    for each in SETTINGS.values():
        if each.auth is not auth:
            continue
        values = f": {', '.join(f'`{choice}`' for choice in each.choices)}" if each.choices else ""
        default = ", ".join(each.default) if isinstance(each.default, tuple) else json.dumps(each.default).strip('"')
        key = f"`{each.key}`" + (" (secret)" if each.is_secret else "")
        lines.append(f"| {key} | {each.meaning}{values} | {f'`{default}`' if default else ''} |")
    return "\n".join(lines)


myst_substitutions = {
    "any_settings": settings_table(None),
    "digest_settings": settings_table(AuthScheme.DIGEST),
    "aka_settings": settings_table(AuthScheme.AKA),
    "bearer_settings": settings_table(AuthScheme.BEARER),
}


def literal_code(_app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Read `code` in docstrings as Markdown does: they are written to be read as text first."""
    lines[:] = [re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``\\ ", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Hook into autodoc."""
    app.connect("autodoc-process-docstring", literal_code, priority=400)  # before napoleon looks for colons
