"""A client's way to the network: one connection, one endpoint, one registration."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from wic.auth import DigestClient, DigestCredentials
from wic.call import ALLOWED, CallProfile
from wic.errors import FlowLost, RegistrationFailed, TransportError, WicError
from wic.registration import (
    BindingCreated,
    BindingLost,
    BindingRefreshed,
    BindingRemoved,
    Identity,
    RegisterFailed,
    Registration,
    RegistrationOptions,
    websocket_contact,
)
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.events import FlowClosed
from wic.sip.headers.address import NameAddr
from wic.sip.uri import Uri
from wic.transport.driver import Driver
from wic.transport.tls import client_context
from wic.transport.tokens import RandomTokens
from wic.transport.websocket import WebSocketOptions, connect_websocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.client.account import Account
    from wic.client.options import ClientOptions
    from wic.registration import Binding, RegistrationEvent
    from wic.sip.events import Event
    from wic.sip.flow import Flow
    from wic.sip.tokens import Tokens
    from wic.transport.base import Connection

__all__ = ["Signalling"]

_log = logging.getLogger(__name__)


class Signalling:
    """Opened once, closed once; what does not belong to the registration goes to `on_event`."""

    def __init__(
        self,
        account: Account,
        options: ClientOptions,
        *,
        on_event: Callable[[Event], None],
        on_lost: Callable[[WicError], None],
    ) -> None:
        self._account = account
        self._options = options
        self._on_event = on_event
        self._on_lost = on_lost
        self.tokens: Tokens = RandomTokens()
        host = f"{self.tokens.hex(6)}.invalid"  # RFC 7118 §5: nobody can connect to this client
        impu = Uri.parse(account.impu)
        self._identity = Identity(
            impu=impu, domain=account.domain, instance=account.instance, contact=websocket_contact(impu.user, host)
        )
        credentials = DigestCredentials(username=account.impi, secret=account.password, realm=account.domain)
        self._authenticator = DigestClient(credentials, tokens=self.tokens)
        self.endpoint = Endpoint(
            tokens=self.tokens,
            options=EndpointOptions(
                timers=options.timers,
                methods=frozenset(ALLOWED),
                extensions=frozenset(),
                via={"WSS": (host, None), "WS": (host, None)},
            ),
        )
        self.driver = Driver(self.endpoint, on_event=self._event)
        self._connection: Connection | None = None
        self._registration: Registration | None = None
        self._registered = asyncio.Event()
        self._removed = asyncio.Event()
        self._failure: WicError | None = None

    @property
    def now(self) -> float:
        """The time in the clock that endpoint, sessions and registration share."""
        return self.driver.now

    @property
    def binding(self) -> Binding | None:
        """What the registrar granted, while it lasts."""
        return None if self._registration is None else self._registration.binding

    @property
    def flow(self) -> Flow:
        """The connection to the network.

        Raises:
            FlowLost: there is none.
        """
        if self._connection is None:
            raise FlowLost("the client is not connected")
        return self._connection.flow

    @property
    def profile(self) -> CallProfile:
        """The identity to make and take calls with (TS 24.229 §5.1.2A.1)."""
        binding = self.binding
        contact = self._identity.contact if binding is None else binding.public_gruu or self._identity.contact
        return CallProfile(
            identity=self._identity.impu,
            contact=NameAddr("", contact),
            flow=self.flow,
            service_route=() if binding is None else binding.service_route,
            user_agent=self._options.user_agent,
            authenticator=self._authenticator,
        )

    async def open(self) -> None:
        """Connect and register.

        Raises:
            ConfigurationError: a file of the account cannot be used.
            TransportError: there is no connection to be had, or it was lost.
            AuthenticationFailed: the network does not accept the credentials.
            RegistrationFailed: the network refused the registration, or did not answer.
        """
        self._connection = await connect_websocket(
            self._account.server, handler=self.driver, options=self._websocket_options()
        )
        self._registration = Registration(
            self.endpoint,
            identity=self._identity,
            flow=self._connection.flow,
            credentials=self._authenticator,
            options=RegistrationOptions(expires=self._account.expires, user_agent=self._options.user_agent or None),
        )
        self.driver.add_timer_source(_Pumped(self._registration, self._drain))
        self._registration.register(now=self.now)
        self.driver.pump()
        try:
            async with asyncio.timeout(self._options.register_timeout):
                await self._registered.wait()
        except TimeoutError:
            raise RegistrationFailed(
                f"{self._account.domain} did not answer the registration within {self._options.register_timeout:g} s"
            ) from None
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Deregister, as far as that is possible in reasonable time, and close the connection."""
        try:
            if self._registration is not None and self._failure is None:
                self._registration.deregister(now=self.now)
                self._drain()
                self.driver.pump()
                async with asyncio.timeout(self._options.close_timeout):
                    await self._removed.wait()
        except TimeoutError:
            _log.warning("the network did not confirm the deregistration of %s", self._account.impu)
        finally:
            await self.driver.close("the client is done")

    def _websocket_options(self) -> WebSocketOptions:
        secure = self._account.server.startswith("wss:")
        return WebSocketOptions(
            ssl_context=client_context(ca=self._account.ca) if secure else None,
            open_timeout=self._options.connect_timeout,
        )

    def _event(self, event: Event) -> None:
        registration = self._registration
        mine = registration is not None and registration.handle(event, now=self.now)
        self._drain()
        if not mine:
            self._on_event(event)
        if isinstance(event, FlowClosed) and self._connection is not None and event.flow == self._connection.flow:
            self._lose(FlowLost(f"the connection to {self._account.server} was lost: {event.reason}"))

    def _drain(self) -> None:
        while self._registration is not None and (event := self._registration.next_event()) is not None:
            self._take(event)

    def _take(self, event: RegistrationEvent) -> None:
        match event:
            case BindingCreated() | BindingRefreshed():
                self._registered.set()
            case BindingRemoved():
                if event.error is not None:
                    _log.warning("the deregistration of %s failed: %s", self._account.impu, event.error)
                self._removed.set()
            case RegisterFailed() | BindingLost():
                if event.retry_after is None or not self._registered.is_set():
                    self._lose(event.error)
                else:
                    _log.warning("registration lost, trying again in %g s: %s", event.retry_after, event.error)

    def _lose(self, error: WicError) -> None:
        if self._failure is None or isinstance(error, TransportError):
            self._failure = error
        self._registered.set()
        self._removed.set()
        self._on_lost(self._failure)


class _Pumped:
    """A registration as a timer source: what its timers make it say is heard."""

    def __init__(self, registration: Registration, drain: Callable[[], None]) -> None:
        self._registration = registration
        self._drain = drain

    def next_timeout(self) -> float | None:
        """Return when the registration is due."""
        return self._registration.next_timeout()

    def handle_timeout(self, *, now: float) -> None:
        """Refresh, or try again."""
        self._registration.handle_timeout(now=now)
        self._drain()
