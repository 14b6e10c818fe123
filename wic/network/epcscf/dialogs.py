"""Dialogs of a UE, as far as the eP-CSCF has to know where requests within them may go (TS 24.229 §5.2.6.3).

A UE is not free in where its requests within a dialog go: they have to follow the route set and the remote target that
the dialog was made with. The eP-CSCF learns both from the messages that make and refresh the dialog, and writes them over
what the UE wrote. A dialog that it has not seen begin does not exist for it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from wic.sdp.line_map import Side
from wic.sip.dialog import DialogId
from wic.sip.errors import MalformedHeader
from wic.sip.message import Message
from wic.sip.methods import TARGET_REFRESH
from wic.sip.proxy.routing import write_routes
from wic.sip.routing import port_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request, Response
    from wic.sip.uri import Uri

_log = logging.getLogger(__name__)

OWN_RECORD_ROUTES = 2
"""How many values the eP-CSCF writes into the Record-Route of such a request."""
_EARLY = 300.0
"""Seconds that an early dialog lasts after a provisional response; Timer C is shorter."""
_LINGER = 64.0
"""Seconds for what is still on its way when a dialog ends: repetitions, a BYE that was challenged."""
_SUBSCRIPTION = 3600
"""Seconds of a subscription that does not say how long it lasts."""
_MAX_TARGETS = 4


@dataclass(slots=True, eq=False)
class KnownDialog:
    """Route set, remote targets and end of one dialog."""

    routes: tuple[NameAddr, ...] = ()
    """The route set towards the core, without the eP-CSCF's own values."""
    targets: tuple[Uri, ...] = ()
    """Contacts of the far end, the newest first; earlier ones are kept, since requests may cross."""
    call_until: float = 0.0
    subscribed_until: float = 0.0

    @property
    def until(self) -> float:
        """Time at which it is over, by the driver's clock."""
        return max(self.call_until, self.subscribed_until)

    def confine(self, request: Request) -> None:
        """Write the dialog's route set, and if need be its remote target, over those of a request of the UE."""
        write_routes(request, self.routes)
        place = _place(request.uri)
        if all(_place(target) != place for target in self.targets):
            _log.info("a request within a dialog was to go elsewhere: %s", request.method)
            request.uri = self.targets[0]

    def passed(self, request: Request, origin: Side, *, now: float) -> None:
        """Take note of a request within the dialog, from the UE or from the core.

        What of it cannot be read changes nothing here: the other end judges it.
        """
        if request.method == "BYE":
            # Not at once: it may be repeated, or challenged and sent again.
            self.call_until = min(self.call_until, now + _LINGER)
        elif request.method == "NOTIFY":
            self.notified(request, now=now)
        if origin is Side.MW and request.method in TARGET_REFRESH:
            # RFC 3261 §12.2.2. Where the UE is need not be known: its connection is.
            self.retarget(request.usable(Message.contacts))

    def notified(self, request: Request, *, now: float) -> None:
        """Let a subscription last as long as a NOTIFY says."""
        told = request.usable(Message.subscription_state)  # RFC 6665 §4.1.3
        if told is not None:
            try:
                seconds = told.expires
            except MalformedHeader:
                seconds = None
            self.subscribe(0 if told.state == "terminated" else seconds, now=now)

    def subscribe(self, seconds: int | None, *, now: float) -> None:
        """Let a subscription last so long."""
        self.subscribed_until = now + (_SUBSCRIPTION if seconds is None else seconds) + _LINGER

    def retarget(self, contacts: tuple[NameAddr, ...]) -> None:
        """Take the Contact of a target refresh of the far end as its newest target (RFC 3261 §12.2)."""
        if contacts:
            newest = contacts[0].uri
            self.targets = (newest, *(each for each in self.targets if each != newest))[:_MAX_TARGETS]


@dataclass(slots=True, eq=False)
class Dialogs:
    """Dialogs of one UE, learned from the responses that make them."""

    _limit: int  # beyond it the one that would end first gives way
    _known: dict[DialogId, KnownDialog] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[KnownDialog]:
        return iter(self._known.values())

    def find(self, message: Message, origin: Side, *, now: float) -> KnownDialog | None:
        """Return the dialog of a request that comes from one side, or of the request that a response answers."""
        found = self._known.get(id := _id(message, origin))
        if found is not None and found.until <= now:
            del self._known[id]
            return None
        return found

    def answered(self, request: Request, response: Response, origin: Side, *, now: float) -> None:
        """Take note of a response: it may make a dialog, or refresh it.

        Args:
            request: as it came.
            response: as it came; it makes a dialog even where its Contact cannot be read, for that has to be ended.
            origin: the side that the request came from.
            now: by the driver's clock.
        """
        if request.method not in TARGET_REFRESH or not 100 < response.status < 300:
            return
        dialog = self.find(response, origin, now=now)
        if request.to.tag is None and response.to.tag is not None:
            # RFC 3261 §12.1: the tag makes a dialog; each fork has its own.
            dialog = dialog or KnownDialog()
            _route(dialog, origin, request, response)
            _extend(dialog, request, response, now)
            self._keep(_id(response, origin), dialog, now)
        elif dialog is not None:
            # A request within the dialog, which may begin or prolong a usage of it (RFC 5057 §3).
            _extend(dialog, request, response, now)
            if origin is Side.WIC:
                dialog.retarget(response.usable(Message.contacts))

    def merge(self, other: Dialogs) -> None:
        """Take over the dialogs of another UE of the same user."""
        self._known |= other._known
        self._limit_number()

    def _keep(self, id: DialogId, dialog: KnownDialog, now: float) -> None:
        if id not in self._known:
            # Those that have ended go when one is made, so that no timer is needed.
            for ended in [each for each, kept in self._known.items() if kept.until <= now]:
                del self._known[ended]
        self._known[id] = dialog
        self._limit_number()

    def _limit_number(self) -> None:
        while len(self._known) > self._limit:
            # The newest never gives way, not even to calls that have no end.
            *others, _newest = self._known
            del self._known[min(others, key=lambda id: self._known[id].until)]


def _route(dialog: KnownDialog, origin: Side, request: Request, response: Response) -> None:
    """Save route set and remote target (RFC 3261 §12.1); a 2xx overrides what came before it (§13.2.2.4)."""
    if origin is Side.WIC:
        # §12.1.2: the UE is the UAC, and takes the Record-Route of the response in reverse.
        dialog.routes = response.usable(Message.record_routes)[::-1][OWN_RECORD_ROUTES:]
        contacts, fallback = response.usable(Message.contacts), request.uri
    else:
        # §12.1.1: the UE is the UAS, and takes that of the request, as it came before ours was put on top.
        dialog.routes = request.usable(Message.record_routes)
        contacts, fallback = request.usable(Message.contacts), request.from_.uri
    dialog.targets = dialog.targets or (contacts[0].uri if contacts else fallback,)
    dialog.retarget(contacts)


def _extend(dialog: KnownDialog, request: Request, response: Response, now: float) -> None:
    """Let a dialog last as long as what the response begins or goes on with."""
    if request.method == "INVITE":
        # Timer C bounds an early dialog; a call lasts until its BYE.
        dialog.call_until = inf if response.status >= 200 else max(dialog.call_until, now + _EARLY)
    elif request.method in ("SUBSCRIBE", "REFER"):
        # RFC 6665 §4.2.1.1: the 2xx may shorten what was asked for. RFC 3515 §2.4.4: REFER subscribes as well.
        granted = response.usable(Message.expires)
        dialog.subscribe(request.usable(Message.expires) if granted is None else granted, now=now)
    elif request.method == "NOTIFY":
        dialog.notified(request, now=now)


def _id(message: Message, origin: Side) -> DialogId:
    """Return the UE's identifier for the dialog of a message, or of the request that it answers."""
    sender, receiver = message.from_.tag or "", message.to.tag or ""
    own, far = (sender, receiver) if origin is Side.WIC else (receiver, sender)
    return DialogId(message.call_id, own, far)


def _place(uri: Uri) -> tuple[object, ...]:
    """Return the parts of a URI that decide about the next hop, if no Route does (RFC 3263 §4)."""
    if not uri.is_sip:
        return (str(uri),)
    params = uri.params
    return (uri.scheme, uri.host.lower(), port_of(uri), params.get("transport"), params.get("maddr"))
