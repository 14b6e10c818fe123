"""The web side of an embedded network: a WAF and a WWSF, and what the eP-CSCF needs to believe their tokens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.auth.secret import Secret
from wic.network.tokens import Introspection, TokenValidator, TrustedIssuer
from wic.network.waf import Waf, WafOptions
from wic.network.web_files import WAF_DATABASE, WWSF, WWSF_DATABASE
from wic.network.wwsf import Wwsf, WwsfOptions

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from wic.network.wwsf.options import PoolOptions

_EPCSCF = "epcscf"
"""The eP-CSCF's name at the WAF, under which it asks about tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAccessOptions:
    """Where WAF and WWSF run."""

    directory: Path
    """Keeps their databases."""
    domain: str
    """Home domain."""
    host: str
    name: str
    """What the host is called in their URLs."""
    ssl_context: ssl.SSLContext
    ca: Path
    """Certificate of the CA that has signed theirs."""
    pool: PoolOptions
    """How the WWSF lends identities."""
    waf_port: int = 0
    wwsf_port: int = 0


class WebAccess:
    """WAF and WWSF: the WAF is started before the eP-CSCF, which has to know it, and the WWSF after it."""

    def __init__(self, options: WebAccessOptions) -> None:
        self._options = options
        # Both are this process alone: new secrets at each start need not be kept anywhere.
        self._wwsf_secret = Secret(secrets.token_urlsafe(32))
        self._asking_secret = Secret(secrets.token_urlsafe(32))
        self._wwsf: Wwsf | None = None
        self.waf = Waf(
            WafOptions(
                database=options.directory / WAF_DATABASE,
                ssl_context=options.ssl_context,
                domain=options.domain,
                host=options.host,
                name=options.name,
                port=options.waf_port,
            )
        )

    @property
    def wwsf(self) -> Wwsf:
        """The WWSF."""
        assert self._wwsf is not None, "start_wwsf comes first"
        return self._wwsf

    async def start_waf(self) -> TrustedIssuer:
        """Start the WAF; return what the eP-CSCF has to know about it.

        Raises:
            ConfigurationError: the port is taken, or the address is not of this machine.
        """
        await self.waf.start()
        self.waf.store.clients.add(_EPCSCF, self._asking_secret, grants=())
        return TrustedIssuer(
            issuer=self.waf.url,
            audience=self.waf.options.audience,
            introspection=Introspection(client_id=_EPCSCF, client_secret=self._asking_secret),
        )

    async def start_wwsf(self, wss: str, *, on_lent: Callable[[str], None] | None) -> None:
        """Start the WWSF.

        Args:
            wss: where WICs connect.
            on_lent: ends what the last holder of a private identity has left registered; None where nobody can, so
                that a pair of the pool rests until the time of its token is over.

        Raises:
            ConfigurationError: the port is taken, or the address is not of this machine.
        """
        options = self._options
        self._wwsf = Wwsf(
            WwsfOptions(
                database=options.directory / WWSF_DATABASE,
                ssl_context=options.ssl_context,
                wss=wss,
                client_id=WWSF,
                client_secret=self._wwsf_secret,
                issuer=self.waf.url,
                ca=options.ca,
                domain=options.domain,
                host=options.host,
                name=options.name,
                port=options.wwsf_port,
                pool=replace(options.pool, hold_until_expiry=on_lent is None),
                on_lent=on_lent,
            )
        )
        await self._wwsf.start()
        self.waf.store.add_wwsf(WWSF, self._wwsf_secret, self._wwsf.url)

    def add_pool_pair(self, impi: str, impu: str) -> None:
        """Let the WWSF lend these identities.

        Raises:
            ConfigurationError: they are none.
        """
        self.waf.store.add_pool_pair(WWSF, impi, impu)
        self.wwsf.store.add_pool_pair(impi, impu)

    async def close(self) -> None:
        """Stop both."""
        if self._wwsf is not None:
            await self._wwsf.close()
        await self.waf.close()


def make_validator(issuers: tuple[TrustedIssuer, ...], ca: Path | None) -> TokenValidator | None:
    """Return what checks the tokens of these issuers; None if there is none."""
    return TokenValidator(issuers, ca=ca) if issuers else None
