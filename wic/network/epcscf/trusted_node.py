"""Trusted node: the eP-CSCF checks access tokens (TS 24.371 §6.4.2, §6.4.3; TS 33.203 Annexes U and X).

The core never sees a token. It gets a REGISTER in the name of the token's holder, marked `auth-done`, and believes it
because it comes from its own eP-CSCF. The registration ends with the token at the latest.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wic.auth.bearer import bearer_challenge, read_bearer
from wic.errors import ProtocolError
from wic.network.tokens.errors import TokenFault, TokenInvalid, WafUnreachable
from wic.sip.errors import MalformedHeader
from wic.sip.headers.auth import AuthValue
from wic.sip.params import AuthParams
from wic.sip.proxy.core import ContextState
from wic.sip.uri import Uri
from wic.sip.validate import RequestRefusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.auth.secret import Secret
    from wic.network.epcscf.options import EPcscfOptions
    from wic.network.tokens.claims import Authorization
    from wic.sip.message import Request, Response
    from wic.sip.proxy.core import ProxyContext
    from wic.transport.driver import Driver

_log = logging.getLogger(__name__)

_QUOTED = ("username", "realm", "nonce", "uri", "response", "integrity-protected", "authorization-entity")
_PAUSE = 10
"""Seconds after which a WIC may try again whose token cannot be checked now."""


class Validator(Protocol):
    """Judge of access tokens, such as `wic.network.tokens.TokenValidator`."""

    async def validate(self, token: Secret, *, now: float) -> Authorization:
        """Return the authorization that a token stands for.

        Raises:
            TokenInvalid: it stands for none.
            WafUnreachable: it cannot be judged now.
        """
        ...


@dataclass(frozen=True, slots=True)
class ProvenIdentities:
    """Identities that a valid token proves, and the rest of its life."""

    authorization: Authorization
    impus: tuple[str, ...]
    """In canonical form, the default one first."""
    remaining: int
    """Seconds until its life ends."""


class TrustedNode:
    """Checks tokens, and speaks for their holders towards the core."""

    def __init__(self, validator: Validator, options: EPcscfOptions, wall_clock: Callable[[], float]) -> None:
        self._validator = validator
        self._domain = options.domain
        self._authz_server = options.authz_server  # from which WICs get tokens, for challenges
        self._scope = options.scope
        self._wall_clock = wall_clock  # seconds of the epoch, in which tokens end

    def challenge(self, error: str | None = None) -> AuthValue:
        """Return the challenge that asks for a token (RFC 8898 §4)."""
        return bearer_challenge(realm=self._domain, scope=self._scope, authz_server=self._authz_server, error=error)

    def refusal(self, error: str) -> RequestRefusal:
        """Return the answer to a request with a token that is not good enough (RFC 8898 §2.2: 401, never 403)."""
        return RequestRefusal(401, headers=(("WWW-Authenticate", self.challenge(error)),))

    async def admit(
        self, context: ProxyContext, driver: Driver, proceed: Callable[[ProvenIdentities, float], None]
    ) -> None:
        """Let a request that has Bearer credentials proceed by what its token proves, or answer it."""
        found = await self.check(context.request)
        now = driver.now
        try:
            if context.state is ContextState.ANSWERED:
                return  # meanwhile the connection has gone, or the caller has given up
            if isinstance(found, RequestRefusal):
                user, (host, port) = context.request.from_.uri.aor(), context.flow.remote
                _log.info("refused: %s of %s from %s:%d: %d", context.request.method, user, host, port, found.status)
                context.reject(found.status, now=now, headers=found.headers)
            else:
                proceed(found, now)
        except MalformedHeader as error:
            context.reject(400, str(error), now=now)
        finally:
            driver.pump()

    async def check(self, request: Request) -> ProvenIdentities | RequestRefusal:
        """Check the token of a request that has Bearer credentials."""
        try:
            token = read_bearer(request)
            assert token is not None, "the request has Bearer credentials"
            authorization = await self._validator.validate(token, now=self._wall_clock())
            return self._proven(authorization)
        except TokenInvalid as invalid:
            # RFC 6750 §3.1: the WIC learns whether a token of another scope would do.
            _log.info("a token is refused: %s", invalid)
            return self.refusal("invalid_scope" if invalid.reason is TokenFault.SCOPE else "invalid_token")
        except WafUnreachable as error:
            # The token may be good: a 401 would have the WIC throw it away.
            _log.warning("a token cannot be checked: %s", error)
            return RequestRefusal(503, headers=(("Retry-After", _PAUSE),))
        except ProtocolError as error:
            # RFC 6750 §3.1 says 400 to HTTP; RFC 8898 §2.2 has 401 for every fault of a token.
            _log.info("credentials without a token that can be read: %s", error)
            return self.refusal("invalid_token")

    def _proven(self, authorization: Authorization) -> ProvenIdentities:
        # Within the leeway for clocks that differ nothing is left to register for.
        remaining = int(authorization.expires_at - self._wall_clock())
        if remaining <= 0:
            raise TokenInvalid(TokenFault.EXPIRED)
        impus = tuple(str(Uri.parse(impu).aor()) for impu in authorization.impus)
        return ProvenIdentities(authorization, impus, remaining)

    def speak_for(self, request: Request, proven: ProvenIdentities) -> str:
        """Write the identities of a token's holder over those that the WIC gave; return the public one to be registered.

        The To of the WIC counts if it is one of the token's identities. The registration ends with the token, so that
        the identities of a pool can be lent to another user (TS 24.371 §6.4.3).
        """
        wanted = str(request.to.uri.aor())
        impu = wanted if wanted in proven.impus else proven.impus[0]
        uri = Uri.parse(impu)
        for name, value in (("From", request.from_), ("To", request.to)):
            request.headers.set(name, value.with_uri(uri))
        request.headers.set("Authorization", self._credentials(request, proven.authorization))
        cap_expiry(request, proven.remaining)
        return impu

    def _credentials(self, request: Request, authorization: Authorization) -> AuthValue:
        # TS 33.203 Annex U, TS 24.371 table A.3.2-2: the form of Digest credentials, and no proof in them.
        pairs = [
            ("username", authorization.impi),
            ("realm", self._domain),
            ("nonce", ""),
            ("uri", request.uri_text),
            ("response", ""),
            ("integrity-protected", "auth-done"),
        ]
        if authorization.third_party:
            pairs.append(("authorization-entity", authorization.issuer))
        return AuthValue("Digest", AuthParams(pairs, quoted=_QUOTED))


def cap_expiry(request: Request, seconds: int) -> None:
    """Let a REGISTER ask for no more than so many seconds (TS 24.371 §6.4.3).

    Raises:
        MalformedHeader: Expires or Contact cannot be read.
    """
    asked = request.expires
    request.headers.set("Expires", seconds if asked is None else min(asked, seconds))
    contacts = request.contacts
    if any((contact.expires or 0) > seconds for contact in contacts):
        request.headers.remove("Contact")
        for contact in contacts:
            if (contact.expires or 0) > seconds:
                contact = contact.with_params(contact.params.with_("expires", str(seconds)))
            request.headers.add("Contact", contact)


def restore_identities(response: Response, request: Request) -> None:
    """Let the response to a WIC name From and To as its request did (RFC 3261 §8.2.6.2); the tag of To is kept."""
    tag = response.to.tag
    for name in ("From", "To"):
        response.headers.set(name, request.headers.get(name))
    if tag is not None and request.to.tag is None:
        response.headers.append_to("To", f";tag={tag}")
