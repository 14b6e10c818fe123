"""What all endpoints of a WAF have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.network.waf.errors import invalid_scope
from wic.network.web.browser_session import VisitCookie
from wic.network.web.pages import Pages
from wic.network.web.throttle import RateLimit, Throttle

if TYPE_CHECKING:
    from wic.network.waf.options import WafOptions
    from wic.network.waf.passwords import PasswordCheck
    from wic.network.waf.store import WafStore

SCOPE = "ims"
"""The one scope there is: the use of IMS with the identities in the token."""
DEVICE_REQUESTS = 30
"""Device codes that an address may ask for in a minute."""


@dataclass(slots=True, kw_only=True)
class WafCore:
    """State and tools of a running WAF."""

    options: WafOptions
    store: WafStore
    issuer: str
    """The issuer URL: its identity (RFC 8414 §2)."""
    passwords: PasswordCheck
    """Checks the passwords of web users."""
    pages: Pages = field(default_factory=lambda: Pages("wic.network.waf"))
    cookie: VisitCookie = field(default_factory=lambda: VisitCookie("waf"))
    guard: Guard = field(init=False)
    device_requests: RateLimit = field(default_factory=lambda: RateLimit(DEVICE_REQUESTS, 60.0))

    def __post_init__(self) -> None:
        self.guard = Guard(self.options)

    @property
    def now(self) -> float:
        """The time in seconds of the epoch."""
        return self.options.clock()


class Guard:
    """Counts guesses by what is guessed at and by where they come from.

    Args:
        options: how much is allowed.
    """

    def __init__(self, options: WafOptions) -> None:
        self._by_name = Throttle(options.by_name)
        self._by_address = Throttle(options.by_address)

    def wait(self, name: str, address: str | None, *, now: float) -> float:
        """Return how many seconds there are to wait before the next guess; if 0, the guess is counted.

        Args:
            name: what is guessed at.
            address: where the guess comes from; None counts by name only.
            now: seconds of the epoch.
        """
        wait = self._by_name.wait(name, now=now)
        if address is not None:
            wait = max(wait, self._by_address.wait(address, now=now))
        if wait == 0:
            self._by_name.attempt(name, now=now)
            if address is not None:
                self._by_address.attempt(address, now=now)
        return wait

    def succeeded(self, name: str, address: str | None, *, forgive: bool = False) -> None:
        """Take the guess back; an address keeps its other failures, or a user of ours could clear it for guessing.

        Args:
            name: what was guessed at.
            address: where the guess came from; None if it was not counted.
            forgive: whether the name's other failures count no more, because only who knows a secret can succeed.
        """
        self._by_name.succeeded(name, forgive=forgive)
        if address is not None:
            self._by_address.succeeded(address)


def read_scope(asked: str | None) -> str:
    """Return the scope that is granted for what was asked; nothing asked is everything (RFC 6749 §3.3).

    Raises:
        JsonRefusal: there is no such scope.
    """
    if asked is not None and asked.split(" ") != [SCOPE]:
        raise invalid_scope(f"the only scope is {SCOPE!r}")
    return SCOPE
