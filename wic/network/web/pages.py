"""HTML pages made of template files; every value is escaped."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template

from aiohttp import web


class Html(str):
    """Text that is HTML already, and is not escaped."""

    __slots__ = ()


class Pages:
    """Templates in the folder `pages` of a package.

    Args:
        package: the package's name.
    """

    def __init__(self, package: str) -> None:
        self._folder = files(package) / "pages"
        self._templates: dict[str, Template] = {}

    def fragment(self, template: str, /, **values: str | int) -> Html:
        """Fill in a template; a value that is not `Html` is escaped."""
        if template not in self._templates:
            self._templates[template] = Template((self._folder / template).read_text("utf-8"))
        filled = {  # quotes too: values stand in attributes as well
            key: value if isinstance(value, Html) else escape(str(value), quote=True) for key, value in values.items()
        }
        return Html(self._templates[template].substitute(filled))

    def page(self, template: str, /, *, title: str, status: int = 200, **values: str | int) -> web.Response:
        """Return a whole page."""
        # A template that lacks a value raises, and is never shown half.
        body = self.fragment(template, title=title, **values)
        text = SHARED_PAGES.fragment("layout.html", title=title, body=body)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    def file(self, name: str, content_type: str) -> web.Response:
        """Return a file as it is; browsers may cache it for an hour."""
        text = (self._folder / name).read_text("utf-8")
        headers = {"Cache-Control": "public, max-age=3600"}
        return web.Response(text=text, content_type=content_type, charset="utf-8", headers=headers)


SHARED_PAGES = Pages("wic.network.web")
"""Templates of all servers."""
