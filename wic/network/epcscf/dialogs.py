"""The dialogs of WICs, as far as the eP-CSCF has to know where their requests may go (TS 24.229 §5.2.6.3)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from wic.network.epcscf.passage import Way
from wic.sip.dialog import DialogId
from wic.sip.errors import MalformedHeader
from wic.sip.methods import TARGET_REFRESH
from wic.sip.proxy.routing import write_routes
from wic.sip.routing import port_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from wic.network.epcscf.flow_tokens import Owner
    from wic.network.epcscf.passage import Passage
    from wic.sip.flow import Flow
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Message, Request, Response
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
    """Where a dialog leads from here, and how long."""

    routes: tuple[NameAddr, ...] = ()
    """The route set towards the core, without the eP-CSCF's own values."""
    targets: tuple[Uri, ...] = ()
    """Where the far end has said it is, the newest first; others are kept, since requests may cross."""
    call_until: float = 0.0
    subscribed_until: float = 0.0

    @property
    def until(self) -> float:
        """When it is over, by the driver's clock."""
        return max(self.call_until, self.subscribed_until)

    def confine(self, request: Request) -> None:
        """Let a request of the WIC go where the dialog goes, whatever Route and Request-URI it came with."""
        write_routes(request, self.routes)
        place = _place(request.uri)
        if all(_place(target) != place for target in self.targets):
            _log.info("a request within a dialog was to go elsewhere: %s", request.method)
            request.uri = self.targets[0]

    def passed(self, request: Request, way: Way, *, now: float) -> None:
        """Take note of a request that goes by.

        Raises:
            MalformedHeader: Contact or Subscription-State cannot be read.
        """
        if request.method == "BYE":
            self.call_until = min(self.call_until, now + _LINGER)
        elif request.method == "NOTIFY":
            self.notified(request, now=now)
        if way is Way.TO_WIC and request.method in TARGET_REFRESH:
            self.aim(request.contacts)

    def notified(self, request: Request, *, now: float) -> None:
        """Let a subscription last as long as a NOTIFY says.

        Raises:
            MalformedHeader: Subscription-State cannot be read.
        """
        told = request.subscription_state
        if told is not None:
            self.subscribe(0 if told.state == "terminated" else told.expires, now=now)

    def subscribe(self, seconds: int | None, *, now: float) -> None:
        """Let a subscription last so long."""
        self.subscribed_until = now + (_SUBSCRIPTION if seconds is None else seconds) + _LINGER

    def aim(self, contacts: tuple[NameAddr, ...]) -> None:
        """Take note of where the far end is now (RFC 3261 §12.2)."""
        if contacts:
            newest = contacts[0].uri
            self.targets = (newest, *(each for each in self.targets if each != newest))[:_MAX_TARGETS]


class Dialogs:
    """The dialogs of all WICs, learned from the responses that make them.

    Args:
        limit: how many there may be of one WIC; beyond it the one that would end first gives way.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._of: dict[Flow, dict[str, dict[DialogId, KnownDialog]]] = {}

    def __len__(self) -> int:
        return sum(len(dialogs) for owned in self._of.values() for dialogs in owned.values())

    def find(self, wic: Owner, message: Message, way: Way, *, now: float) -> KnownDialog | None:
        """Return the dialog of a message that goes this way, or of the request that it answers."""
        dialogs = self._dialogs(wic)
        id = _id(message, way)
        found = dialogs.get(id)
        if found is not None and found.until <= now:
            del dialogs[id]
            return None
        return found

    def answered(self, passage: Passage, request: Request, response: Response, *, now: float) -> None:
        """Take note of a response that goes by: it may make a dialog, or refresh it.

        Args:
            passage: of the request.
            request: as it came.
            response: as it came; one that cannot be read teaches nothing.
            now: by the driver's clock.
        """
        if request.method not in TARGET_REFRESH or not 100 < response.status < 300:
            return
        try:
            dialog = self.find(passage.wic, response, passage.way, now=now)
            if request.to.tag is None and response.to.tag is not None:
                dialog = dialog or KnownDialog()
                _route(dialog, passage.way, request, response)
                _extend(dialog, request, response, now)
                self._keep(passage.wic, _id(response, passage.way), dialog, now)
            elif dialog is not None:
                _extend(dialog, request, response, now)
                if passage.way is Way.TO_CORE:
                    dialog.aim(response.contacts)
        except MalformedHeader as error:
            _log.info("a response makes no dialog: %s", error)

    def _keep(self, wic: Owner, id: DialogId, dialog: KnownDialog, now: float) -> None:
        dialogs = self._of.setdefault(wic.flow, {}).setdefault(wic.impi, {})
        if id not in dialogs:
            for ended in [each for each, kept in dialogs.items() if kept.until <= now]:
                del dialogs[ended]
        dialogs[id] = dialog
        self._limit_to(dialogs)

    def _limit_to(self, dialogs: dict[DialogId, KnownDialog]) -> None:
        while len(dialogs) > self._limit:
            *others, _newest = dialogs
            del dialogs[min(others, key=lambda id: dialogs[id].until)]

    def _dialogs(self, wic: Owner) -> dict[DialogId, KnownDialog]:
        return self._of.get(wic.flow, {}).get(wic.impi, {})

    # connections that come and go

    def move(self, old: Owner, new: Owner) -> None:
        """Let the dialogs of a WIC go on over another connection."""
        moved = self._dialogs(old)
        self.forget(old)
        if moved:
            there = self._of.setdefault(new.flow, {}).setdefault(new.impi, {})
            there |= moved
            self._limit_to(there)

    def forget(self, wic: Owner) -> None:
        """Forget the dialogs of a WIC."""
        owned = self._of.get(wic.flow, {})
        owned.pop(wic.impi, None)
        if not owned:
            self._of.pop(wic.flow, None)

    def close(self, flow: Flow, awaited: Collection[str]) -> None:
        """Forget the dialogs over a connection, but for those of the private identities that may come back."""
        owned = self._of.get(flow, {})
        for impi in owned.keys() - awaited:
            del owned[impi]
        if not owned:
            self._of.pop(flow, None)


def _route(dialog: KnownDialog, way: Way, request: Request, response: Response) -> None:
    """Save route set and remote target (RFC 3261 §12.1); a 2xx overrides what came before it (§13.2.2.4)."""
    if way is Way.TO_CORE:
        dialog.routes = response.record_routes[::-1][OWN_RECORD_ROUTES:]
        contacts, fallback = response.contacts, request.uri
    else:
        dialog.routes = request.record_routes
        contacts, fallback = request.contacts, request.from_.uri
    dialog.targets = dialog.targets or (contacts[0].uri if contacts else fallback,)
    dialog.aim(contacts)


def _extend(dialog: KnownDialog, request: Request, response: Response, now: float) -> None:
    """Let a dialog last as long as what the response begins or goes on with."""
    if request.method == "INVITE":
        dialog.call_until = inf if response.status >= 200 else max(dialog.call_until, now + _EARLY)
    elif request.method in ("SUBSCRIBE", "REFER"):
        dialog.subscribe(request.expires if response.expires is None else response.expires, now=now)
    elif request.method == "NOTIFY":
        dialog.notified(request, now=now)


def _id(message: Message, way: Way) -> DialogId:
    """Return how the WIC calls the dialog of a message, or of the request that it answers."""
    sender, receiver = message.from_.tag or "", message.to.tag or ""
    own, far = (sender, receiver) if way is Way.TO_CORE else (receiver, sender)
    return DialogId(message.call_id, own, far)


def _place(uri: Uri) -> tuple[object, ...]:
    """Return what decides where a URI leads, if no Route does."""
    if not uri.is_sip:
        return (str(uri),)
    params = uri.params
    return (uri.scheme, uri.host.lower(), port_of(uri), params.get("transport"), params.get("maddr"))
