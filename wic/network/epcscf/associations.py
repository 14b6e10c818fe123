"""Who is registered over which connection: the TLS associations of TS 24.371 §6.4.1.2, and their flow tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """A registration over one connection.

    The connection stands for the TLS session: it carries one TLS session from its beginning to its end, and with
    it the address and port that §6.4.1.2 wants to be stored.
    """

    flow: Flow
    impi: str
    """Private identity, or the registered public one of a WIC that sends no Authorization."""
    impus: tuple[str, ...]
    """Public identities in canonical form, the default one first."""
    service_route: tuple[NameAddr, ...]
    expires_at: float
    """By the driver's clock."""


class Associations:
    """The connections towards WICs and what is registered over them.

    Args:
        tokens: makes flow tokens; RFC 5626 §5.2: nobody can guess one, so nobody can forge one.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._by_token: dict[str, Flow] = {}
        self._token_of: dict[Flow, str] = {}
        self._by_flow: dict[Flow, dict[str, Association]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_flow.values()))

    def token(self, flow: Flow) -> str:
        """Return the token of a connection."""
        token = self._token_of.get(flow)
        if token is None:
            token = self._token_of[flow] = self._tokens.hex(16)
            self._by_token[token] = flow
        return token

    def flow(self, token: str | None) -> Flow | None:
        """Return the connection of a token, if it is still there."""
        return None if token is None else self._by_token.get(token)

    def store(self, association: Association) -> None:
        """Store what a 200 to REGISTER has granted."""
        self._by_flow.setdefault(association.flow, {})[association.impi] = association

    def remove(self, flow: Flow, impi: str) -> None:
        """Remove one registration of a connection."""
        registered = self._by_flow.get(flow, {})
        registered.pop(impi, None)
        if not registered:
            self._by_flow.pop(flow, None)

    def close(self, flow: Flow) -> None:
        """Forget a connection that is gone, with all that was registered over it."""
        self._by_flow.pop(flow, None)
        token = self._token_of.pop(flow, None)
        if token is not None:
            del self._by_token[token]

    def of(self, flow: Flow, *, now: float) -> list[Association]:
        """Return what is registered over a connection."""
        found = list(self._by_flow.get(flow, {}).values())
        for association in found:
            if association.expires_at <= now:
                self.remove(flow, association.impi)
        return [association for association in found if association.expires_at > now]

    def find(self, flow: Flow, impi: str, impu: str, *, now: float) -> Association | None:
        """Return the association that a REGISTER maps to (TS 24.371 §6.4.1.2 1 a)."""
        return next((a for a in self.of(flow, now=now) if a.impi == impi and impu in a.impus), None)

    def identity(self, flow: Flow, preferred: list[str], *, now: float) -> tuple[Association, str] | None:
        """Choose the identity to assert for a request: a preferred one that is registered, else the default one.

        Returns:
            The association and the public identity; None if nothing is registered over the connection.
        """
        registered = self.of(flow, now=now)
        for impu in preferred:
            for association in registered:
                if impu in association.impus:
                    return association, impu
        return (registered[0], registered[0].impus[0]) if registered else None
