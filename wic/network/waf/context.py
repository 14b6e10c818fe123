"""Context of a running WAF for its endpoints, limits for guessing, and client authentication."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.network.waf.tokens import Consent
from wic.network.web.browser_session import SessionCookie
from wic.network.web.pages import Pages
from wic.network.web.responses import JsonError, retry_after
from wic.network.web.throttle import FailureThrottle, RateLimit, address_of
from wic.oauth.errors import ErrorCode
from wic.oauth.requests import MAX_CREDENTIALS, SCOPE, read_basic_credentials

if TYPE_CHECKING:
    from aiohttp import web

    from wic.network.waf.clients import OAuthClient
    from wic.network.waf.options import WafOptions
    from wic.network.waf.store import WafStore
    from wic.network.waf.users import PasswordVerifier, WebUser

DEVICE_REQUESTS = 30
"""Device codes that an address may ask for in a minute."""
CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")
"""Ways in which a confidential client may authenticate (RFC 6749 §2.3.1)."""


class AttemptLimiter:
    """Limit for guessing, by the name that is guessed at and by the address of the sender."""

    def __init__(self, options: WafOptions) -> None:
        self._by_name = FailureThrottle(options.by_name)
        self._by_address = FailureThrottle(options.by_address)

    def wait(self, name: str, address: str | None, *, now: float) -> float:
        """Return how many seconds there are to wait before the next attempt; if 0, the attempt is counted.

        Without an address it is counted by name only.
        """
        wait = self._by_name.wait(name, now=now)
        if address is not None:
            wait = max(wait, self._by_address.wait(address, now=now))
        # Counted before the check, so that simultaneous attempts see each other.
        if wait == 0:
            self._by_name.attempt(name, now=now)
            if address is not None:
                self._by_address.attempt(address, now=now)
        return wait

    def succeeded(self, name: str, address: str | None, *, forgive: bool = False) -> None:
        """Take the attempt back; an address keeps its other failures, or an own user would clear it for more guessing.

        `forgive` forgets the name's other failures as well: where a success proves knowledge of a secret.
        """
        self._by_name.succeeded(name, forgive=forgive)
        if address is not None:
            self._by_address.succeeded(address)


@dataclass(slots=True, kw_only=True)
class WafContext:
    """State and tools of a running WAF."""

    options: WafOptions
    store: WafStore
    issuer: str
    """The issuer URL: its identity (RFC 8414 §2)."""
    passwords: PasswordVerifier
    pages: Pages = field(default_factory=lambda: Pages("wic.network.waf"))
    cookie: SessionCookie = field(default_factory=lambda: SessionCookie("waf"))
    attempts: AttemptLimiter = field(init=False)
    device_requests: RateLimit = field(default_factory=lambda: RateLimit(DEVICE_REQUESTS, 60.0))

    def __post_init__(self) -> None:
        self.attempts = AttemptLimiter(self.options)

    @property
    def now(self) -> float:
        """The time in seconds of Unix time."""
        return self.options.clock()

    def open_consent(self, client: OAuthClient, user: WebUser, scope: str) -> Consent:
        """Store the consent of a user."""
        expires_at = self.now + self.options.lifetimes.grant
        consent = Consent(
            client=client.id,
            user=user.name,
            scope=scope,
            impi=user.impi,  # TS 24.371 §A.3.2, step 1: the web identity is mapped to an IMS subscription
            impus=user.impus,
            wwsf=client.wwsf,
            expires_at=expires_at,
        )
        return self.store.consents.add(consent)

    def authenticate_client(
        self, request: web.Request, form: dict[str, str], *, confidential: bool = False
    ) -> OAuthClient:
        """Return the client that sends a request (RFC 6749 §2.3); a public one is identified by its id alone.

        Raises:
            JsonError: the client is unknown, cannot authenticate, or has tried too often.
        """
        by_header = "Authorization" in request.headers  # RFC 6749 §2.3.1
        # RFC 6749 §2.3.1: by the header or, where a client cannot do that, by the form.
        secret: str | None
        if by_header:
            try:
                client_id, secret = read_basic_credentials(request.headers["Authorization"])
            except ValueError:
                raise invalid_client("the Authorization header holds no Basic credentials") from None
            # RFC 6749 §2.3: no more than one method in each request.
            if "client_secret" in form or form.get("client_id", client_id) != client_id:
                raise invalid_request("the client authenticates in two ways (RFC 6749 §2.3)")
        else:
            client_id, secret = required(form, "client_id"), form.get("client_secret")
        client = self.store.clients.find(client_id)
        # An unknown client is treated as one with a wrong secret: the answer does not tell which ids exist.
        if client is None or client.confidential or secret is not None:
            # Counted for each address apart: a stranger must not be able to lock out the eP-CSCF or the WWSF.
            name = f"client {client_id[:MAX_CREDENTIALS]} {address_of(request)}"
            wait = self.attempts.wait(name, None, now=self.now)
            if wait:
                raise too_many_attempts(wait)
            # RFC 6749 §5.2; the secret of an unknown client is compared as well, so that it takes the same time.
            if secret is None or not self.store.clients.knows_secret(client_id, secret) or client is None:
                raise invalid_client("there is no such client, or it has another secret")
            self.attempts.succeeded(name, None, forgive=True)
        if confidential and not client.confidential:  # RFC 7662 §2.1: introspection needs authorization
            raise invalid_client("this is for clients with a secret")
        return client


def read_scope(asked: str | None) -> str:
    """Return the scope that is granted for a request; without one all is granted (RFC 6749 §3.3).

    Raises:
        JsonError: there is no such scope.
    """
    if asked not in (None, SCOPE):  # RFC 6749 §5.2
        raise JsonError(ErrorCode.INVALID_SCOPE, f"the only scope is {SCOPE!r}")
    return SCOPE


def required(form: dict[str, str], name: str) -> str:
    """Return a parameter.

    Raises:
        JsonError: it is missing.
    """
    value = form.get(name)
    if value is None:
        raise invalid_request(f"{name} is missing")
    return value


def invalid_request(description: str) -> JsonError:
    """Return the error of a request that lacks a parameter or is malformed."""
    return JsonError(ErrorCode.INVALID_REQUEST, description)


def invalid_client(description: str) -> JsonError:
    """Return the error of a failed client authentication (RFC 6749 §5.2)."""
    challenge = {"WWW-Authenticate": 'Basic realm="waf"'}
    return JsonError(ErrorCode.INVALID_CLIENT, description, status=401, headers=challenge)


def too_many_attempts(wait: float) -> JsonError:
    """Return the error of a sender who has to wait before the next attempt."""
    later = retry_after(wait)
    return JsonError(ErrorCode.SLOW_DOWN, f"try again in {later['Retry-After']} s", status=429, headers=later)
