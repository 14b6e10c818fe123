"""eIMS-AGW as the eP-CSCF controls it: a context for each session at each WIC, with a line for each m-line.

The eP-CSCF reserves lines while it rewrites an offer, connects them with what the answer says, and removes them with
the session. A context reports once when its media cannot go on: consent or DTLS towards the WIC is lost, or a core that
has sent before falls silent.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from wic.aio import TaskSet
from wic.errors import MediaFailed
from wic.media.certificate import Certificate
from wic.media.plain import PlainRtp
from wic.media.transport import MediaTransport, MediaTransportOptions, TransportState
from wic.media.udp import PortRange
from wic.network.agw.lines import MAX_MESSAGE_SIZE, SCTP_PORT, DataLine, Line, Role, RtpLine
from wic.network.agw.msrp import MsrpHub
from wic.option_checks import NumericOptions
from wic.transport.listener import cannot_listen

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.sdp.transport import TransportDescription
    from wic.sip.random_source import RandomSource

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgwOptions(NumericOptions):
    """Addresses, ports and limits of an eIMS-AGW; times in seconds."""

    access_address: str = "127.0.0.1"
    """Address towards the WICs; empty for all of this machine."""
    core_address: str = "127.0.0.1"
    """Address towards the core."""
    first_port: int = 30000
    """First of the ports for RTP from the core."""
    last_port: int = 39999
    """Last of the ports for RTP from the core."""
    msrp_port: int = 0
    """Port for MSRP from the core; 0 takes a free one."""
    max_contexts: int = 2000
    """Sessions at a time."""
    silence: float = 60.0
    """Time for which a core that has sent may send neither RTP nor RTCP."""
    transport: MediaTransportOptions | None = None
    """Options of the transports towards WICs; None gathers candidates on `access_address` only."""


class Agw:
    """eIMS-AGW; made by `open`. Every session gets a `context` of its own.

    Args:
        options: addresses, ports and limits.
        hub: its MSRP port, listening; closed together with it.
    """

    def __init__(self, options: AgwOptions, hub: MsrpHub) -> None:
        self._options = options
        self._hub = hub
        self._ports = PortRange(options.first_port, options.last_port)
        self.certificate = Certificate.generate()  # RFC 8122 §5: its fingerprint goes into the SDP
        """Certificate of the transports towards WICs."""
        self._contexts: set[AgwContext] = set()
        self._tasks = TaskSet()
        self._tasks.start(self._watch())

    @classmethod
    async def open(cls, random_source: RandomSource, options: AgwOptions | None = None) -> Self:
        """Listen for MSRP, and watch the core's media for silence.

        Raises:
            ConfigurationError: the MSRP port is taken or the address is not of this machine.
        """
        chosen = options or AgwOptions()
        host, port = chosen.core_address, chosen.msrp_port
        try:
            hub = await MsrpHub.open(host, port, random_source)
        except OSError as error:
            raise cannot_listen(host, port, error) from error
        return cls(chosen, hub)

    @property
    def msrp_port(self) -> int:
        """The port for MSRP."""
        return self._hub.port

    @property
    def contexts(self) -> int:
        """Number of sessions that have media here."""
        return len(self._contexts)

    async def _watch(self) -> None:
        while True:
            # One timer for all contexts: a quarter of the time is exact enough, and costs nothing per packet.
            await asyncio.sleep(self._options.silence / 4)
            now = asyncio.get_running_loop().time()
            for context in list(self._contexts):
                context.watch(now, self._options.silence)

    def context(self, on_lost: Callable[[str], None]) -> AgwContext:
        """Make a context for a session.

        Args:
            on_lost: told once, with the reason, when the media cannot go on.

        Raises:
            MediaFailed: too many sessions.
        """
        if len(self._contexts) >= self._options.max_contexts:
            raise MediaFailed(f"the eIMS-AGW has {len(self._contexts)} sessions already")
        context = AgwContext(self, on_lost)
        self._contexts.add(context)
        return context

    async def make_rtp(self) -> RtpLine:
        """Reserve ports for one RTP m-line."""
        transport = self._transport()
        # The transport holds sockets from here on: they are freed if the rest fails or is cancelled.
        try:
            access = await transport.gather()
            plain = PlainRtp(self._options.core_address, ports=self._ports)
        except BaseException:
            await transport.close()
            raise
        return RtpLine(transport, access, plain)

    async def make_data(self, *, offerer: bool) -> DataLine:
        """Reserve a transport and an MSRP session for one data channel m-line."""
        transport = self._transport()
        try:
            access = await transport.gather()
        except BaseException:
            await transport.close()
            raise
        access = replace(access, sctp_port=SCTP_PORT, max_message_size=MAX_MESSAGE_SIZE)
        return DataLine(transport, access, self._hub.link(), offerer=offerer)

    def _transport(self) -> MediaTransport:
        # No STUN and TURN towards WICs: the gateway is reachable at its address.
        address = self._options.access_address
        options = self._options.transport or MediaTransportOptions(addresses=(address,) if address else ())
        return MediaTransport(self.certificate, options)

    def forget(self, context: AgwContext) -> None:
        """Forget a context that is closed."""
        self._contexts.discard(context)

    async def close(self) -> None:
        """Close every context and the MSRP port."""
        for context in list(self._contexts):
            await context.close()
        await self._hub.close()
        await self._tasks.close()


class AgwContext:
    """Media of one session at one WIC."""

    def __init__(self, gateway: Agw, on_lost: Callable[[str], None]) -> None:
        self.lines: dict[int, Line] = {}  # by the WIC's index of the m-line
        self._gateway = gateway
        self._on_lost: Callable[[str], None] | None = on_lost
        self._tasks = TaskSet()
        self._connected: set[int] = set()
        self._heard: dict[int, tuple[int, float]] = {}  # packets from the core, and since when there were no more
        self._closed = False

    async def add_rtp(self, index: int) -> None:
        """Reserve an RTP line.

        Raises:
            MediaFailed: no ports, or the context was closed meanwhile.
        """
        await self._add(index, await self._gateway.make_rtp())

    async def add_data(self, index: int, *, offerer: bool) -> None:
        """Reserve a line for data channels; the core gets our offer of MSRP if we are the offerer.

        Raises:
            MediaFailed: no ports, or the context was closed meanwhile.
        """
        await self._add(index, await self._gateway.make_data(offerer=offerer))

    async def _add(self, index: int, line: Line) -> None:
        # Gathering candidates takes time, in which a CANCEL may have closed the context.
        if self._closed:
            await line.close()
            raise MediaFailed("the session ended while its media were prepared")
        self.lines[index] = line
        line.transport.on_state = self._state_changed

    def connect_access(self, index: int, remote: TransportDescription, *, controlling: bool, role: Role) -> None:
        """Connect one line to the WIC in the background; once for each line."""
        # Each answer of a forked call comes here; ICE and DTLS begin with the first one.
        if index in self._connected:
            return
        self._connected.add(index)
        self._tasks.start(self._connect(index, self.lines[index], remote, controlling, role))

    async def _connect(
        self, index: int, line: Line, remote: TransportDescription, controlling: bool, role: Role
    ) -> None:
        try:
            await line.connect_access(remote, controlling=controlling, role=role)
        except MediaFailed as failure:
            if self.lines.get(index) is line:  # else it was removed, and the session goes on without it
                self._lost(str(failure))

    def _state_changed(self, state: TransportState, failure: MediaFailed | None) -> None:
        if state is TransportState.FAILED:
            self._lost(str(failure))

    def watch(self, now: float, silence: float) -> None:
        """Report a core that has fallen silent."""
        for index, line in self.lines.items():
            # A core that has never sent may be a phone that does not answer; on hold it is silent on purpose.
            if not isinstance(line, RtpLine) or not line.awaited or not line.heard_from_core:
                self._heard.pop(index, None)
                continue
            count, since = self._heard.get(index, (0, now))
            if count != line.heard_from_core:
                self._heard[index] = (line.heard_from_core, now)
            elif now - since >= silence:
                self._lost(f"nothing came from the core for {silence:g} s")
                return

    def _lost(self, reason: str) -> None:
        _log.info("media lost: %s", reason)
        # Every line may report the same loss: the session is ended once.
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost(reason)

    async def remove(self, index: int) -> None:
        """Close one line."""
        line = self.lines.pop(index, None)
        if line is not None:
            self._connected.discard(index)
            await line.close()

    async def close(self) -> None:
        """Close every line, and report nothing any more."""
        self._closed = True
        self._on_lost = None
        for index in list(self.lines):
            await self.remove(index)
        await self._tasks.close()
        self._gateway.forget(self)
