"""A network whose eP-CSCF waits for WICs that have lost their connection, and an eP-CSCF in front of a core of text."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from wic.network.agw.gateway import Agw
from wic.network.certificates import CertificateAuthority
from wic.network.epcscf.options import EPcscfOptions
from wic.network.epcscf.server import EPcscf
from wic.network.tokens import Authorization
from wic.transport.driver import SystemRandomSource

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from conftest import MwPeer

    from wic.auth.secret import Secret
    from wic.network.epcscf.association import Association


@pytest.fixture
def grace() -> float:
    return 30.0


@pytest.fixture
def time_passes() -> Callable[[EPcscf, float], None]:
    """Fire the timers of an eP-CSCF that are due within so many seconds."""

    def pass_(epcscf: EPcscf, seconds: float) -> None:
        driver = epcscf.node.driver
        epcscf.recovery.timers.handle_timeout(now=driver.now + seconds)
        driver.pump()

    return pass_


class KnownTokens:
    """Validator that knows the tokens that the test gives and refuses."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.known: dict[str, Authorization | Exception] = {}
        self.asked: list[str] = []
        self.hold: asyncio.Event | None = None

    def give(self, token: str, user: str = "alice", *, life: float = 500.0, third_party: bool = False) -> str:
        self.known[token] = Authorization(
            impi=f"{user}@ims.example",
            impus=(f"sip:{user}@ims.example", f"sip:{user}.two@ims.example"),
            issuer="https://waf.example",
            wwsf=None,
            scope=frozenset({"ims"}),
            expires_at=self.now + life,
            jti=token,
            subject=user,
            client_id="wic",
            third_party=third_party,
        )
        return token

    async def validate(self, token: Secret, *, now: float) -> Authorization:
        self.asked.append(token.reveal())
        if self.hold is not None:
            await self.hold.wait()
        found = self.known[token.reveal()]
        if isinstance(found, Authorization):
            return found
        raise found

    def refuse(self, token: str, error: Exception) -> str:
        self.known[token] = error
        return token


class Edge:
    """An eP-CSCF between WICs and a core, all but the first made of strings."""

    def __init__(self, epcscf: EPcscf, core: MwPeer, tokens: KnownTokens, make: Callable[[str], Awaitable[object]]):
        self.epcscf = epcscf
        self.core = core
        self.tokens = tokens
        self.wic = make

    def associations(self) -> list[Association]:
        """Return what is registered."""
        return [each for ue in self.epcscf.ues for each in ue.associations.values()]


@pytest.fixture
async def make_edge(
    tmp_path: Path, make_raw: Callable[..., Awaitable[object]], make_mw_peer: Callable[[], Awaitable[MwPeer]]
) -> AsyncIterator[Callable[..., object]]:
    async with AsyncExitStack() as stack:

        async def make(*, tokens: bool = True, secure: bool = True, **options: object) -> Edge:
            core = await make_mw_peer()
            authority = CertificateAuthority(tmp_path)
            settings = EPcscfOptions(
                core=f"sip:127.0.0.1:{core.port}",
                ssl_context=authority.server_context("127.0.0.1") if secure else None,
                authz_server="https://waf.example",
                **{"reg_event": False, **options},  # type: ignore[arg-type]
            )
            agw, known = await Agw.open(SystemRandomSource()), KnownTokens()
            stack.push_async_callback(agw.close)
            validator = known if tokens else None
            epcscf = await EPcscf.open(agw, settings, validator=validator, wall_clock=lambda: known.now)
            stack.push_async_callback(epcscf.close)
            ready = {"wss": epcscf.url, "ca": str(authority.certificate_path) if secure else ""}
            return Edge(epcscf, core, known, lambda user: make_raw(user, ready))

        yield make


@pytest.fixture
async def edge(make_edge: Callable[..., Awaitable[Edge]]) -> Edge:
    return await make_edge()
