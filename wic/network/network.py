"""IMS network in one process: eP-CSCF, eIMS-AGW, S-CSCF, HSS, WAF and WWSF, each on sockets of its own."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self, TypeAlias

from wic.accounts.accounts_file import AccountsFile
from wic.errors import LocalProtocolError, PortTaken
from wic.network.certificates import CA_FILE, CertificateAuthority
from wic.network.default_subscribers import DefaultSubscribers, DefaultWebUsers
from wic.network.directory import ACCOUNTS_FILE, DATABASE_FILE, NetworkDirectory, Ports
from wic.network.enrolment import AccountServers, Enrolment, NewSubscriber
from wic.network.entities import NetworkEntities
from wic.network.hss import Hss
from wic.network.names import EPCSCF, SCSCF
from wic.network.node import name_of
from wic.network.options import NetworkOptions, Ready
from wic.network.web_files import WebFiles

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from wic.auth.secret import Secret
    from wic.network.agw.gateway import Agw
    from wic.network.epcscf.server import EPcscf
    from wic.network.scscf.server import Scscf
    from wic.network.web_access import WebAccess
    from wic.sip.flow import Flow
    from wic.sip.trace import Direction

EntityObserver: TypeAlias = "Callable[[str, float, Direction, bytes, Flow], None]"


@dataclass(frozen=True, slots=True)
class _Running:
    """Parts of a running network."""

    directory: Path
    accounts: AccountsFile
    enrolment: Enrolment
    hss: Hss
    entities: NetworkEntities
    closing: AsyncExitStack
    """Closes them, the last one opened first."""


class ImsNetwork:
    """IMS network that runs within an `async with` block.

    Args:
        options: options of the network.

    Raises:
        ConfigurationError: on entering the block, if the directory cannot be used or another network runs in it, a port
            is taken, or the core cannot be reached.
    """

    def __init__(self, options: NetworkOptions | None = None) -> None:
        self._options = options or NetworkOptions()
        self._opened: _Running | None = None

    async def __aenter__(self) -> Self:
        """Open the network."""
        self._opened = await _open(self._options)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the network."""
        await self._running.closing.aclose()

    @property
    def _running(self) -> _Running:
        if self._opened is None:
            raise LocalProtocolError("the network does not run yet: enter it by `async with`")
        return self._opened

    @property
    def wss_url(self) -> str:
        """URL to which WICs connect."""
        return self.epcscf.url

    @property
    def sip_uri(self) -> str | None:
        """URI of the S-CSCF; None with another core."""
        return None if self.scscf is None else self.scscf.uri

    @property
    def ca_path(self) -> Path:
        """Path of the certificate of the test CA, which clients have to trust."""
        return self.directory / CA_FILE

    @property
    def accounts_path(self) -> Path:
        """Path of the accounts file."""
        return self.accounts.path

    def ready(self) -> Ready:
        """Return the addresses of the network."""
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
            password: a random one if None.
            tel: a telephone number for the implicit registration set, such as `tel:+4930123`.
            algorithm: the only Digest algorithm that the subscriber may use; None allows all.

        Raises:
            ConfigurationError: the name or number cannot be part of an identity, or the file cannot be written.
        """
        further = (tel,) if tel else ()
        self.add_subscribers([NewSubscriber(name=name, password=password, further=further, algorithm=algorithm)])

    def add_subscribers(self, subscribers: Iterable[NewSubscriber | str]) -> None:
        """Add subscribers with accounts, all of them or none, or give those that exist other credentials.

        The event loop waits meanwhile: some 0.1 s for a thousand, and 50 s for a thousand web users, whose passwords are
        hashed to be hard to guess.

        Args:
            subscribers: what is to be added; a text is the name of a subscriber with a random password.

        Raises:
            ConfigurationError: a value cannot be used, the network has no WAF for a web user, or a file cannot be written.
            StorageFailed: a database cannot be written.
        """
        new = (NewSubscriber(name=each) if isinstance(each, str) else each for each in subscribers)
        enrolment = self._running.enrolment
        enrolment.store([enrolment.prepare(each) for each in new])

    # Parts

    @property
    def directory(self) -> Path:
        """Directory of the network."""
        return self._running.directory

    @property
    def accounts(self) -> AccountsFile:
        """Accounts file."""
        return self._running.accounts

    @property
    def hss(self) -> Hss:
        """Subscriber database."""
        return self._running.hss

    @property
    def epcscf(self) -> EPcscf:
        """eP-CSCF, to which WICs connect."""
        return self._running.entities.epcscf

    @property
    def agw(self) -> Agw:
        """eIMS-AGW."""
        return self._running.entities.agw

    @property
    def scscf(self) -> Scscf | None:
        """S-CSCF; None with another core."""
        return self._running.entities.scscf

    @property
    def web(self) -> WebAccess | None:
        """WAF and WWSF; None if they do not run."""
        return self._running.entities.web


async def _open(options: NetworkOptions) -> _Running:
    """Open a network: its directory and files, then its entities, then the accounts of its subscribers."""
    async with AsyncExitStack() as stack:
        held = NetworkDirectory(options.directory)
        stack.callback(held.close)
        directory, name = held.path, options.name or name_of(options.host)
        accounts = AccountsFile(directory / ACCOUNTS_FILE)
        hss = stack.enter_context(Hss(directory / DATABASE_FILE, realm=options.domain))
        # The certificate is made anew with each start, so that it has the present host name; its CA stays.
        context = None
        if not options.insecure:
            # WICs and browsers may use any of these names.
            names = {options.host, name, "localhost", "127.0.0.1", options.domain}
            context = CertificateAuthority(directory).server_context(*sorted(names))
        entities = await _open_entities(options, name, directory, hss, context)
        stack.push_async_callback(entities.closing.aclose)
        entities.ports.remember(directory)  # before accounts name them
        enrolment = Enrolment(hss, accounts, WebFiles(directory), _servers(options, entities))
        _write_accounts(options, enrolment, entities.web)
        return _Running(directory, accounts, enrolment, hss, entities, stack.pop_all())


async def _open_entities(
    options: NetworkOptions, name: str, directory: Path, hss: Hss, context: ssl.SSLContext | None
) -> NetworkEntities:
    """Open the entities on the ports asked for, on those of the last time, or on free ones if these are taken."""
    open_on = partial(NetworkEntities.open, options, name=name, directory=directory, hss=hss, ssl_context=context)
    if options.port_base is not None:  # the user relies on these: a taken one is an error
        return await open_on(ports=Ports.from_base(options.port_base))
    try:
        return await open_on(ports=Ports.remembered(directory))
    except PortTaken:
        return await open_on(ports=Ports())


def _servers(options: NetworkOptions, entities: NetworkEntities) -> AccountServers:
    web = entities.web
    urls = {} if web is None else {"waf": web.waf.url, "wwsf": web.wwsf.url}
    return AccountServers(wss=entities.epcscf.url, insecure=options.insecure, **urls)


def _write_accounts(options: NetworkOptions, enrolment: Enrolment, web: WebAccess | None) -> None:
    """Write the present URLs into the accounts, and add the default subscribers that are missing."""
    accounts, servers = enrolment.accounts, enrolment.servers
    # Accounts of an earlier run; those of other networks in the file stay as they are.
    if accounts.names():
        urls = {} if web is None else {"waf": servers.waf, "wwsf": servers.wwsf}
        accounts.move(servers.wss, domain=options.domain, ca=None if options.insecure else CA_FILE, web=urls)
    DefaultSubscribers(enrolment).add(options.subscribers, usims=options.usims)
    if web is not None:
        web_users = DefaultWebUsers(enrolment, web)
        for name in options.web_users:
            web_users.add_web_user(name)
        web_users.add_guests(options.guests, anonymous=options.anonymous)
