"""Authorization endpoint: a signed-in user lets a client have a code (RFC 6749 §3.1, §4.1; RFC 7636; RFC 9700 §2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from wic.network.waf.browser import (
    bad_page_request,
    form_page,
    outdated_form,
    query_of,
    read_own_form,
    signed_in_user,
    to_login,
)
from wic.network.web.forms import read_query
from wic.network.web.responses import HttpError, PageError, csp_source, see_other
from wic.oauth.errors import ErrorCode
from wic.oauth.pkce import METHOD, is_challenge
from wic.oauth.requests import SCOPE, GrantType
from wic.oauth.urls import add_query

if TYPE_CHECKING:
    from wic.network.waf.clients import OAuthClient
    from wic.network.waf.context import WafContext
    from wic.network.waf.users import WebUser


class AuthorizationError(HttpError):
    """Error of an authorization request, which the browser brings to the client (RFC 6749 §4.1.2.1)."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self._location = location

    def response(self) -> web.Response:
        """Return the redirect."""
        return see_other(self._location)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A valid authorization request."""

    client: OAuthClient
    redirect_uri: str
    """The redirect URI that the response goes to."""
    named_uri: str
    """The redirect URI as the request named it; empty if it did not."""
    state: str | None
    """The client's value that the response repeats."""
    challenge: str
    """The PKCE code challenge."""
    scope: str

    @property
    def form_action(self) -> str:
        """The source of the policy of a page whose form leads to the client."""
        return csp_source(self.redirect_uri)


def read_authorization_request(context: WafContext, parameters: dict[str, str]) -> AuthorizationRequest:
    """Return a valid authorization request.

    Raises:
        PageError: client or redirect URI are unknown: the browser is sent nowhere then (RFC 6749 §4.1.2.1).
        AuthorizationError: another parameter is wrong, which the client is told.
    """
    client = context.store.clients.find(parameters.get("client_id", ""))  # RFC 6749 §4.1.1
    if client is None:
        raise PageError(400, "This application is not known", "Ask its operator to register it here.")
    named_uri, state = parameters.get("redirect_uri", ""), parameters.get("state")
    redirect_uri = _redirect_uri(client, named_uri)

    def refuse(error: ErrorCode, description: str) -> AuthorizationError:
        parameters = {"error": error.value, "error_description": description}
        return AuthorizationError(_response_url(context, redirect_uri, state, parameters))

    response_type = parameters.get("response_type")
    if response_type is None:  # RFC 6749 §3.1.1
        raise refuse(ErrorCode.INVALID_REQUEST, "response_type is missing")
    if response_type != "code":  # RFC 9700 §2.1.2: no implicit grant
        raise refuse(ErrorCode.UNSUPPORTED_RESPONSE_TYPE, "the only response_type is 'code'")
    if GrantType.AUTHORIZATION_CODE not in client.grants:
        raise refuse(ErrorCode.UNAUTHORIZED_CLIENT, "the client may not ask for codes")
    # RFC 9700 §2.1.1: PKCE from every client; RFC 7636 §4.3: the default method is `plain`.
    if parameters.get("code_challenge_method") != METHOD:
        raise refuse(ErrorCode.INVALID_REQUEST, f"code_challenge_method has to be {METHOD} (RFC 7636)")
    challenge = parameters.get("code_challenge", "")
    if not is_challenge(challenge):
        raise refuse(ErrorCode.INVALID_REQUEST, "code_challenge is missing or malformed (RFC 7636)")
    scope = parameters.get("scope", SCOPE)
    if scope != SCOPE:  # RFC 6749 §3.3
        raise refuse(ErrorCode.INVALID_SCOPE, f"the only scope is {SCOPE!r}")
    return AuthorizationRequest(
        client=client, redirect_uri=redirect_uri, named_uri=named_uri, state=state, challenge=challenge, scope=scope
    )


def _redirect_uri(client: OAuthClient, named_uri: str) -> str:
    """Return the redirect URI of a request; it may be omitted if the client has one only (RFC 6749 §3.1.2.3)."""
    if named_uri and client.accepts_redirect(named_uri):
        return named_uri
    if not named_uri and len(client.redirect_uris) == 1:
        return client.redirect_uris[0]
    # RFC 9700 §4.1.3: exact match, else no redirect.
    raise bad_page_request("the application named a redirect address that is not registered")


def _response_url(context: WafContext, redirect_uri: str, state: str | None, parameters: dict[str, str]) -> str:
    """Return the redirect URI with the parameters of an authorization response (RFC 6749 §4.1.2).

    `iss` tells the client which server answers, so that it does not send a code of this server to another (RFC 9207).
    """
    common = {"iss": context.issuer} | ({} if state is None else {"state": state})  # RFC 9207 §2
    return add_query(redirect_uri, common | parameters)


class AuthorizationEndpoint:
    """GET and POST /authorize."""

    def __init__(self, context: WafContext) -> None:
        self._context = context

    def routes(self) -> list[web.RouteDef]:
        """Return its paths and handlers."""
        return [web.get("/authorize", self._get), web.post("/authorize", self._post)]

    async def _get(self, request: web.Request) -> web.Response:
        """Ask the user for consent, after the sign-in; the operator's own WWSF needs none."""
        asked = read_authorization_request(self._context, read_query(request, bad_page_request))
        user = signed_in_user(self._context, request)
        # After the sign-in the browser comes back with the same query.
        if user is None:
            return to_login(request)
        # The WWSF of the operator is part of the service that the user has signed in to.
        if not asked.client.consent:
            return self._grant(asked, user)
        return form_page(
            self._context,
            request,
            "consent.html",
            title="Allow access?",
            form_action=asked.form_action,
            client=asked.client.title,
            name=user.name,
            impu=user.impus[0],
            query=request.rel_url.raw_query_string,
        )

    async def _post(self, request: web.Request) -> web.Response:
        """Take the decision of the user; the request that it is about comes with the form, and is checked again."""
        _, form = await read_own_form(self._context, request)
        user = signed_in_user(self._context, request)
        if user is None:
            raise outdated_form()
        # The query is the browser's: it may have been changed since the page was shown.
        asked = read_authorization_request(self._context, query_of(f"?{form.get('query', '')}"))
        if form.get("decision") == "approve":
            return self._grant(asked, user)
        parameters = {"error": ErrorCode.ACCESS_DENIED.value, "error_description": "the user denied the request"}
        return see_other(_response_url(self._context, asked.redirect_uri, asked.state, parameters))

    def _grant(self, asked: AuthorizationRequest, user: WebUser) -> web.Response:
        context = self._context
        # Both or neither: the code stands for its consent.
        with context.store.database.transaction():
            code = context.store.codes.issue(
                context.open_consent(asked.client, user, asked.scope),
                redirect_uri=asked.named_uri,
                challenge=asked.challenge,  # RFC 7636 §4.4: the server keeps the challenge with the code
                expires_at=context.now + context.options.lifetimes.code,
            )
        return see_other(_response_url(context, asked.redirect_uri, asked.state, {"code": code}))
