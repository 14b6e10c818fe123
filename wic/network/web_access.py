"""WAF and WWSF of an embedded network, and the eP-CSCF's access to the WAF.

The WAF opens before the eP-CSCF, which has to know its issuer URL; the WWSF opens after it, since it tells WICs the URL
of the eP-CSCF.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from wic.auth.secret import Secret
from wic.network.certificates import CA_FILE
from wic.network.tokens import Introspection, TrustedIssuer
from wic.network.waf import Waf
from wic.network.web_files import WWSF, WWSF_DATABASE
from wic.network.wwsf import Wwsf, WwsfOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.network.waf import WafOptions
    from wic.network.wwsf.options import PoolOptions

_EPCSCF = "epcscf"
"""The eP-CSCF's name at the WAF, for introspection."""


async def open_waf(options: WafOptions) -> tuple[Waf, TrustedIssuer]:
    """Open the WAF; return it with what the eP-CSCF has to know about it.

    Raises:
        ConfigurationError: the port is taken, the address is not of this machine, or the database cannot be used.
        StorageFailed: the database cannot be written.
    """
    waf = await Waf.open(options)
    secret = _new_secret()
    try:
        waf.store.clients.add(_EPCSCF, secret, grants=())
    except BaseException:
        await waf.close()  # it has no other owner yet
        raise
    introspection = Introspection(client_id=_EPCSCF, client_secret=secret)
    return waf, TrustedIssuer(issuer=waf.url, audience=waf.options.audience, introspection=introspection)


@dataclass(frozen=True, slots=True)
class WebAccess:
    """WAF and WWSF of an embedded network.

    Attributes:
        waf: the WAF.
        wwsf: the WWSF.
    """

    waf: Waf
    wwsf: Wwsf

    @classmethod
    async def open(
        cls, waf: Waf, *, wss: str, port: int, pool: PoolOptions, on_lent: Callable[[str], None] | None
    ) -> Self:
        """Open the WWSF beside a WAF, with the same address and certificate.

        Args:
            waf: the WAF.
            wss: the eP-CSCF's WebSocket URL.
            port: to listen on; 0 takes a free one.
            pool: options of the pool.
            on_lent: ends the registration of the last holder of a private identity; None where that cannot be done, so
                that a pair of the pool rests until its token has expired.

        Raises:
            ConfigurationError: the port is taken, the address is not of this machine, or the database cannot be used.
            StorageFailed: the database of the WAF cannot be written.
        """
        secret, options = _new_secret(), waf.options
        directory = options.database.parent
        wwsf = await Wwsf.open(
            WwsfOptions(
                database=directory / WWSF_DATABASE,
                ssl_context=options.ssl_context,
                wss=wss,
                client_id=WWSF,
                client_secret=secret,
                issuer=waf.url,
                ca=directory / CA_FILE,
                domain=options.domain,
                host=options.host,
                name=options.name,
                port=port,
                pool=replace(pool, hold_until_expiry=on_lent is None),
                on_lent=on_lent,
            )
        )
        try:
            waf.store.clients.add_wwsf(WWSF, secret, wwsf.url)
        except BaseException:
            await wwsf.close()  # as above
            raise
        return cls(waf, wwsf)

    def add_pool_pair(self, impi: str, impu: str) -> None:
        """Add a pair of identities to the pool of the WWSF.

        Raises:
            ConfigurationError: they are malformed.
        """
        self.waf.store.pool.add(WWSF, impi, impu)
        self.wwsf.store.add_pool_pair(impi, impu)


def _new_secret() -> Secret:
    """Return a secret of two parts of this process, which is new with each start and stored nowhere."""
    return Secret(secrets.token_urlsafe(32))
