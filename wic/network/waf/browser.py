"""Pages of a WAF: the signed-in user, forms with their CSRF tokens, alerts, and where a form may lead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.network.web.browser_session import csrf_token, is_csrf_token, new_secret
from wic.network.web.forms import parse_parameters, read_form
from wic.network.web.responses import PageError, policy_with_form_action, retry_after, see_other

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from wic.network.waf.context import WafContext
    from wic.network.waf.users import WebUser

CONTINUATIONS = ("/authorize", "/device")
"""Paths that a browser may go on to after signing in; it is never redirected anywhere else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Message about the form that was sent before, with the HTTP status of its page."""

    text: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


def too_many_guesses(wait: float, guessed: str) -> Alert:
    """Return the message to a user who has to wait after wrong guesses; `guessed` is a plural such as "passwords"."""
    later = retry_after(wait)
    text = f"Too many wrong {guessed}. Try again in {later['Retry-After']} s."
    return Alert(text=text, status=429, headers=later)


def signed_in_user(context: WafContext, request: web.Request) -> WebUser | None:
    """Return the user who has signed in with this browser."""
    # The cookie alone tells nothing: the row decides.
    name = context.store.sessions.user(context.cookie.read(request), now=context.now)
    return None if name is None else context.store.users.find(name)


def form_page(
    context: WafContext,
    request: web.Request,
    template: str,
    *,
    title: str,
    form_action: str = "",
    alert: Alert | None = None,
    **values: str,
) -> web.Response:
    """Return a page with a form that belongs to this browser session; `values` are those of its template.

    `form_action` is a source of the policy that the form may lead to, besides this server.
    """
    session_id = context.cookie.read(request) or new_secret()
    shown = "" if alert is None else context.pages.fragment("alert.html", text=alert.text)
    status = 200 if alert is None else alert.status
    csrf = csrf_token(session_id)
    response = context.pages.page(template, title=title, status=status, csrf=csrf, alert=shown, **values)
    context.cookie.set(response, session_id)
    if alert is not None:
        response.headers.update(alert.headers)
    if form_action:
        # For the redirect to the client.
        response.headers["Content-Security-Policy"] = policy_with_form_action(form_action)
    return response


async def read_own_form(context: WafContext, request: web.Request) -> tuple[str, dict[str, str]]:
    """Return the session id and the fields of a form, which has to come from a page of this session.

    Raises:
        PageError: it does not.
    """
    form = await read_form(request, bad_page_request)
    session_id = context.cookie.read(request)
    # Without the cookie the form came from another site, or the browser accepts none.
    if session_id is None or not is_csrf_token(form.get("csrf", ""), session_id):
        raise outdated_form()
    return session_id, form


def to_login(request: web.Request) -> web.Response:
    """Return the redirect to the sign-in page, which leads back."""
    target = f"{request.path}?{request.rel_url.raw_query_string}"
    return see_other(str(request.rel_url.with_path("/login").with_query({"continue": target})))


def read_continuation(text: str) -> str:
    """Return the own path to go on to after signing in; the start page for anything else."""
    path, question, query = text.partition("?")
    if path not in CONTINUATIONS or not text.isascii() or not text.isprintable():  # RFC 9700 §4.11: no open redirector
        return "/"
    return f"{path}{question}{query}"


def query_of(continuation: str) -> dict[str, str]:
    """Return the parameters of a continuation."""
    return parse_parameters(continuation.partition("?")[2].encode(), bad_page_request)


def bad_page_request(text: str) -> PageError:
    """Return the error of a request that no page of this server sends."""
    return PageError(400, "This request is not complete", f"Go back to the application and start again: {text}.")


def outdated_form() -> PageError:
    """Return the error of a form that was not made for this browser session."""
    return PageError(
        403, "This form is out of date", "Go back, reload the page and try again. The browser must accept cookies."
    )
