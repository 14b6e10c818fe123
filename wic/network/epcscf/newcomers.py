"""Connections of WICs as they open."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sip.flow import Flow
    from wic.transport.base import Connection
    from wic.transport.driver import Driver


class Newcomers:
    """Stands before a driver and tells of each connection that opens; a `FlowHandler`.

    Args:
        driver: is told everything.
        on_opened: is told the flow.
    """

    def __init__(self, driver: Driver, on_opened: Callable[[Flow], None]) -> None:
        self._driver = driver
        self._on_opened = on_opened
        self.received = driver.received
        self.closed = driver.closed

    def opened(self, connection: Connection) -> None:
        """Pass a connection on, and tell of it."""
        self._driver.opened(connection)
        self._on_opened(connection.flow)
        self._driver.pump()
