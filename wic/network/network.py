"""An IMS network in one process: eP-CSCF, eIMS-AGW, S-CSCF, HSS, WAF and WWSF, each on sockets of its own."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Self, TypeAlias

from wic.accounts.accounts_file import AccountsFile
from wic.errors import ConfigurationError
from wic.network.agw.gateway import Agw
from wic.network.certificates import CA_FILE, CertificateAuthority
from wic.network.default_subscribers import DefaultSubscribers, DefaultWebUsers
from wic.network.directory import ACCOUNTS_FILE, DATABASE_FILE, NetworkDirectory, Ports
from wic.network.enrolment import Enrolment, SubscriberIdentities
from wic.network.epcscf.options import EPcscfOptions
from wic.network.epcscf.server import EPcscf
from wic.network.hss import Hss
from wic.network.names import EPCSCF, SCSCF
from wic.network.node import ALL_ADDRESSES, LOOPBACK, address_of, local_address, name_of, sip_uri
from wic.network.options import NetworkOptions, Ready
from wic.network.own_flows import OwnFlows
from wic.network.scscf.options import ScscfOptions
from wic.network.scscf.server import Scscf
from wic.network.web_access import WebAccess, WebAccessOptions, make_validator
from wic.registration.reg_event.reginfo import ContactEvent
from wic.transport.driver import SystemRandomSource

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from wic.auth.secret import Secret
    from wic.network.tokens import TokenValidator, TrustedIssuer
    from wic.sip.flow import Flow
    from wic.sip.trace import Direction

EntityObserver: TypeAlias = "Callable[[str, float, Direction, bytes, Flow], None]"


class ImsNetwork:
    """A running network, as an async context manager.

    Raises:
        ConfigurationError: the directory cannot be used, or another network runs in it; a port is taken, or the core cannot be reached.
    """

    def __init__(self, options: NetworkOptions | None = None) -> None:
        self._options = options or NetworkOptions()
        self._epcscf: EPcscf | None = None
        self._own_flows = OwnFlows()

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
            wwsf=None if self.web is None else self.web.wwsf.url,
            waf=None if self.web is None else self.web.waf.url,
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
        """Add a subscriber `sip:NAME@DOMAIN` with a password and an account `NAME`, or give them another password.

        Args:
            name: user part of the identities, and the account's name.
            password: one nobody can guess if None.
            tel: a telephone number for the implicit registration set, such as `tel:+4930123`.
            algorithm: the only Digest algorithm that the subscriber may use; None allows all.

        Raises:
            ConfigurationError: the name or number makes no identity, or the file cannot be written.
        """
        new = SubscriberIdentities(name=name, further=(tel,) if tel else ())
        self._enrolment.add_digest(new, password=password, algorithm=algorithm)

    @property
    def _enrolment(self) -> Enrolment:
        return Enrolment(self.hss, self.accounts, self.wss_url, self._options.insecure)

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
        self._running: list[Agw | Scscf | EPcscf | TokenValidator | WebAccess] = []
        self._hss: Hss | None = None
        self._directory: NetworkDirectory | None = None
        self._name = options.name or name_of(options.host)
        self._directory = NetworkDirectory(options.directory)
        self.directory = self._directory.path
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
        self._epcscf = self._own_flows.edge = None
        mw_host = options.mw_host or await self._towards_core()
        random_source = SystemRandomSource()
        access = "" if options.host in ALL_ADDRESSES else options.host
        agw_options = replace(options.agw, access_address=access, core_address=mw_host, msrp_port=ports.msrp)
        self.agw = await Agw.open(random_source, agw_options)
        self._running.append(self.agw)
        self.scscf = await self._start_scscf(mw_host, ports)
        self.web, issuers = await self._start_waf(context, ports)
        epcscf = EPcscfOptions(
            domain=options.domain,
            host=options.host,
            name=self._name,
            port=ports.wss,
            mw_host=mw_host,
            mw_port=ports.epcscf,
            core=options.core or self.sip_uri or "",
            ssl_context=context,
            integrity_protected=options.integrity_protected,
            authz_server=issuers[0].issuer if issuers else None,
            origins=options.origins,
            grace=options.grace,
            requests_per_second=options.requests_per_second,
            requests_at_once=options.requests_at_once,
            reg_event=options.reg_event,
            timers=options.timers,
        )
        validator = make_validator(issuers, self.ca_path if context is not None else None)
        if validator is not None:
            self._running.append(validator)
        edge = await EPcscf.open(self.agw, epcscf, random_source, validator=validator)
        self._running.append(edge)
        self._epcscf, self._own_flows.edge = edge, edge.node
        if self.web is not None:
            await self.web.start_wwsf(self.wss_url, on_lent=self._end_registration if self.scscf else None)
        self._taken(ports).remember(self.directory)

    def _end_registration(self, impi: str) -> None:
        """End what the last holder of a lent identity has left (TS 24.371 §6A.3)."""
        assert self.scscf is not None, "there is one to ask"
        self.scscf.location_service.deregister(impi, ContactEvent.REJECTED, now=time.time())
        self.scscf.node.driver.pump()

    def _taken(self, asked: Ports) -> Ports:
        """Return the ports that the entities have got; those of entities that do not run stay as they are."""
        return Ports(
            wss=self.epcscf.port,
            epcscf=self.epcscf.node.mw.port,
            scscf=self.scscf.node.mw.port if self.scscf else asked.scscf,
            msrp=self.agw.msrp_port,
            waf=self.web.waf.port if self.web else asked.waf,
            wwsf=self.web.wwsf.port if self.web else asked.wwsf,
        )

    async def _start_waf(
        self, context: ssl.SSLContext | None, ports: Ports
    ) -> tuple[WebAccess | None, tuple[TrustedIssuer, ...]]:
        """Start the WAF; return it with all whose tokens are believed."""
        options = self._options
        if not options.web or context is None:
            return None, options.issuers
        web = WebAccess(
            WebAccessOptions(
                directory=self.directory,
                domain=options.domain,
                host=options.host,
                name=self._name,
                ssl_context=context,
                ca=self.ca_path,
                waf_port=ports.waf,
                wwsf_port=ports.wwsf,
                pool=options.pool,
            )
        )
        self._running.append(web)
        return web, (await web.start_waf(), *options.issuers)

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
        scscf = await Scscf.open(self.hss, trust=self._own_flows.holds, options=settings)
        self._running.append(scscf)
        return scscf

    @property
    def epcscf(self) -> EPcscf:
        """The P-CSCF that WICs connect to."""
        assert self._epcscf is not None, "the network is running"
        return self._epcscf

    @property
    def hss(self) -> Hss:
        """The subscriber database."""
        assert self._hss is not None, "the network is running"
        return self._hss

    def _ssl_context(self) -> ssl.SSLContext | None:
        if self._options.insecure:
            return None
        names = {self._options.host, self._name, "localhost", "127.0.0.1", self._options.domain}
        return CertificateAuthority(self.directory).server_context(*sorted(names))

    def _write_accounts(self) -> None:
        """Point the accounts to where the network listens, and make those that are missing."""
        if self.accounts.names():
            web = {} if self.web is None else {"waf": self.web.waf.url, "wwsf": self.web.wwsf.url}
            ca = None if self._options.insecure else CA_FILE
            self.accounts.move(self.wss_url, domain=self._options.domain, ca=ca, web=web)
        residents = DefaultSubscribers(self._enrolment)
        for name in self._options.subscribers:
            residents.add(name, usim=name in self._options.usims)
        if self.web is not None:
            guests = DefaultWebUsers(self._enrolment, self.web)
            for name in self._options.web_users:
                guests.add_web_user(name)
            guests.add_guests(self._options.guests, anonymous=self._options.anonymous)

    async def _stop(self) -> None:
        await self._stop_entities()
        if self._hss is not None:
            self._hss.close()
        if self._directory is not None:
            self._directory.close()

    async def _stop_entities(self) -> None:
        """Stop, the last one started first."""
        while self._running:
            await self._running.pop().close()
