"""Keeps an account's access token good for as long as somebody needs it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING

from wic.accounts import PoolAccess
from wic.client.web.pool import PoolLease
from wic.client.web.sources import ClientCredentials, GivenToken, SignedIn
from wic.client.web.store import TokenStore
from wic.errors import SignInFailed, TransportError, WicError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.accounts import WebAuthorization
    from wic.client.web.sources import TokenSource
    from wic.client.web.token import AccessToken

_log = logging.getLogger(__name__)

_WHEN = 0.8  # of its life, a token is replaced
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class TokenKeeper:
    """One account's token: got when first asked for, replaced before it ends, given back in the end.

    However many ask at once, one request goes out.
    """

    def __init__(
        self,
        settings: WebAuthorization,
        *,
        on_token: Callable[[AccessToken], None] | None = None,
        on_failed: Callable[[WicError], None] | None = None,
        source: TokenSource | None = None,
    ) -> None:
        """Keep settings; nothing happens before `token`.

        Args:
            settings: the account's.
            on_token: called with each token that replaces another before that ends.
            on_failed: called when there will be no other, and the one there is will end.
            source: where the tokens come from, if not from where the settings say.
        """
        self._source = source or choose_source(settings, TokenStore())
        self._on_token = on_token or _ignore
        self._on_failed = on_failed or _ignore
        self._current: AccessToken | None = None
        self._obtaining: asyncio.Task[AccessToken] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._replacing: asyncio.Task[None] | None = None

    async def token(self) -> AccessToken:
        """Return a token that has not ended.

        Raises:
            SignInNeeded: only a person can get one, with `wic login`.
            SignInFailed: the WAF or the WWSF says no.
            TransportError: it cannot be reached.
            RemoteProtocolError: what it says makes no sense.
            ConfigurationError: a file cannot be used.
        """
        if self._current is not None and not _ended(self._current):
            return self._current
        return await self._obtain()

    async def renew(self) -> AccessToken:
        """Return another token, because the network does not accept this one.

        Raises:
            WicError: as for `token`.
        """
        return await self._obtain()

    async def close(self) -> None:
        """Stop replacing the token, and give back what was lent."""
        self._disarm()
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.gather(self._replacing, return_exceptions=True)
        if self._obtaining is not None:  # to its end: a token refreshed and not stored would be lost
            await asyncio.gather(self._obtaining, return_exceptions=True)
            self._disarm()  # the token that came has set the timer anew
        current, self._current = self._current, None
        if current is not None:
            await self._give_back(current)

    async def _give_back(self, current: AccessToken) -> None:
        try:
            await self._source.give_back(current)
        except WicError as error:
            _log.warning("the token was not given back: %s", error)

    async def _obtain(self) -> AccessToken:
        if self._obtaining is None:
            self._obtaining = asyncio.create_task(self._obtain_once(), name="access token")
            self._obtaining.add_done_callback(self._obtained)
        return await asyncio.shield(self._obtaining)

    async def _obtain_once(self) -> AccessToken:
        self._current = await self._source.obtain(self._current)
        self._arm(self._current)
        return self._current

    def _obtained(self, task: asyncio.Task[AccessToken]) -> None:
        self._obtaining = None
        if not task.cancelled():
            task.exception()  # looked at, in case nobody waits any more

    def _arm(self, token: AccessToken) -> None:
        """Set the one timer to when the token is to be replaced."""
        self._disarm()
        if token.expires_at is not None:
            delay = max((token.expires_at - time.time()) * _WHEN, _FIRST_PAUSE)
            self._timer = asyncio.get_running_loop().call_later(delay, self._due)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        self._replacing = asyncio.create_task(self._replace(), name="replace the access token")

    async def _replace(self) -> None:
        """Get the next token; try again while this one lasts and the reason may pass."""
        pause = _FIRST_PAUSE
        while True:
            try:
                token = await self._obtain()
            except WicError as error:
                wait, left = pause * random.uniform(0.5, 1.0), self._left()
                if not _may_pass(error) or left <= wait:
                    self._on_failed(error)
                    return
                _log.warning("no new access token yet: %s", error)
                # A server that wants to be left alone for longer than the token lasts is asked once more before.
                await asyncio.sleep(max(wait, min(_asked_wait(error), left / 2)))
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._on_token(token)
                return

    def _left(self) -> float:
        """Return for how many seconds the token in use lasts; only one that ends is replaced."""
        ends = None if self._current is None else self._current.expires_at
        return 0.0 if ends is None else ends - time.time()


def choose_source(settings: WebAuthorization, store: TokenStore) -> TokenSource:
    """Return the way to tokens that the settings ask for."""
    if settings.token is not None:
        return GivenToken(settings)
    own: TokenSource = SignedIn(settings, store) if settings.client_secret is None else ClientCredentials(settings)
    if settings.pool is None:
        return own
    return PoolLease(settings, user=own if settings.pool is PoolAccess.SIGNED_IN else None)


def _ended(token: AccessToken) -> bool:
    return token.expires_at is not None and token.expires_at <= time.time()


def _may_pass(error: WicError) -> bool:
    return isinstance(error, TransportError) or (isinstance(error, SignInFailed) and error.temporary)


def _asked_wait(error: WicError) -> float:
    return (error.retry_after or 0.0) if isinstance(error, SignInFailed) else 0.0


def _ignore(_: object) -> None:
    """Nobody listens."""
