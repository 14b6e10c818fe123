"""Answers to the requests of the peer within a call: re-INVITE, UPDATE, OPTIONS, INFO."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wic.call.profile import ALLOWED, SUPPORTED
from wic.errors import NegotiationFailed, RemoteProtocolError
from wic.sdp.body import SDP, expect_sdp

if TYPE_CHECKING:
    from wic.call.agreement import Agreement
    from wic.call.profile import CallProfile
    from wic.sdp.description import SessionDescription
    from wic.sip.endpoint import Endpoint
    from wic.sip.events import AckReceived, RequestReceived
    from wic.sip.transaction.server import ServerTransaction

__all__ = ["InDialogRequests", "options_headers", "warning"]

_RETRY_AFTER_SECONDS = 5
Headers = list[tuple[str, object]]


class InDialogRequests:
    """Answers for one call."""

    def __init__(self, endpoint: Endpoint, profile: CallProfile) -> None:
        self._endpoint = endpoint
        self._profile = profile
        self._offer: SessionDescription | None = None
        self._offer_transaction: ServerTransaction | None = None

    def product(self) -> Headers:
        """Name this side's product in a request."""
        return [("User-Agent", self._profile.user_agent)] if self._profile.user_agent else []

    def capabilities(self) -> Headers:
        """Return the header fields of this side's capabilities, for a 2xx that makes or keeps a session."""
        return [("Contact", self._profile.contact), *_methods(self._profile)]

    def accept(self, event: RequestReceived, now: float, description: SessionDescription | None = None) -> None:
        """Answer 200, with a session description if there is one."""
        headers: Headers = []
        if event.request.method in ("INVITE", "UPDATE"):
            headers += self.capabilities()
        body = b""
        if description is not None:
            headers.append(("Content-Type", SDP))
            body = description.to_bytes()
        self._respond(event, 200, headers, body, now)

    def refuse(self, event: RequestReceived, status: int, now: float, headers: Headers | None = None) -> None:
        """Answer with a failure; the session, if there is one, goes on (RFC 3261 §14.2)."""
        self._respond(event, status, headers or [], b"", now)

    def answer(self, event: RequestReceived, agreement: Agreement | None, now: float) -> Agreement | None:
        """Answer a request other than BYE.

        Args:
            event: the request.
            agreement: in force; None before there is one to change.
            now: the time.

        Returns:
            The new agreement, if the request made one.
        """
        match event.request.method:
            case "INVITE" | "UPDATE":
                return self._change(event, agreement, now)
            case "OPTIONS":
                # RFC 3261 §11.2: within a dialog it is answered as outside, and changes nothing.
                self._respond(event, 200, options_headers(self._profile), b"", now)
            case "INFO":
                self._answer_info(event, now)
            case "NOTIFY":  # RFC 6665 §4.1.3: there is no subscription in this dialog
                self.refuse(event, 481, now)
            case _:
                # RFC 3261 §8.2.1: 405 has to say which methods there are.
                self.refuse(event, 405, now, [("Allow", ", ".join(ALLOWED))])
        return None

    def acknowledged(self, event: AckReceived, agreement: Agreement) -> Agreement | None:
        """Take the answer in the ACK of a re-INVITE whose offer was made here; a bad one changes nothing."""
        offer = self._offer
        if offer is None or event.transaction is not self._offer_transaction:
            return None
        self._offer = self._offer_transaction = None
        try:
            answer = expect_sdp(event.request)
            return None if answer is None else agreement.answered_again(offer, answer)
        except (NegotiationFailed, RemoteProtocolError):
            return None

    def _answer_info(self, event: RequestReceived, now: float) -> None:
        # RFC 6086 §4.2.2: no package is supported, and 469 has to say which are.
        if "Info-Package" in event.request.headers:
            self.refuse(event, 469, now, [("Recv-Info", "")])
        elif event.request.body:
            self.refuse(event, 415, now, [("Accept", "")])
        else:
            self.accept(event, now)

    def _change(self, event: RequestReceived, agreement: Agreement | None, now: float) -> Agreement | None:
        try:
            offer = expect_sdp(event.request)
            if self._offer is not None or (offer is not None and agreement is None):
                # RFC 3264 §4: one offer at a time.
                if self._offer is not None:  # RFC 3261 §14.2: ours waits for its answer in the ACK
                    self.refuse(event, 491, now)
                else:  # RFC 3311 §5.2: the offer of the INVITE is not answered yet
                    self.refuse(event, 500, now, [("Retry-After", _RETRY_AFTER_SECONDS)])
                return None
            if offer is None or agreement is None:
                # A refresh of the target, or a re-INVITE that asks for an offer (RFC 3261 §14.2).
                asked = event.request.method == "INVITE" and agreement is not None
                if asked and agreement is not None:
                    self._offer, self._offer_transaction = agreement.offered_again(), event.transaction
                self.accept(event, now, self._offer)
                return None
            changed = agreement.renewed(offer)
        except RemoteProtocolError as error:
            self.refuse(event, error.status_hint or 400, now, refusal_headers(error))
            return None
        except NegotiationFailed as error:
            # RFC 3261 §14.2: the session goes on with the parameters it has.
            self.refuse(event, 488, now, [warning(str(error), self._profile)])
            return None
        self.accept(event, now, changed.local)
        return changed

    def _respond(self, event: RequestReceived, status: int, headers: Headers, body: bytes, now: float) -> None:
        self._endpoint.reply(event.transaction, status, now=now, headers=headers, body=body)


def options_headers(profile: CallProfile) -> Headers:
    """Return the header fields of the answer to OPTIONS, within a dialog or outside (RFC 3261 §11.2)."""
    contact = replace(profile.contact, params=profile.features)
    return [
        ("Contact", contact),
        *_methods(profile),
        ("Accept", SDP),
        ("Accept-Encoding", "identity"),
        ("Accept-Language", "en"),
        ("Supported", ", ".join(SUPPORTED)),
    ]


def _methods(profile: CallProfile) -> Headers:
    server: Headers = [("Server", profile.user_agent)] if profile.user_agent else []
    return [("Allow", ", ".join(ALLOWED)), *server]


def warning(text: str, profile: CallProfile) -> tuple[str, object]:
    """Make a Warning header field: 399, free text (RFC 3261 §20.43)."""
    quoted = text.replace("\\", " ").replace('"', "'")
    printable = "".join(character if character.isprintable() else " " for character in quoted)
    return ("Warning", f'399 {profile.identity.host} "{printable}"')


def refusal_headers(error: RemoteProtocolError) -> Headers:
    """Return the header fields that a refusal needs: Accept with a 415 (RFC 3261 §8.2.3)."""
    return [("Accept", SDP)] if error.status_hint == 415 else []
