"""Keeper of an account's access token: it is replaced before it expires, for as long as the client runs.

The registration lasts no longer than the token (TS 24.371 §6.4.3), so the next token has to be there before this one
expires. The keeper asks for it when four fifths of the life are over, and tries again with growing pauses while the
reason of a failure may pass and the token lasts. What cannot pass, such as a sign-in that was revoked, is reported at
once: there is time left to act on it.

For any number of callers, one request is on its way at a time. The keeper owns it, so it is not cancelled with the caller
that started it: a refresh token that is used up, with its successor not stored, would end the sign-in. It ends with the
keeper at the latest, which gives it the time of one HTTP request: what that brings is stored, or given back.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from enum import Enum
from typing import TYPE_CHECKING, Final

from wic.accounts import PoolAccess
from wic.client.web.pool import PoolLease
from wic.client.web.sources import ClientCredentials, ConfiguredToken, StoredToken
from wic.client.web.store import TokenStore
from wic.errors import LocalProtocolError, SignInFailed, TransportError, WicError
from wic.sip.state_table import StateTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.accounts import WebAuthorization
    from wic.client.web.sources import TokenSource
    from wic.oauth.tokens import AccessToken

_log = logging.getLogger(__name__)

_REPLACE_AT = 0.8
"""Part of its life after which a token is replaced."""
_GRACE = 10.0
"""Seconds that `close` waits for a request: the time limit of `JsonClient` for an answer."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class KeeperState(Enum):
    """State of the replacement of a token."""

    EMPTY = "Empty"
    """There is no token, or one that does not expire."""
    SCHEDULED = "Scheduled"
    """A timer is set for the replacement."""
    REPLACING = "Replacing"
    """The next token has been asked for."""
    PAUSING = "Pausing"
    """The last attempt failed; another one follows."""
    EXPIRING = "Expiring"
    """No other token is to be had: this one will expire."""
    CLOSED = "Closed"


class KeeperInput(Enum):
    """Input of the machine that replaces tokens."""

    TOKEN = "token"
    PERMANENT_TOKEN = "token without expiry"
    DUE = "replacement due"
    FAILED_FOR_NOW = "failure that may pass"
    FAILED = "final failure, or no time left"
    CLOSE = "close"


_S, _I = KeeperState, KeeperInput

KEEPER: Final[StateTable[KeeperState, KeeperInput]] = StateTable(
    name="Token keeper",
    clause="TS 24.371 §6.4.3: the registration ends with the token",
    initial=_S.EMPTY,
    final=_S.CLOSED,
    rows={
        (_S.EMPTY, _I.TOKEN): _S.SCHEDULED,
        (_S.SCHEDULED, _I.DUE): _S.REPLACING,
        (_S.SCHEDULED, _I.TOKEN): _S.SCHEDULED,
        (_S.SCHEDULED, _I.PERMANENT_TOKEN): _S.EMPTY,
        (_S.REPLACING, _I.TOKEN): _S.SCHEDULED,
        (_S.REPLACING, _I.PERMANENT_TOKEN): _S.EMPTY,
        (_S.REPLACING, _I.FAILED_FOR_NOW): _S.PAUSING,
        (_S.REPLACING, _I.FAILED): _S.EXPIRING,
        (_S.PAUSING, _I.DUE): _S.REPLACING,
        # A caller of `renew` got it meanwhile.
        (_S.PAUSING, _I.TOKEN): _S.SCHEDULED,
        (_S.PAUSING, _I.PERMANENT_TOKEN): _S.EMPTY,
        (_S.EXPIRING, _I.TOKEN): _S.SCHEDULED,
        (_S.EXPIRING, _I.PERMANENT_TOKEN): _S.EMPTY,
        **{(state, _I.CLOSE): _S.CLOSED for state in _S if state is not _S.CLOSED},
    },
)


class TokenKeeper:
    """Access token of one account: obtained when it is first asked for, replaced before it expires.

    Args:
        settings: those of the account.
        on_token: called with each token that replaces another one before that expires.
        on_failed: called when there will be no other token, and the present one will expire.
        source: where the tokens come from; None takes the source that the settings choose.
    """

    def __init__(
        self,
        settings: WebAuthorization,
        *,
        on_token: Callable[[AccessToken], None] | None = None,
        on_failed: Callable[[WicError], None] | None = None,
        source: TokenSource | None = None,
    ) -> None:
        self._source = source or choose_source(settings, TokenStore())
        self._on_token = on_token or _ignore
        self._on_failed = on_failed or _ignore
        self._state = KEEPER.initial
        self._current: AccessToken | None = None
        self._request: asyncio.Task[AccessToken] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._replacement: asyncio.Task[None] | None = None

    async def token(self) -> AccessToken:
        """Return a token that has not expired.

        Raises:
            SignInNeeded: the user has to sign in, with `wic login`.
            SignInFailed: the WAF or the WWSF refuses.
            TransportError: it cannot be reached.
            RemoteProtocolError: its answer cannot be used.
            ConfigurationError: a file cannot be used.
            LocalProtocolError: the keeper is closed.
        """
        if self._current is not None and not self._current.expires_within(0.0, now=time.time()):
            return self._current
        return await self.renew()

    async def renew(self) -> AccessToken:
        """Return another token: that of the request which is on its way, or of a new one.

        Raises:
            WicError: as for `token`.
        """
        if self._state is KeeperState.CLOSED:  # a lease would never be given back
            raise LocalProtocolError("no access token is asked for any more: the client was closed")
        if self._request is None:
            self._request = asyncio.create_task(self._request_token(), name="access token")
            self._request.add_done_callback(self._requested)
        return await asyncio.shield(self._request)  # it goes on without this caller, as the head of this module says

    async def close(self) -> None:
        """Stop replacing the token, and give back what was lent with it; no task is left."""
        self._move(KeeperInput.CLOSE)
        self._cancel_timer()
        if self._replacement is not None:
            self._replacement.cancel()
        if (request := self._request) is not None:
            try:
                await asyncio.wait([request], timeout=_GRACE)
            finally:  # also where the caller is cancelled, and does not wait any longer
                request.cancel()
        left = [task for task in (self._replacement, request) if task is not None]
        await asyncio.gather(*left, return_exceptions=True)
        current, self._current = self._current, None  # a second `close` gives nothing back again
        if current is not None:
            try:
                await self._source.give_back(current)
            except WicError as error:
                _log.warning("the token was not given back: %s", error)

    async def _request_token(self) -> AccessToken:
        token = self._current = await self._source.obtain(self._current)
        if self._state is KeeperState.CLOSED:  # `close` gives it back
            return token
        self._cancel_timer()
        # A caller was faster than the next attempt; while REPLACING the attempt itself waits for this.
        if self._state is KeeperState.PAUSING and self._replacement is not None:
            self._replacement.cancel()
        if token.expires_at is None:  # RFC 6749 §5.1: `expires_in` is only recommended
            self._move(KeeperInput.PERMANENT_TOKEN)
        else:
            self._move(KeeperInput.TOKEN)
            # Measured on the clock of the loop from now on: setting the system clock changes no timer.
            delay = max((token.expires_at - time.time()) * _REPLACE_AT, _FIRST_PAUSE)
            self._timer = asyncio.get_running_loop().call_later(delay, self._replacement_due)
        return token

    def _requested(self, task: asyncio.Task[AccessToken]) -> None:
        self._request = None
        if not task.cancelled():
            task.exception()  # retrieved, or asyncio would report an error whose callers have all gone

    def _replacement_due(self) -> None:
        self._timer = None  # it has run
        self._replacement = asyncio.create_task(self._replace(), name="replacement of the access token")

    async def _replace(self) -> None:
        pause = _FIRST_PAUSE / 2
        while True:
            pause = min(2 * pause, _LONGEST_PAUSE)
            self._move(KeeperInput.DUE)
            try:
                token = await self.renew()
            except WicError as error:
                # Chance keeps the clients of a server that was away from coming back in the same moment.
                wait, left = pause * random.uniform(0.5, 1.0), self._time_left()
                # A refusal, such as a sign-in that was revoked, does not pass (RFC 6749 §5.2 invalid_grant).
                may_pass = isinstance(error, TransportError) or (isinstance(error, SignInFailed) and error.temporary)
                if not may_pass or left <= wait:
                    self._move(KeeperInput.FAILED)
                    self._on_failed(error)
                    return
                _log.warning("no new access token yet: %s", error)
                self._move(KeeperInput.FAILED_FOR_NOW)
                # A Retry-After beyond the life of the token would end the registration: one more attempt is due before.
                asked = error.retry_after if isinstance(error, SignInFailed) else None
                await asyncio.sleep(max(wait, min(asked or 0.0, left / 2)))
            else:
                self._on_token(token)
                return

    def _time_left(self) -> float:
        """Return the seconds until the token in use expires."""
        expires_at = None if self._current is None else self._current.expires_at
        return 0.0 if expires_at is None else expires_at - time.time()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _move(self, given: KeeperInput) -> None:
        following = KEEPER.rows.get((self._state, given), self._state)
        if following is not self._state:
            _log.debug("token keeper: %s, %s -> %s", self._state.value, given.value, following.value)
            self._state = following


def choose_source(settings: WebAuthorization, store: TokenStore) -> TokenSource:
    """Return the source of tokens that the settings of an account choose."""
    if settings.token is not None:  # the order of `WebAuthorization`
        return ConfiguredToken(settings, settings.token)
    own: TokenSource = StoredToken(settings, store) if settings.client_secret is None else ClientCredentials(settings)
    if settings.pool is None:
        return own
    return PoolLease(settings, user=own if settings.pool is PoolAccess.SIGNED_IN else None)


def _ignore(_: object) -> None:
    """Take no notice."""
