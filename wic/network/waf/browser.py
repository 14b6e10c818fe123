"""What all pages of a WAF share: who is there, whose form it is, what a page may lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from wic.network.waf.errors import bad_page_request, foreign_form, whole_seconds
from wic.network.web.answers import policy_with
from wic.network.web.browser_session import csrf_token, is_own_form, new_secret
from wic.network.web.forms import parse_parameters, read_form

if TYPE_CHECKING:
    from wic.network.waf.core import WafCore
    from wic.network.waf.users import WebUser

CONTINUATIONS = ("/authorize", "/device")
"""Where one may go on after signing in; nothing else is ever redirected to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What was wrong with the form that was sent before.

    Attributes:
        text: what people are told.
        status: HTTP status.
        retry_after: whole seconds after which to try again; empty if at once.
    """

    text: str
    status: int
    retry_after: str = ""


def too_often(wait: float, guessed: str) -> Alert:
    """Somebody has guessed too often.

    Args:
        wait: seconds until the next guess.
        guessed: what at, as in "passwords".
    """
    seconds = whole_seconds(wait)
    return Alert(text=f"Too many wrong {guessed}. Try again in {seconds} s.", status=429, retry_after=seconds)


def signed_in(core: WafCore, request: web.Request) -> WebUser | None:
    """Return who has signed in with this browser."""
    name = core.store.sessions.user(core.cookie.read(request), now=core.now)
    return None if name is None else core.store.accounts.find(name)


def form_page(
    core: WafCore,
    request: web.Request,
    template: str,
    *,
    title: str,
    leads_to: str = "",
    alert: Alert | None = None,
    **values: str,
) -> web.Response:
    """Return a page with a form that belongs to this visit.

    Args:
        core: the WAF.
        request: the request that it answers.
        template: its file.
        title: its title.
        leads_to: where the form may lead besides this server.
        alert: what was wrong the last time.
        **values: what the template shows.
    """
    visit = core.cookie.read(request) or new_secret()
    shown = "" if alert is None else core.pages.fragment("alert.html", text=alert.text)
    status = 200 if alert is None else alert.status
    response = core.pages.page(template, title=title, status=status, csrf=csrf_token(visit), alert=shown, **values)
    core.cookie.set(response, visit)
    if alert is not None and alert.retry_after:
        response.headers["Retry-After"] = alert.retry_after
    if leads_to:
        response.headers["Content-Security-Policy"] = policy_with(leads_to)
    return response


async def own_form(core: WafCore, request: web.Request) -> dict[str, str]:
    """Return the fields of a form, which has to come from a page of this visit.

    Raises:
        PageRefusal: it does not.
    """
    form = await read_form(request, bad_page_request)
    if not is_own_form(core.cookie.read(request), form.get("csrf", "")):
        raise foreign_form()
    return form


def to_sign_in(request: web.Request) -> web.Response:
    """Send the browser to the sign-in page, and from there back."""
    query = request.rel_url.raw_query_string
    return redirect(str(request.rel_url.with_path("/login").with_query({"continue": f"{request.path}?{query}"})))


def read_continuation(text: str) -> str:
    """Return where to go on after signing in: one of our own paths, or the start page."""
    path, question, query = text.partition("?")
    if path not in CONTINUATIONS or not text.isascii() or not text.isprintable():
        return "/"
    return f"{path}{question}{query}"


def query_of(continuation: str) -> dict[str, str]:
    """Return the parameters in a continuation."""
    return parse_parameters(continuation.partition("?")[2].encode(), bad_page_request)


def redirect(location: str) -> web.Response:
    """Send the browser to another page of ours, or of our WWSF."""
    return web.Response(status=303, headers={"Location": location})
