"""Access tokens in SIP: RFC 8898, and the older form that TS 24.371 Annex A.3.2 prints."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wic.auth.challenge import CREDENTIALS_OF, MAX_CHALLENGES, explain_challenges, name_challenges, read_values
from wic.auth.secret import Secret
from wic.errors import (
    AuthenticationFailed,
    ChallengeUnsupported,
    ConfigurationError,
    RemoteProtocolError,
    TokenRefused,
)
from wic.sip.headers import AuthValue
from wic.sip.params import AuthParams

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.sip.message import Request, Response

MAX_TOKEN: Final = 8192
"""Longest access token, in characters: it has to fit into a header line."""

_B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]++=*+")  # RFC 6750 §2.1
_MAX_PARAMETER = 1024  # characters of a parameter that is shown to the user
_MAX_REGISTRAR_REALMS = 8  # realms in which REGISTER was challenged; the oldest is forgotten
_MAX_CHALLENGED_URIS = 16  # Request-URIs that the token is carried to; the oldest is forgotten


class BearerForm(Enum):
    """Form in which a request carries an access token."""

    RFC8898 = "rfc8898"
    """`Bearer <token>` (RFC 8898 §2.1.3, RFC 6750 §2.1)."""
    ANNEX_A = "annex-a"
    """`Bearer access_token="<token>"` (TS 24.371 §A.3.2, draft-yusef-sipcore-sip-oauth)."""


@dataclass(frozen=True, slots=True)
class BearerChallenge:
    """Bearer challenge (RFC 8898 §4); a text that is too long or holds control characters reads as empty."""

    header: str
    """Header of the credentials: `Authorization` or `Proxy-Authorization`."""
    realm: str | None = None
    scope: str | None = None
    authz_server: str | None = None
    error: str | None = None

    @classmethod
    def read(cls, value: AuthValue, header: str) -> BearerChallenge | None:
        """Read one challenge; None if it is of another scheme."""
        if value.scheme.lower() != "bearer":
            return None
        realm, scope, authz_server, error = (
            _showable(value.params.get(name)) for name in ("realm", "scope", "authz_server", "error")
        )
        return cls(header, realm=realm, scope=scope, authz_server=authz_server, error=error)


class BearerClient:
    """Carries one user's access token; an `Authenticator`.

    It answers Bearer challenges and no others. A refused token ends in `TokenRefused`; the caller
    may then get another token, hand it to `use`, and send the request again.
    """

    def __init__(
        self,
        *,
        token: Secret | None = None,
        form: BearerForm = BearerForm.RFC8898,
        everywhere: bool = True,
        trusted_servers: Iterable[str] = (),
        realms: Iterable[str] = (),
    ) -> None:
        """Keep a token.

        Args:
            token: the first token; without one the network is asked which it wants.
            form: how requests carry it.
            everywhere: whether all requests carry it (TS 24.371 §7.2.1, Release 17), or only REGISTER and those
                that were challenged (RFC 8898 §2.1.3, §2.1.4).
            trusted_servers: URLs of authorization servers that a challenge may name.
            realms: realms in which a challenge to any request is answered though it names no server.

        Raises:
            ConfigurationError: the token cannot stand in a header.
        """
        self._token = None if token is None else checked_token(token)
        self._form = form
        self._everywhere = everywhere
        self._trusted = {_same_server(server) for server in trusted_servers}
        self._realms = set(realms)
        self._registrar_realms: deque[str] = deque(maxlen=_MAX_REGISTRAR_REALMS)
        self._challenged_uris: deque[str] = deque(maxlen=_MAX_CHALLENGED_URIS)
        self._proxies_ask = False

    def use(self, token: Secret, *, issuer: str | None = None) -> None:
        """Go on with another token.

        Args:
            token: the token.
            issuer: the authorization server that gave it, which is trusted from now on.

        Raises:
            ConfigurationError: the token cannot stand in a header.
        """
        self._token = checked_token(token)
        if issuer is not None:
            self._trusted.add(_same_server(issuer))

    def authorize(self, request: Request) -> None:
        """Put the token into `request` where it belongs."""
        # A request that is sent again must not carry the token that was refused.
        for header in CREDENTIALS_OF.values():
            request.headers.remove(header)
        if self._token is None:
            return
        if self._everywhere or request.method == "REGISTER" or request.uri_text in self._challenged_uris:
            request.headers.add("Authorization", _credentials(self._token, self._form))
        if self._proxies_ask:  # RFC 8898 §2.3
            request.headers.add("Proxy-Authorization", _credentials(self._token, self._form))

    def forget(self) -> None:
        """Do nothing: a token is no answer to a challenge."""

    def challenged(self, request: Request, response: Response) -> None:
        """Take in the challenges of a 401 or 407 (RFC 8898 §2.1.1).

        Raises:
            ChallengeUnsupported: none of them is a Bearer challenge, or an element that was not shown the token is not
                to be trusted with it.
            TokenRefused: the network wants another token than it got, or there is none yet.
        """
        challenges = read_bearer_challenges(response)
        if not challenges:
            asked = f"the network asks for {name_challenges(response)}, which an access token cannot answer"
            raise ChallengeUnsupported(explain_challenges(response, f"{asked}; see the account's 'auth'"))
        trusted = [each for each in challenges if self._trusts(request, each)]
        carried = [each for each in challenges if self._carried(request, each.header)]
        if self._token is None or not (trusted or carried):
            raise _request_for_token(challenges[0], trusted)  # RFC 8898 §2.1.1
        unanswered = [each for each in trusted if each not in carried]
        if not unanswered:
            raise _refusal_of_token(challenges[0], trusted)  # RFC 8898 §2.1.3
        for challenge in unanswered:
            self._remember(challenge.header, request)

    def accepted(self, request: Request, response: Response) -> None:
        """Take in a success, which says nothing about a token."""

    def advice(self, request: Request, response: Response) -> str:
        """Name nothing to check: a 401 says itself what is wrong with a token."""
        return ""

    def _trusts(self, request: Request, challenge: BearerChallenge) -> bool:
        """Tell whether the element that made a challenge may see the token, which is good for others as well."""
        if challenge.authz_server is not None:  # RFC 8898 §2.1.1: the UAC checks the URL against a preconfigured list
            return _same_server(challenge.authz_server) in self._trusted
        # No URL means the server we know. A REGISTER goes to the account's own servers; another request may be answered
        # by the peer that is called, or by any proxy on the way.
        realm = challenge.realm or ""
        if request.method == "REGISTER" and realm not in self._registrar_realms:
            self._registrar_realms.append(realm)
        return self._everywhere or realm in self._realms or realm in self._registrar_realms

    def _remember(self, header: str, request: Request) -> None:
        """Carry the token where it was asked for: past a proxy always, to a UAS by its Request-URI."""
        if header == "Proxy-Authorization":
            self._proxies_ask = True  # RFC 8898 §2.3: a proxy asks by 407
        elif request.uri_text not in self._challenged_uris:
            self._challenged_uris.append(request.uri_text)

    def _carried(self, request: Request, header: str) -> bool:
        """Return whether `request` brought the token that is in use now."""
        return self._token is not None and str(_credentials(self._token, self._form)) in request.headers.get_all(header)


def read_bearer_challenges(response: Response) -> tuple[BearerChallenge, ...]:
    """Return the Bearer challenges of a 401 or 407, topmost first, those of both headers."""
    return tuple(
        challenge
        for asked, header in CREDENTIALS_OF.items()
        for value in read_values(response, asked)[:MAX_CHALLENGES]
        if (challenge := BearerChallenge.read(value, header)) is not None
    )


def read_bearer(request: Request) -> Secret | None:
    """Return the access token that a request carries, in either form; None if it carries none.

    Raises:
        RemoteProtocolError: the header is malformed, or it carries two tokens, or none that can be one.
    """
    # RFC 6750 §2.1: the scheme compares in any case.
    values = [value for value in request.auth("Authorization") if value.scheme.lower() == "bearer"]
    if not values:
        return None
    if len(values) > 1:  # another element may read the other one
        raise RemoteProtocolError("a request with several access tokens")
    text = values[0].token or values[0].params.get("access_token") or ""
    if not _is_token(text):
        raise RemoteProtocolError("Authorization holds no access token, or one that is too long")
    return Secret(text)


def bearer_challenge(
    *, realm: str, authz_server: str | None = None, scope: str | None = None, error: str | None = None
) -> AuthValue:
    """Make a Bearer challenge (RFC 8898 §4).

    Args:
        realm: the protection space.
        authz_server: the https URL of the authorization server.
        scope: what the token has to be good for.
        error: `invalid_token`, `invalid_scope`, or None if there was no token.

    >>> print(bearer_challenge(realm="ims.example", authz_server="https://waf.ims.example", error="invalid_token"))
    Bearer realm="ims.example", authz_server="https://waf.ims.example", error="invalid_token"
    """
    pairs = {"realm": realm, "scope": scope, "authz_server": authz_server, "error": error}
    given = {name: value for name, value in pairs.items() if value is not None}
    return AuthValue("Bearer", AuthParams(given.items(), quoted=given))


def checked_token(token: Secret) -> Secret:
    """Return `token` if it can stand in a header.

    Raises:
        ConfigurationError: it is empty, too long, or not made of the characters of RFC 6750 §2.1.
    """
    if not _is_token(token.reveal()):
        raise ConfigurationError(
            f"An access token has 1 to {MAX_TOKEN} letters, digits and -._~+/ with = at the end only (RFC 6750)."
        )
    return token


def _is_token(text: str) -> bool:
    return len(text) <= MAX_TOKEN and _B64TOKEN.fullmatch(text) is not None


def _credentials(token: Secret, form: BearerForm) -> AuthValue:
    if form is BearerForm.RFC8898:
        return AuthValue("Bearer", token=token.reveal())  # RFC 8898 §2.1.3, RFC 6750 §2.1
    return AuthValue("Bearer", AuthParams([("access_token", token.reveal())], quoted=["access_token"]))


def _request_for_token(first: BearerChallenge, trusted: list[BearerChallenge]) -> AuthenticationFailed:
    """Make the error for a challenge for which there is no token."""
    if trusted:
        return _refusal("the network asks for an access token", trusted[0])
    if first.authz_server is None:
        return ChallengeUnsupported(
            f"a server asks for the access token in the realm {(first.realm or '')[:80]!r}, and names no authorization server. It"
            " gets none, since the token is good at others as well. If you trust it, add this to the account:"
            f" realms = [{first.realm or ''!r}]"
        )
    return ChallengeUnsupported(
        f"the network asks for an access token of {_named(first)}, which is not trusted here; if it is the right WAF,"
        " name it in authz_servers"
    )


def _refusal_of_token(first: BearerChallenge, trusted: list[BearerChallenge]) -> TokenRefused:
    """Make the error for a challenge to a request that carried the token in use."""
    sentence = "the network does not accept the access token"
    if trusted:
        return _refusal(sentence, trusted[0])
    wanted = f"; it wants one of {_named(first)}, which is not trusted here"
    return _refusal(sentence, replace(first, authz_server=None), wanted)


def _refusal(sentence: str, challenge: BearerChallenge, wanted: str = "") -> TokenRefused:
    reason = f": {challenge.error}" if challenge.error else ""
    scope = f" (scope {challenge.scope})" if challenge.scope else ""
    return TokenRefused(
        sentence + reason + scope + wanted,
        authz_server=challenge.authz_server,
        error=challenge.error,
        scope=challenge.scope,
    )


def _named(challenge: BearerChallenge) -> str:
    return challenge.authz_server or "a server whose URL cannot be read"


def _showable(text: str | None) -> str | None:
    if text is None:
        return None
    return text if len(text) <= _MAX_PARAMETER and text.isprintable() else ""


def _same_server(url: str) -> str:
    """Return a form that all URLs of one server have in common (RFC 3986 §6.2.2.1, §6.2.3)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    host = parts.hostname or ""
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{host}:{port or usual}{parts.path.rstrip('/')}?{parts.query}"
