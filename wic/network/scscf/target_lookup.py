"""Target lookup: the user that a Request-URI means, and its bindings (TS 24.229 §5.3.2.1, §5.4.3.3, RFC 5627 §6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wic.network.hss import identities_of
from wic.network.scscf.gruu import instance_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.network.hss import Hss, StoredBinding, UeInstance
    from wic.network.scscf.gruu import GruuFactory
    from wic.sip.uri import Uri


@dataclass(frozen=True, slots=True)
class CalledParty:
    """User of this network to whom a request is addressed."""

    impu: str
    bindings: tuple[StoredBinding, ...]
    """Bindings to send the request to; empty if the user is not registered."""


class TargetLookup:
    """Looks Request-URIs up."""

    def __init__(self, hss: Hss, gruus: GruuFactory, domain: str) -> None:
        self._hss = hss
        self._gruus = gruus
        self._domain = domain

    def find(self, uri: Uri, *, now: float) -> CalledParty | None:
        """Return the user that a Request-URI of this domain, or a telephone number, means; None if there is none.

        A barred identity means no user; `now` is in seconds of the epoch.
        """
        # RFC 5627 §3.1.2: "gr" without a value marks a temporary GRUU, whose user part only the registrar can read.
        if uri.is_sip and uri.params.get("gr") == "":
            instance = self._gruus.read_temporary(uri)
            return None if instance is None else self._of_instance(instance, now)
        impu = next((impu for impu in identities_of(uri, self._domain) if self._may_be_called(impu)), None)
        if impu is None:
            return None
        bindings: Iterable[StoredBinding] = self._hss.reachable(impu, now=now)
        # RFC 5627 §6.1: a public GRUU leads to the contacts of its instance only.
        if (name := instance_of(uri)) is not None:
            bindings = (binding for binding in bindings if binding.instance == name)
        return CalledParty(impu, _newest_flows(bindings))

    def _of_instance(self, instance: UeInstance, now: float) -> CalledParty | None:
        subscriber = self._hss.subscriber(instance.impi)
        associated = subscriber.associated(instance.registration_set) if subscriber else ()
        if not associated:
            return None
        bindings = self._hss.bindings(instance.impi, registration_set=instance.registration_set, now=now)
        own = (binding for binding in bindings if binding.instance == instance.instance)
        return CalledParty(associated[0].impu, _newest_flows(own))

    def _may_be_called(self, impu: str) -> bool:
        identities = [holder.identity(impu) for holder in self._hss.holders(impu)]
        return any(identity is not None and not identity.barred for identity in identities)


def _newest_flows(bindings: Iterable[StoredBinding]) -> tuple[StoredBinding, ...]:
    """Return one flow of each instance: the one registered last (RFC 5626 §7)."""
    chosen: dict[tuple[str, str], StoredBinding] = {}
    for binding in bindings:
        device = (binding.impi, binding.instance or binding.key)
        if device not in chosen or chosen[device].expires_at <= binding.expires_at:
            chosen[device] = binding
    return tuple(chosen.values())
