"""Exceptions of wic, one tree.

::

    WicError
      ConfigurationError
        PortTaken
      ProtocolError
        LocalProtocolError
        RemoteProtocolError          .status_hint: the answer that the protocol asks for
      TransportError
        ConnectFailed
        HandshakeRejected
        FlowLost
      RequestFailed                  .request and .flow ride on the error
        RequestTimeout
      AuthenticationFailed
        ChallengeUnsupported
        NetworkNotTrusted
        SequenceOutOfRange
        UsimFailed
        TokenRefused                 .authz_server, .error, .scope
        SignInFailed                 .error, .temporary
          SignInNeeded
      RegistrationFailed
      CallFailed
        CallRejected                 .response
        CallCancelled
        NegotiationFailed
      MediaFailed
        FingerprintMismatch
        IceFailed
        ConsentLost
      StorageFailed

The branch tells where the fault is to be mended: in the user's configuration (`ConfigurationError`), in the
calling code (`LocalProtocolError`), at the peer (`RemoteProtocolError`), or nowhere, and a later attempt may
succeed (`TransportError`).

This module stands below every other one and imports none of them. The SIP values that ride on an error are
therefore typed by what can be read of them here; the objects themselves are a `Request`, a `Response` and a
`Flow` of `wic.sip`.
"""

from __future__ import annotations

from typing import Protocol


class HeaderFields(Protocol):
    """Header fields of a SIP message that an error carries."""

    def get(self, name: str) -> str | None:
        """Return the value of the first header field of that name, or None."""


class SipRequest(Protocol):
    """Request that an error carries: a `wic.sip.message.Request`."""

    @property
    def method(self) -> str:
        """The method, such as `INVITE`."""

    @property
    def uri_text(self) -> str:
        """The Request-URI."""

    @property
    def headers(self) -> HeaderFields:
        """All header fields."""


class SipResponse(Protocol):
    """Final response that an error carries: a `wic.sip.message.Response`."""

    @property
    def status(self) -> int:
        """The status code, 200 to 699."""

    @property
    def reason(self) -> str:
        """The reason phrase."""

    @property
    def headers(self) -> HeaderFields:
        """All header fields."""


class SipFlow(Protocol):
    """Flow that an error carries: a `wic.sip.flow.Flow`."""

    @property
    def transport(self) -> str:
        """`WS`, `WSS`, `UDP`, `TCP` or `TLS`."""

    @property
    def local(self) -> tuple[str, int]:
        """Address of this side."""

    @property
    def remote(self) -> tuple[str, int]:
        """Address of the other side."""


class WicError(Exception):
    """Base of every exception that wic raises on purpose."""


class ConfigurationError(WicError):
    """Configuration that cannot work; the message says in one sentence what to change."""


class PortTaken(ConfigurationError):
    """Port on which another program listens."""


class StorageFailed(WicError):
    """Database that cannot be used: the disk is full or fails, another process holds the file, or it is damaged or gone."""


class ProtocolError(WicError):
    """Violation of a protocol, by this side or by the peer."""


class LocalProtocolError(ProtocolError):
    """Attempt of this side to send what the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """Message of the peer that the protocol does not allow.

    Attributes:
        status_hint: the SIP status that answers it, or None where the protocol asks for silence.
    """

    def __init__(self, message: str, *, status_hint: int | None = 400) -> None:
        super().__init__(message)
        self.status_hint = status_hint  # RFC 3261 §8.2: a request gets an answer, an ACK or a response none


class TransportError(WicError):
    """Failure of the connection that carries the messages."""


class ConnectFailed(TransportError):
    """Connection that could not be made: refused, unknown host, untrusted certificate, no answer."""


class HandshakeRejected(TransportError):
    """Handshake that the peer answered without the protocol asked for (RFC 7118 §4: subprotocol `sip`)."""


class FlowLost(TransportError):
    """End of an open connection; the message says which side ended it and why."""


class RequestFailed(WicError):
    """Request without a final response, or with one that is no success.

    Attributes:
        request: the request as it was sent.
        flow: where it was sent, if it was.
    """

    def __init__(self, message: str, *, request: SipRequest | None = None, flow: SipFlow | None = None) -> None:
        super().__init__(message)
        self.request = request
        self.flow = flow


class RequestTimeout(RequestFailed):
    """Request without a final response in time (Timer B or F of RFC 3261 §17.1)."""


class AuthenticationFailed(WicError):
    """Authentication of the user, or of the network, that failed."""


class ChallengeUnsupported(AuthenticationFailed):
    """Challenges of the network that these credentials cannot answer."""


class NetworkNotTrusted(AuthenticationFailed):
    """Network that could not prove that it knows the user's secret (AUTN, rspauth)."""


class UsimFailed(AuthenticationFailed):
    """USIM that gave no answer: no card, no reader, or no place to store its sequence number; a later attempt may succeed."""


class TokenRefused(AuthenticationFailed):
    """Access token that the network refused, or missed (RFC 8898 §2.1.1).

    Attributes:
        authz_server: the authorization server that the challenge names, one that is trusted; or None.
        error: what is wrong with the token, such as `invalid_token`; None if none was sent.
        scope: the scope that the challenge asks for, or None.
    """

    def __init__(
        self, message: str, *, authz_server: str | None = None, error: str | None = None, scope: str | None = None
    ) -> None:
        super().__init__(message)
        self.authz_server = authz_server  # None too if the challenge names one that is not trusted
        self.error = error
        self.scope = scope


class SignInFailed(AuthenticationFailed):
    """Request for an access token that the authorization server, or the WWSF, did not grant.

    Attributes:
        error: its error code, such as `access_denied` (RFC 6749 §5.2, RFC 8628 §3.5), or None.
        temporary: whether the same request may succeed later.
        retry_after: seconds that the server asks to wait before the next attempt, or None.
    """

    def __init__(
        self, message: str, *, error: str | None = None, temporary: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.error = error
        self.temporary = temporary
        self.retry_after = retry_after  # RFC 9110 §10.2.3


class SignInNeeded(SignInFailed):
    """Sign-in by a person that is needed (again), with `wic login`."""


class SequenceOutOfRange(AuthenticationFailed):
    """Sequence numbers of network and USIM that stay apart in spite of resynchronisation (TS 33.102 §6.3.3)."""


class RegistrationFailed(WicError):
    """Registration that could not be made or kept.

    Attributes:
        response: the final response that caused it, if there was one.
    """

    def __init__(self, message: str, *, response: SipResponse | None = None) -> None:
        super().__init__(message)
        self.response = response


class CallFailed(WicError):
    """Call that could not be made or kept.

    Attributes:
        response: the final response that ended it, if there was one.
    """

    def __init__(self, message: str, *, response: SipResponse | None = None) -> None:
        super().__init__(message)
        self.response = response


class CallRejected(CallFailed):
    """Call that the peer, or the network, refused."""


class CallCancelled(CallFailed):
    """Call that its caller gave up before it was answered."""


class NegotiationFailed(CallFailed):
    """Offer and answer that have nothing in common, or one of them malformed."""


class MediaFailed(WicError):
    """Media that could not be set up or kept."""


class FingerprintMismatch(MediaFailed):
    """Certificate of the DTLS peer that is not the one its SDP announced (RFC 8122 §5)."""

    def __str__(self) -> str:
        """Return the message after the class name, so that a log tells an attack from a failure."""
        return f"{type(self).__name__}: {super().__str__()}"


class IceFailed(MediaFailed):
    """ICE without a candidate pair that works (RFC 8445 §7)."""


class ConsentLost(MediaFailed):
    """Peer that no longer answers consent checks (RFC 7675 §5.1)."""
