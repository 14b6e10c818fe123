"""Registered UEs, the W2 connections they use, and the one index that finds both.

A *UE* is here what TS 24.229 means by it at a P-CSCF: one private identity, registered over one flow. It owns all that
the eP-CSCF keeps for it: associations, dialogs, call legs, and the flow token that its dialogs are found by. Several UEs
may share a connection, as behind a gateway. A UE that comes back over another connection is the same object with another
`connection`; nothing else has to be told, for nothing else is keyed by the connection.

A *connection* owns what lasts no longer than it stands: the token in its Path, the REGISTERs on their way, and the rate
of its requests. It stands for the TLS session of TS 24.371 §6.4.1.2, since a WebSocket connection carries one TLS
session from its beginning to its end and no other connection has an equal flow. With it come the address and port that
the clause wants to be stored; TLS 1.3 has no session identifier that would tell more.

Record-Route values of a dialog never change, so the token in them belongs to the UE and leads to its connection of the
moment. Path is new with each REGISTER, so its token belongs to the connection and ends with it (RFC 5626 §5.1, §5.2).
Tokens are random: a guess leads nowhere, and none can be forged.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wic.network.epcscf.dialogs import Dialogs
from wic.network.epcscf.leg import LEG_PARAM
from wic.network.epcscf.tables import UE, UeInput, UeState
from wic.sip.uri import bracketed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wic.network.epcscf.association import Association, DeviceKey
    from wic.network.epcscf.leg import Leg
    from wic.network.epcscf.options import EPcscfOptions
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request
    from wic.sip.proxy.core import ProxyContext
    from wic.sip.random_source import RandomSource
    from wic.sip.timers import ScheduledTimer
    from wic.sip.uri import Uri

_log = logging.getLogger(__name__)

_DIALOGS_PER_SESSION = 4
"""Forks, subscriptions and what has just ended, for each call that a WIC may have and one more."""
_MAX_TOKENS = 16
"""Flow tokens of one UE. It has one, but for those of other UEs of the same user that have been merged into it."""


class RequestAllowance:
    """Requests outside dialogs that one connection may send: a rate a second, and a burst beyond it after silence."""

    __slots__ = ("_burst_time", "_due", "_interval")

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = 1.0 / rate
        self._burst_time = burst / rate
        self._due = 0.0

    def admit(self, *, now: float) -> bool:
        """Count a request; return False, and do not count it, if it is beyond the allowance."""
        due = max(now, self._due)  # when all that was admitted would have come at the rate
        if due + self._interval > now + self._burst_time:
            return False
        self._due = due + self._interval
        return True


@dataclass(slots=True, eq=False)
class W2Connection:
    """A WebSocket connection of W2, from its opening to its end."""

    flow: Flow
    path_token: str
    """User part of the URI in Path."""
    allowance: RequestAllowance
    ues: dict[str, RegisteredUe] = field(default_factory=dict)
    """By private identity. A UE stays here after its deregistration for as long as its calls and dialogs last."""
    registers: dict[str, ProxyContext] = field(default_factory=dict)
    """REGISTERs on their way to the core, by the public identity that the WIC named."""
    check: ScheduledTimer | None = None
    """Next look at the registrations over it."""

    @property
    def address(self) -> str:
        """Address of the WIC for a log."""
        host, port = self.flow.remote
        return f"{bracketed(host)}:{port}"

    @property
    def associations(self) -> list[tuple[RegisteredUe, Association]]:
        """Associations over it with their UEs, expired ones too."""
        return [(ue, each) for ue in self.ues.values() for each in ue.associations.values()]

    @property
    def calls(self) -> int:
        """Number of calls over it."""
        return sum(len(ue.legs) for ue in self.ues.values())

    def association(self, impi: str, impu: str, *, now: float) -> Association | None:
        """Return the association that a REGISTER maps to (TS 24.371 §6.4.1.2 1 a)."""
        ue = self.ues.get(impi)
        own = () if ue is None else ue.associations.values()
        return next((each for each in own if each.expires_at > now and each.holds(impu)), None)

    def identify(
        self, preferred: Sequence[Uri], contacts: Sequence[NameAddr] = (), *, now: float, impi: str | None = None
    ) -> tuple[RegisteredUe, Association, tuple[str, ...]] | None:
        """Choose the identities to assert: preferred ones that are registered, else the default one.

        Args:
            preferred: public identities in canonical form, the most preferred first. A SIP URI and a tel URI may be
                asserted together (RFC 3325 §9.1).
            contacts: where the UE is; of several identities that would do, that of a registered contact is taken.
            now: by the driver's clock.
            impi: the only UE to choose from; None takes all over this connection.

        Returns:
            The UE, its association and one or two public identities; None if nothing is registered.
        """
        registered = [(ue, each) for ue, each in self.associations if each.expires_at > now and impi in (None, ue.impi)]
        # Several subscribers may share a public identity, and a connection.
        registered.sort(key=lambda each: not each[1].is_at(contacts))
        for first in preferred:
            for ue, association in registered:
                if str(first) in association.impus:
                    return ue, association, tuple(_sip_and_tel(first, preferred, association))
        if not registered:
            return None
        ue, association = registered[0]
        return ue, association, association.impus[:1]


@dataclass(slots=True, eq=False)
class RegisteredUe:
    """A private identity over a W2 connection, with all that the eP-CSCF keeps for it."""

    impi: str
    connection: W2Connection | None
    """None while it is absent, and once it is gone."""
    dialogs: Dialogs
    tokens: list[str] = field(default_factory=list)
    """Flow tokens that lead to it, the one for new dialogs first."""
    associations: dict[str, Association] = field(default_factory=dict)
    """By the public identity of the REGISTER."""
    devices: dict[DeviceKey, int] = field(default_factory=dict)
    """The keys by which it is known again, with the number of the REGISTER that bound each; kept while it is absent."""
    legs: dict[str, Leg] = field(default_factory=dict)
    """Its calls, by the id in our Record-Route."""
    missed_byes: list[Request] = field(default_factory=list)
    """BYEs that ended calls while it was absent, to be sent when it is back."""
    grace: ScheduledTimer | None = None
    """End of the wait for it, while it is absent."""
    _state: UeState = field(default=UE.initial, init=False)

    @property
    def state(self) -> UeState:
        """Current state."""
        return self._state

    def can_be_recognized(self, *, now: float) -> bool:
        """Tell whether a REGISTER over another connection would show that it is the same UE (RFC 5626 §6)."""
        known = (each.unexpired(now=now) for each in self.associations.values())
        return any(each is not None and each.devices for each in known)

    def is_finished(self, *, now: float) -> bool:
        """Tell whether nothing is registered any more, and no call and no dialog goes on."""
        goes_on = self.legs or any(dialog.until > now for dialog in self.dialogs)
        return self._state is UeState.DEREGISTERED and not goes_on

    def leg(self, taken: Iterable[NameAddr]) -> Leg | None:
        """Return the call that our Record-Route values name, if it is one of this UE."""
        ids = (value.uri.params.get(LEG_PARAM) or "" for value in taken)
        return next((self.legs[id] for id in ids if id in self.legs), None)

    def take(self, given: UeInput) -> None:
        """Move to the state that the table names for an input."""
        following = UE.rows.get((self._state, given))
        if following is not None and following is not self._state:
            _log.debug("UE %s: %s -> %s (%s)", self.impi, self._state.value, following.value, given.value)
            self._state = following

    def merge(self, other: RegisteredUe) -> None:
        """Take over the dialogs and calls of another UE of the same user, which comes to the same connection.

        The containers are shared from then on, so that requests which are pending in the name of the other one still
        find their dialogs and calls.
        """
        self.tokens = [*self.tokens, *other.tokens][:_MAX_TOKENS]
        self.dialogs.merge(other.dialogs)
        self.legs |= other.legs
        self.missed_byes += other.missed_byes
        other.dialogs, other.legs, other.missed_byes = self.dialogs, self.legs, self.missed_byes


def _sip_and_tel(first: Uri, preferred: Sequence[Uri], association: Association) -> Iterator[str]:
    """Yield a preferred identity, with the first one of the other kind that is registered with it; the tel URI last."""
    registered = (each for each in preferred if str(each) in association.impus)
    other = next((each for each in registered if each.is_sip is not first.is_sip), None)
    both = (first,) if other is None else (first, other)
    yield from (str(each) for each in sorted(both, key=lambda each: not each.is_sip))


class UeIndex:
    """Every UE and every W2 connection, found by flow, flow token, device key or private identity, each in O(1).

    All changes to what belongs to which connection are made here, so that the look-ups cannot disagree.
    """

    def __init__(self, random_source: RandomSource, options: EPcscfOptions) -> None:
        self._random_source = random_source
        self._max_dialogs = _DIALOGS_PER_SESSION * (options.max_sessions_per_flow + 1)
        self._options = options
        self._connections: dict[Flow, W2Connection] = {}
        self._by_token: dict[str, RegisteredUe | W2Connection] = {}
        self._by_device: dict[DeviceKey, RegisteredUe] = {}
        self._by_impi: dict[str, list[RegisteredUe]] = {}

    def __iter__(self) -> Iterator[RegisteredUe]:
        return (ue for ues in self._by_impi.values() for ue in ues)

    # look-ups

    def connection(self, flow: Flow) -> W2Connection | None:
        """Return the connection of a flow, if it is open."""
        return self._connections.get(flow)

    def resolve(self, token: str | None) -> tuple[RegisteredUe | None, W2Connection | None]:
        """Return where a flow token leads now.

        Returns:
            For the token of a dialog the UE, and its connection unless it is absent; for the token of a Path only the
            connection; for any other text neither.
        """
        found = None if token is None else self._by_token.get(token)
        if isinstance(found, RegisteredUe):
            return found, found.connection
        return None, found

    def of_device(self, device: DeviceKey) -> RegisteredUe | None:
        """Return the UE that has registered with a device key, connected or absent."""
        return self._by_device.get(device)

    def of_user(self, impi: str) -> list[RegisteredUe]:
        """Return all UEs of a private identity, connected or absent."""
        return list(self._by_impi.get(impi, ()))

    def token(self, ue: RegisteredUe) -> str:
        """Return the flow token for a dialog of a UE; the same one each time."""
        if not ue.tokens:
            ue.tokens.append(self._random_source.hex(16))
            self._by_token[ue.tokens[0]] = ue
        return ue.tokens[0]

    # connections

    def connect(self, flow: Flow) -> W2Connection:
        """Add a connection that has opened."""
        allowance = RequestAllowance(self._options.requests_per_second, self._options.requests_at_once)
        connection = W2Connection(flow, self._random_source.hex(16), allowance)
        self._connections[flow] = self._by_token[connection.path_token] = connection
        return connection

    def disconnect(self, connection: W2Connection) -> None:
        """Remove a connection that is gone; its UEs are for the caller to detach or to remove."""
        connection.registers.clear()
        del self._connections[connection.flow]
        del self._by_token[connection.path_token]

    # UEs

    def store(self, association: Association, connection: W2Connection) -> RegisteredUe:
        """Store what a 200 to REGISTER has granted, with the UE over this connection; one is made for a new user."""
        impi = association.impi
        ue = connection.ues.get(impi)
        if ue is None:
            ue = connection.ues[impi] = RegisteredUe(impi, connection, Dialogs(self._max_dialogs))
            self._by_impi.setdefault(impi, []).append(ue)
        ue.associations[association.impu] = association
        self._index_devices(ue)
        ue.take(UeInput.REGISTERED)
        return ue

    def drop(self, ue: RegisteredUe, association: Association) -> None:
        """Remove an association of a UE; one that is not there is ignored."""
        ue.associations.pop(association.impu, None)
        self._index_devices(ue)
        if not ue.associations:
            ue.take(UeInput.DEREGISTERED)

    def move(self, ue: RegisteredUe, connection: W2Connection) -> RegisteredUe:
        """Let a UE go on over another connection, with its dialogs and calls.

        Its associations do not go along, for they belong to a TLS session.

        Returns:
            The UE; another one if the user has a UE over that connection already, which takes everything over.
        """
        self._leave(ue)
        here = connection.ues.get(ue.impi)
        if here is not None:
            self.remove(ue, UeInput.MERGED)
            here.merge(ue)
            self._by_token.update(dict.fromkeys(here.tokens, here))
            return here
        ue.connection = connection
        connection.ues[ue.impi] = ue
        return ue

    def detach(self, ue: RegisteredUe) -> None:
        """Keep a UE whose connection is lost, to be found by its device keys and dialog tokens."""
        self._leave(ue)
        ue.take(UeInput.LOST)

    def remove(self, ue: RegisteredUe, reason: UeInput) -> None:
        """Remove a UE that is gone: its tokens and device keys lead nowhere."""
        self._leave(ue)
        self._index_devices(ue)
        for token in ue.tokens:
            del self._by_token[token]
        others = self._by_impi[ue.impi]
        others.remove(ue)
        if not others:
            del self._by_impi[ue.impi]
        ue.take(reason)

    def _leave(self, ue: RegisteredUe) -> None:
        ue.associations.clear()
        if ue.connection is not None:
            del ue.connection.ues[ue.impi]
            ue.connection = None

    def _index_devices(self, ue: RegisteredUe) -> None:
        devices: dict[DeviceKey, int] = {}
        for association in ue.associations.values():
            for key, order in association.devices.items():
                devices[key] = max(order, devices.get(key, order))
        for key in ue.devices.keys() - devices:
            if self._by_device.get(key) is ue:
                del self._by_device[key]
        self._by_device.update(dict.fromkeys(devices, ue))
        ue.devices = devices
