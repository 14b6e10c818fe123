"""A client's access to the network: the server whose turn it is, the connection to it, and each try to register."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from wic.client.trial import Trial
from wic.errors import FlowLost, RegistrationFailed, SignInFailed, TransportError
from wic.registration import Backoff

if TYPE_CHECKING:
    from wic.client.credentials import Credentials
    from wic.client.dialling import Dial
    from wic.client.options import ClientOptions
    from wic.client.registering import Registering
    from wic.client.servers import Servers
    from wic.sip.flow import Flow
    from wic.transport.base import Connection
    from wic.transport.driver import Driver

__all__ = ["Access"]

_log = logging.getLogger(__name__)


class Access:
    """Tries to be registered when it is told to, and lets go of connections that lead nowhere."""

    __slots__ = (
        "_credentials",
        "_dial",
        "_driver",
        "_options",
        "_trial",
        "_verdict",
        "connection",
        "registering",
        "servers",
        "wants_token",
    )

    def __init__(
        self,
        registering: Registering,
        servers: Servers,
        options: ClientOptions,
        *,
        driver: Driver,
        dial: Dial,
        credentials: Credentials,
    ) -> None:
        self.registering = registering
        self.servers = servers
        self.connection: Connection | None = None
        """The connection that there is."""
        self.wants_token = False
        """Whether the network has refused the access token."""
        self._options = options
        self._driver = driver
        self._dial = dial
        self._credentials = credentials
        self._trial: asyncio.Event | None = None
        self._verdict = Trial()

    async def attempt(self, *, patient: bool) -> Trial:
        """Connect if there is no connection, and register over it.

        Args:
            patient: whether to wait for a web server that has no token to give for now.

        Raises:
            ConfigurationError: a file of the account cannot be used.
            RemoteProtocolError: a web server makes no sense.
        """
        try:
            if self.connection is None:
                self.connection = await self._connect()
            trial = await self._register(self.connection, patient)
        except TransportError as error:
            trial = Trial(error, elsewhere=True)
        except SignInFailed as error:
            trial = Trial(error)
        if not trial.kept:
            await self.hang_up("the registration failed")
        return trial

    def judge(self, trial: Trial) -> bool:
        """Give whoever waits for a try its outcome; False if nobody does.

        What a 200 granted may be taken away before anybody has looked.
        """
        if self._trial is None:
            return False
        if not self._trial.is_set() or self._verdict.error is None:
            self._verdict = trial
        self._trial.set()
        return True

    def lost(self, flow: Flow) -> bool:
        """Forget the connection if this is its flow; return whether it is."""
        if self.connection is None or flow != self.connection.flow:
            return False
        self.connection = None
        return True

    async def hang_up(self, reason: str) -> None:
        """Close the connection that there is."""
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.close(reason)

    async def _connect(self) -> Connection:
        connection = await self._dial(self.servers.current, self._driver)
        connection.keep_alive(self._options.keep_alive)
        return connection

    async def _register(self, connection: Connection, patient: bool) -> Trial:
        """Register; a token that is refused is replaced once."""
        if not self.wants_token:
            trial = await self._register_once(connection)
            if not self.wants_token:
                return trial
        await self._renew(patient)
        self.wants_token = False
        trial = await self._register_once(connection)
        if self.wants_token:
            self.wants_token = False
            return Trial(trial.error)
        return trial

    async def _renew(self, patient: bool) -> None:
        """Get another token; calls go on over the connection that there is while a web server is away."""
        pauses = Backoff(self._options.chance, self._options.backoff)
        while True:
            try:
                return await self._credentials.renew()
            except (SignInFailed, TransportError) as error:
                wanted = error.retry_after if isinstance(error, SignInFailed) else None
                if not patient or (isinstance(error, SignInFailed) and not error.temporary):
                    raise
                wait = pauses.fail(retry_after=wanted)
                _log.warning("no access token: %s; trying again in %.0f s", error, wait)
            await asyncio.sleep(wait)

    async def _register_once(self, connection: Connection) -> Trial:
        if connection is not self.connection:
            raise self._flow_lost()
        judged = self._trial = asyncio.Event()
        try:
            self.registering.register(connection.flow, now=self._driver.now)
            self._driver.pump()
            async with asyncio.timeout(self._options.register_timeout):
                await judged.wait()
            return self._verdict
        except TimeoutError:
            within = f"within {self._options.register_timeout:g} s"
            error = RegistrationFailed(f"the network did not answer the registration {within}")
            return Trial(error, elsewhere=True)
        finally:
            self._trial = None

    def _flow_lost(self) -> FlowLost:
        return FlowLost(f"the connection to {self.servers.current} was lost meanwhile")
