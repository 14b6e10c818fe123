"""An authorization request, and whether it may be believed (RFC 6749 §4.1.1, RFC 7636, RFC 9700 §2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.network.waf.clients import CODE
from wic.network.waf.core import read_scope
from wic.network.waf.errors import RedirectAnswer, bad_page_request
from wic.network.web.answers import JsonRefusal, PageRefusal, csp_source
from wic.oauth.pkce import is_challenge

if TYPE_CHECKING:
    from wic.network.waf.clients import OAuthClient
    from wic.network.waf.core import WafCore


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A request whose client and redirect URI are known to be good.

    Attributes:
        client: who asks.
        redirect_uri: where the answer goes.
        named_uri: the redirect URI as the request named it; empty if it did not.
        state: what the client wants back.
        challenge: the PKCE challenge.
        scope: what is asked for.
    """

    client: OAuthClient
    redirect_uri: str
    named_uri: str
    state: str | None
    challenge: str
    scope: str


def read_authorization(core: WafCore, parameters: dict[str, str]) -> AuthorizationRequest:
    """Return what a client asks for.

    Raises:
        PageRefusal: client or redirect URI are not known: the browser is sent nowhere (RFC 6749 §4.1.2.1).
        RedirectAnswer: something else is wrong, which the client is told.
    """
    client = core.store.clients.find(parameters.get("client_id", ""))
    if client is None:
        raise PageRefusal(400, "This application is not known", "Ask its operator to have it registered here.")
    redirect_uri = _redirect_uri(client, parameters.get("redirect_uri"))
    try:
        challenge, scope = _check(client, parameters)
    except JsonRefusal as refusal:
        raise refused(core, redirect_uri, parameters.get("state"), refusal.error, refusal.description) from None
    return AuthorizationRequest(
        client=client,
        redirect_uri=redirect_uri,
        named_uri=parameters.get("redirect_uri", ""),
        state=parameters.get("state"),
        challenge=challenge,
        scope=scope,
    )


def granted(core: WafCore, request: AuthorizationRequest, code: str) -> RedirectAnswer:
    """Send the browser back with a code."""
    return RedirectAnswer(request.redirect_uri, _common(core, request.state) | {"code": code})


def refused(core: WafCore, redirect_uri: str, state: str | None, error: str, description: str) -> RedirectAnswer:
    """Send the browser back with an error."""
    return RedirectAnswer(redirect_uri, _common(core, state) | {"error": error, "error_description": description})


def form_action(request: AuthorizationRequest) -> str:
    """Return where a form may lead to, as a source of CSP."""
    return csp_source(request.redirect_uri)


def _common(core: WafCore, state: str | None) -> dict[str, str]:
    """RFC 9207: the client learns who answers, so that no other server's answer passes for ours."""
    return {"iss": core.issuer} | ({} if state is None else {"state": state})


def _redirect_uri(client: OAuthClient, named: str | None) -> str:
    if named is None and len(client.redirect_uris) == 1:
        return client.redirect_uris[0]
    if named is None or not client.accepts_redirect(named):
        raise bad_page_request("the application named an address for the answer that is not registered")
    return named


def _check(client: OAuthClient, parameters: dict[str, str]) -> tuple[str, str]:
    """Return challenge and scope."""
    if "response_type" not in parameters:
        raise JsonRefusal(400, "invalid_request", "response_type is missing")
    if parameters["response_type"] != "code":
        raise JsonRefusal(400, "unsupported_response_type", "the only response_type is 'code'")
    if CODE not in client.grants:
        raise JsonRefusal(400, "unauthorized_client", "the client may not ask for codes")
    if parameters.get("code_challenge_method", "plain") != "S256":
        raise JsonRefusal(400, "invalid_request", "code_challenge_method has to be S256 (RFC 7636)")
    challenge = parameters.get("code_challenge", "")
    if not is_challenge(challenge):
        raise JsonRefusal(400, "invalid_request", "code_challenge is missing or malformed (RFC 7636)")
    return challenge, read_scope(parameters.get("scope"))
