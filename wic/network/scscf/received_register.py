"""REGISTER as the S-CSCF works on it: subscriber, identity, bindings, and how far its sender is known already."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from wic.sip.message import Response

if TYPE_CHECKING:
    from wic.network.hss import PublicIdentity, StoredBinding, SubscriberProfile
    from wic.sip.message import Request
    from wic.sip.params import Params


class Protection(Enum):
    """Meaning of `integrity-protected`, from an eP-CSCF that is to be believed (TS 24.229 §7.2A.2)."""

    NONE = "nothing protects it"
    ASSOCIATION = "a TLS association: the user was authenticated over this connection before"
    CONNECTED = "a TLS connection over which no user was authenticated, as far as is known"
    DONE = "the eP-CSCF has authenticated the user itself"


_PROTECTION = {
    "tls-yes": Protection.ASSOCIATION,  # TS 24.229 §7.2A.2
    "tls-protected": Protection.ASSOCIATION,  # TS 24.371 §6.4.1.2
    "tls-connected": Protection.CONNECTED,
    "auth-done": Protection.DONE,
}
"""Other values, `tls-pending` among them, protect no more than none."""


def read_protection(credentials: Params | None, *, trusted: bool) -> Protection:
    """Return the protection that the sender of a REGISTER states; none if the sender is not to be believed."""
    value = credentials.get("integrity-protected") if trusted and credentials is not None else None
    return _PROTECTION.get(value or "", Protection.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRegister:
    """REGISTER of a subscriber."""

    request: Request
    credentials: Params | None
    """Of Digest, for our realm: those that a scheme checks."""
    protection: Protection
    subscriber: SubscriberProfile
    identity: PublicIdentity
    """The public identity to be registered, one of the subscriber's."""
    bindings: tuple[StoredBinding, ...]
    """Those of the implicit registration set that the identity belongs to."""
    now: float
    """Seconds of the epoch."""
    trusted: bool = False
    """Whether an eP-CSCF of the trust domain has sent it."""
    source: str = ""
    """Connection of the WIC, as its eP-CSCF names it in Path; empty for all that come past an eP-CSCF."""

    @property
    def algorithm(self) -> str | None:
        """The algorithm that the UE asks for, or answers with."""
        return None if self.credentials is None else self.credentials.get("algorithm")

    @property
    def is_first_answer(self) -> bool:
        """Whether the credentials, if right, answer their challenge for the first time: their count is 1."""
        count = self.credentials.get("nc") if self.credentials else None
        return count is not None and int(count, 16) == 1

    def needs_proof(self, every: int | None) -> bool:
        """Tell whether the subscriber has to be authenticated again, although it is registered.

        Args:
            every: number of REGISTERs after which that is due; None leaves it to the operator's commands.
        """
        # Each UE is challenged by itself: the bindings that its registration has made, known by their Call-ID.
        own = [binding for binding in self.bindings if binding.call_id == self.request.call_id] or self.bindings
        return any(binding.prove or (every is not None and binding.unproved + 1 >= every) for binding in own)

    def may_go_unproved(self, every: int | None) -> bool:
        """Tell whether the TLS association stands for an authentication (TS 24.229 §5.4.1.2.2)."""
        return self.protection is Protection.ASSOCIATION and bool(self.bindings) and not self.needs_proof(every)


class RegistrationRefused(Exception):
    """A REGISTER gets another answer than 200.

    Attributes:
        status: status of the answer.
        reason: its phrase; None takes the usual one.
        headers: header fields of the answer.
    """

    def __init__(self, status: int, reason: str | None = None, *headers: tuple[str, object]) -> None:
        super().__init__(f"REGISTER refused with {status}")
        self.status = status
        self.reason = reason
        self.headers = headers

    def answer(self, request: Request, tag: str) -> Response:
        """Return the answer."""
        return Response.answer(request, self.status, self.reason, to_tag=tag, headers=self.headers)
