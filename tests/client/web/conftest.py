"""Servers that answer what a test says, a user at a browser, and the settings and the store of an account."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.support.json_server import json_client, other_server, server
from wic.accounts import WebAuthorization
from wic.client.web.store import TokenStore
from wic.transport.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.json_server import JsonServer

__all__ = ["browser_user", "json_client", "other_server", "server", "settings", "store"]


class Form(HTMLParser):
    """Form of a page: where it goes, and its fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.action = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.action = values.get("action") or ""
        elif tag == "input" and values.get("name"):
            self.fields[str(values["name"])] = values.get("value") or ""


class BrowserUser:
    """A user at a browser, who fills in the forms of the pages, and decides; carol unless told otherwise."""

    def __init__(self, ca: Path, password: str, *, name: str = "carol", decision: str = "approve") -> None:
        self._name = name
        self._context = client_context(ca=ca)
        self._password = password
        self._decision = decision
        self.tasks: list[asyncio.Task[str]] = []

    def open(self, url: str) -> None:
        self.tasks.append(asyncio.create_task(self.visit(url)))

    async def visit(self, url: str) -> str:
        jar = aiohttp.CookieJar(unsafe=True)
        connector = aiohttp.TCPConnector(ssl=self._context)
        async with aiohttp.ClientSession(cookie_jar=jar, connector=connector) as session:
            answer = await session.get(url)
            for _ in range(5):
                page, form = await answer.text(), None
                form = Form(page)
                if not form.action:
                    return page
                fields = form.fields | {"decision": self._decision}
                if "password" in fields:
                    fields |= {"username": self._name, "password": self._password}
                answer = await session.post(
                    answer.url.join(answer.url.with_path(form.action).with_query({})), data=fields
                )
            raise AssertionError(page)


@pytest.fixture
def browser_user() -> type[BrowserUser]:
    return BrowserUser


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "state" / "tokens")


@pytest.fixture
def settings(server: JsonServer) -> Callable[..., WebAuthorization]:
    """Make the settings of an account at `server`."""

    def make(**changes: object) -> WebAuthorization:
        given: dict[str, object] = {"account": "carol", "waf": server.url, "insecure": True}
        return WebAuthorization(**(given | changes))

    return make
