"""An IMS network in one process: eP-CSCF, eIMS-AGW, S-CSCF and HSS, each on sockets of its own."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias, TypedDict

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.accounts import AccountsFile
from wic.network.agw.gateway import Agw, AgwOptions
from wic.network.certificates import CA_FILE, CertificateAuthority
from wic.network.epcscf.options import EPcscfOptions
from wic.network.epcscf.server import EPcscf
from wic.network.hss import Hss
from wic.network.node import LOOPBACK, address_of, local_address, sip_uri
from wic.network.ports import Ports
from wic.network.provisioning import ACCOUNTS_FILE, DATABASE_FILE, add_subscriber
from wic.network.scscf.server import Scscf, ScscfOptions
from wic.sip.timers import RFC3261, Timers
from wic.transport.tokens import RandomTokens

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType

    from wic.network.scscf.options import RegistrarOptions
    from wic.sip.flow import Flow
    from wic.transport.driver import Direction

EPCSCF = "eP-CSCF"
SCSCF = "S-CSCF"
"""What the entities are called in traces and ladders."""

EntityObserver: TypeAlias = "Callable[[str, float, Direction, bytes, Flow], None]"


class Ready(TypedDict):
    """Where a network listens, as `wic network up --json` prints it; None is not running."""

    ready: bool
    wss: str
    sip: str | None
    wwsf: str | None
    waf: str | None
    accounts: str
    ca: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """Options of an `ImsNetwork`."""

    directory: Path | None = None
    """Keeps CA, database, accounts and ports; None takes a temporary one that is removed in the end."""
    domain: str = "ims.example"
    """Home domain."""
    host: str = "127.0.0.1"
    """Address for WICs and their media."""
    mw_host: str | None = None
    """Address between the entities, and towards another core; None is loopback, or what leads to that core."""
    port_base: int | None = None
    """First of four consecutive ports; None takes those of the last time, or free ones."""
    core: str | None = None
    """SIP URI of another core behind our eP-CSCF; then no S-CSCF of ours is started."""
    insecure: bool = False
    """WS instead of WSS, for peers that cannot speak TLS."""
    subscribers: tuple[str, ...] = ("alice", "bob")
    """Users to be made, with accounts, unless they are there."""
    integrity_protected: str = "tls-protected"
    """See `EPcscfOptions`."""
    grace: float = 30.0
    """Seconds for which the calls of a WIC wait for it after its connection broke."""
    registrar: RegistrarOptions | None = None
    """What the S-CSCF grants."""
    timers: Timers = RFC3261
    """SIP timers of eP-CSCF and S-CSCF."""
    agw: AgwOptions = field(default_factory=AgwOptions)
    """Ports and times of the eIMS-AGW; its addresses and MSRP port are set by the network."""


class ImsNetwork:
    """A running network, as an async context manager.

    Raises:
        ConfigurationError: the directory cannot be used, a port is taken, or the core cannot be reached.
    """

    def __init__(self, options: NetworkOptions | None = None) -> None:
        self._options = options or NetworkOptions()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    # What users see

    @property
    def wss_url(self) -> str:
        """Where WICs connect."""
        return self.epcscf.url

    @property
    def sip_uri(self) -> str | None:
        """Where the S-CSCF listens; None with another core."""
        return None if self.scscf is None else f"sip:{self.scscf.node.mw.host}:{self.scscf.node.mw.port}"

    @property
    def ca_path(self) -> Path:
        """Certificate of the test CA, which clients have to trust."""
        return self.directory / CA_FILE

    @property
    def accounts_path(self) -> Path:
        """The accounts file."""
        return self.accounts.path

    def ready(self) -> Ready:
        """Return where the network listens."""
        return Ready(
            ready=True,
            wss=self.wss_url,
            sip=self.sip_uri,
            wwsf=None,
            waf=None,
            accounts=str(self.accounts_path),
            ca=None if self._options.insecure else str(self.ca_path),
        )

    def on_message(self, observer: EntityObserver) -> None:
        """Show every SIP message that an entity sends or receives, secrets included; on Mw each is seen at both ends.

        Args:
            observer: called with the entity's name, the time, the direction, the bytes and the flow.
        """
        self.epcscf.node.driver.add_observer(partial(observer, EPCSCF))
        if self.scscf is not None:
            self.scscf.node.driver.add_observer(partial(observer, SCSCF))

    def add_subscriber(
        self, name: str, *, password: Secret | None = None, tel: str | None = None, algorithm: str | None = None
    ) -> None:
        """Add a subscriber `sip:NAME@DOMAIN` and an account `NAME`, or give them another password.

        Args:
            name: user part of the identities, and the account's name.
            password: one nobody can guess if None.
            tel: a telephone number for the implicit registration set, such as `tel:+4930123`.
            algorithm: the only Digest algorithm that the subscriber may use; None allows all.

        Raises:
            ConfigurationError: the name or number makes no identity, or the file cannot be written.
        """
        add_subscriber(
            self.hss,
            self.accounts,
            name,
            server=self.wss_url,
            insecure=self._options.insecure,
            tel=tel,
            password=password,
            algorithm=algorithm,
        )

    # Life

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _start(self) -> None:
        options = self._options
        self._running: list[Agw | Scscf | EPcscf] = []
        self._hss: Hss | None = None
        self.directory = self._open_directory()
        self.accounts = AccountsFile(self.directory / ACCOUNTS_FILE)
        self._hss = Hss(self.directory / DATABASE_FILE, realm=options.domain)
        context = self._ssl_context()
        if options.port_base is not None:
            await self._listen(Ports.from_base(options.port_base), context)
        else:
            await self._listen_again(context)
        self._write_accounts()

    async def _listen_again(self, context: ssl.SSLContext | None) -> None:
        """Listen on the ports of the last time, or on free ones if somebody has taken them."""
        remembered = Ports.remembered(self.directory)
        try:
            await self._listen(remembered, context)
        except ConfigurationError:
            if remembered == Ports():
                raise
            await self._stop_entities()
            await self._listen(Ports(), context)

    async def _listen(self, ports: Ports, context: ssl.SSLContext | None) -> None:
        """Start the entities, each before those that need it."""
        options = self._options
        mw_host = options.mw_host or await self._towards_core()
        tokens = RandomTokens()
        access = "" if options.host in ("0.0.0.0", "::") else options.host
        self.agw = Agw(tokens, replace(options.agw, access_address=access, core_address=mw_host, msrp_port=ports.msrp))
        self._running.append(self.agw)
        await self.agw.start()
        self.scscf = await self._start_scscf(mw_host, ports)
        epcscf = EPcscfOptions(
            domain=options.domain,
            host=options.host,
            port=ports.wss,
            mw_host=mw_host,
            mw_port=ports.epcscf,
            core=options.core or self.sip_uri or "",
            ssl_context=context,
            integrity_protected=options.integrity_protected,
            grace=options.grace,
            timers=options.timers,
        )
        self.epcscf = EPcscf(self.agw, epcscf, tokens)
        self._running.append(self.epcscf)
        await self.epcscf.start()
        scscf_port = self.scscf.node.mw.port if self.scscf else ports.scscf
        Ports(self.epcscf.port, self.epcscf.node.mw.port, scscf_port, self.agw.msrp_port).remember(self.directory)

    async def _towards_core(self) -> str:
        """Return an address for Mw: loopback, unless the core is elsewhere."""
        if self._options.core is None:
            return LOOPBACK
        return local_address(await address_of(sip_uri(self._options.core).host))

    async def _start_scscf(self, host: str, ports: Ports) -> Scscf | None:
        options = self._options
        if options.core is not None:
            return None
        settings = ScscfOptions(domain=options.domain, host=host, port=ports.scscf, timers=options.timers)
        if options.registrar is not None:
            settings = replace(settings, registrar=options.registrar)
        scscf = Scscf(self.hss, trust=self._is_epcscf, options=settings)
        self._running.append(scscf)
        await scscf.start()
        return scscf

    @property
    def hss(self) -> Hss:
        """The subscriber database."""
        assert self._hss is not None, "the network is running"
        return self._hss

    def _is_epcscf(self, flow: Flow) -> bool:
        """Tell whether a flow of the S-CSCF begins at our eP-CSCF (TS 33.210: one security domain)."""
        node = self.epcscf.node
        if flow.transport == "UDP":
            return flow.remote == (node.mw.host, node.mw.port)
        return any(connection.flow.local == flow.remote for connection in node.driver.connections)

    def _open_directory(self) -> Path:
        if self._options.directory is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="wic-network-")
            return Path(self._temporary.name)
        directory = self._options.directory
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigurationError(f"cannot use the directory {directory}: {error.strerror}") from error
        return directory

    def _ssl_context(self) -> ssl.SSLContext | None:
        if self._options.insecure:
            return None
        names = {self._options.host, "localhost", "127.0.0.1", self._options.domain}
        return CertificateAuthority(self.directory).server_context(*sorted(names))

    def _write_accounts(self) -> None:
        """Point the accounts to where the network listens, and make those that are missing."""
        if self.accounts.names():
            self.accounts.move(self.wss_url, ca=None if self._options.insecure else CA_FILE)
        for name in self._options.subscribers:
            account = self.accounts.get(name)
            known = self.hss.subscriber(f"{name}@{self._options.domain}")
            if account is None or known is None:
                password = None if account is None else account.get("password")
                self.add_subscriber(name, password=Secret(password) if isinstance(password, str) else None)

    async def _stop(self) -> None:
        await self._stop_entities()
        if self._hss is not None:
            self._hss.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    async def _stop_entities(self) -> None:
        """Stop, the last one started first."""
        while self._running:
            await self._running.pop().close()
