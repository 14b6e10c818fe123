"""Who is registered over which connection: the TLS associations of TS 24.371 §6.4.1.2, §6.4.1.3 and §6.4.2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from wic.network.epcscf.mechanism import Mechanism
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr

DeviceKey: TypeAlias = "tuple[str, str, str]"
"""Private identity, instance and reg-id: the same registration over whichever connection (RFC 5626 §6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """A registered identity set over one connection.

    `flow` stands for the TLS session: a WebSocket connection carries one TLS session from its beginning to its
    end, and a flow is equal to no other connection's. With it come the address and port that the clause wants
    to be stored. TLS 1.3 has no session identifier that would tell more.
    """

    flow: Flow
    mechanism: Mechanism
    """How the WIC proved who it is."""
    impi: str
    """Private identity, or the registered public one of a WIC that sends no Authorization."""
    impu: str
    """The public identity of the REGISTER, in canonical form; it may be barred."""
    impus: tuple[str, ...]
    """All that were registered with it, the default one first (TS 24.229 §5.2.3)."""
    contacts: tuple[NameAddr, ...]
    """The contacts of the REGISTER that were granted."""
    service_route: tuple[NameAddr, ...]
    expires_at: float
    """By the driver's clock."""

    @property
    def devices(self) -> tuple[DeviceKey, ...]:
        """What tells the registration when it comes back over another connection."""
        keys = [device_of(contact) for contact in self.contacts]
        return tuple((self.impi, *key) for key in keys if key is not None)

    def holds(self, impu: str) -> bool:
        """Tell whether a public identity is registered with it."""
        return impu == self.impu or impu in self.impus


class Associations:
    """The associations of all connections."""

    def __init__(self) -> None:
        self._by_flow: dict[Flow, dict[tuple[str, str], Association]] = {}
        self._flow_of: dict[DeviceKey, Flow] = {}
        self._flows_of: dict[str, set[Flow]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_flow.values()))

    def store(self, association: Association) -> set[Flow]:
        """Store what a 200 to REGISTER has granted.

        Returns:
            The other connections over which the same device was registered with the same private identity.
        """
        flow = association.flow
        self._by_flow.setdefault(flow, {})[association.impi, association.impu] = association
        self._flows_of.setdefault(association.impi, set()).add(flow)
        before = {self._flow_of.get(key, flow) for key in association.devices}
        self._flow_of |= dict.fromkeys(association.devices, flow)
        return before - {flow}

    def remove(self, association: Association) -> None:
        """Remove one; one that is not there is ignored."""
        flow, impi = association.flow, association.impi
        registered = self._by_flow.get(flow, {})
        registered.pop((impi, association.impu), None)
        kept = {key for other in registered.values() for key in other.devices}
        for key in association.devices:
            if key not in kept and self._flow_of.get(key) == flow:
                del self._flow_of[key]
        if not registered:
            self._by_flow.pop(flow, None)
        if not self.over(flow, impi):
            self._leave(flow, impi)

    def _leave(self, flow: Flow, impi: str) -> None:
        flows = self._flows_of.get(impi, set())
        flows.discard(flow)
        if not flows:
            self._flows_of.pop(impi, None)

    def over(self, flow: Flow, impi: str | None = None) -> list[Association]:
        """Return what is stored for a connection, be it expired or not; for one private identity if given."""
        return [each for each in self._by_flow.get(flow, {}).values() if impi in (None, each.impi)]

    def under(self, impi: str) -> list[Association]:
        """Return what is stored for a private identity, over all connections."""
        return [each for flow in self._flows_of.get(impi, ()) for each in self.over(flow, impi)]

    def of(self, flow: Flow, *, now: float) -> list[Association]:
        """Return what is registered over a connection and has not expired."""
        return [association for association in self.over(flow) if association.expires_at > now]

    def find(self, flow: Flow, impi: str, impu: str, *, now: float) -> Association | None:
        """Return the association that a REGISTER maps to (TS 24.371 §6.4.1.2 1 a)."""
        return next((a for a in self.of(flow, now=now) if a.impi == impi and a.holds(impu)), None)

    def identity(
        self, flow: Flow, preferred: list[str], *, now: float, impi: str | None = None
    ) -> tuple[Association, str] | None:
        """Choose the identity to assert for a request: a preferred one that is registered, else the default one.

        Args:
            flow: the connection.
            preferred: public identities, the most preferred first.
            now: by the driver's clock.
            impi: whose identities to choose among; None takes those of all who are registered over the connection.

        Returns:
            The association and the public identity; None if there is none.
        """
        registered = [each for each in self.of(flow, now=now) if impi in (None, each.impi)]
        for impu in preferred:
            for association in registered:
                if impu in association.impus:
                    return association, impu
        return (registered[0], registered[0].impus[0]) if registered else None


def device_of(contact: NameAddr) -> tuple[str, str] | None:
    """Return instance and reg-id of a contact; None if it does not have both."""
    instance, reg_id = contact.params.get("+sip.instance"), contact.params.get("reg-id")
    return (instance, reg_id) if instance and reg_id else None


def same_binding(one: NameAddr, other: NameAddr) -> bool:
    """Tell whether two contacts mean one binding: the same URI, or the same instance and reg-id (RFC 5626 §6)."""
    device = device_of(one)
    return one.uri.matches(other.uri) or (device is not None and device == device_of(other))
