"""How the documentation is built: `make docs`."""

import json
import re
from enum import Enum

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
napoleon_numpy_docstring = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
nitpick_ignore_regex = [("py:.*", ".*")]  # types of other projects have no inventory at hand

# Classes whose objects the reader gets from a method, and does not make.
MADE_BY_OTHERS = {"wic.Call", "wic.media.DataChannel", "wic.network.waf.Waf", "wic.network.wwsf.Wwsf"}


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


def literal_code(_app: Sphinx, what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Read `code` in docstrings as Markdown does: they are written to be read as text first."""
    lines[:] = [re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``\\ ", line) for line in lines]
    if lines and what in ("attribute", "property"):
        lines[0] = f": {lines[0]}"  # else napoleon takes the text before the first colon for a type


def short_signature(
    _app: Sphinx, what: str, name: str, subject: object, _options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Leave out a signature that the reader cannot call, and default values that have no short form."""
    is_enum = isinstance(subject, type) and issubclass(subject, Enum)
    if what == "class" and (is_enum or getattr(subject, "_is_protocol", False) or name in MADE_BY_OTHERS):
        return "", returns
    # Such as <factory> of a field, and options whose own defaults stand with their class.
    signature = re.sub(r"=(<[^>]*>|(?!Secret)[A-Z]\w*\([^()]*(\([^()]*\)[^()]*)*\))", "=…", signature or "")
    return signature or None, returns


def setup(app: Sphinx) -> None:
    """Hook into autodoc."""
    app.connect("autodoc-process-docstring", literal_code, priority=400)  # before napoleon looks for colons
    app.connect("autodoc-process-signature", short_signature)
