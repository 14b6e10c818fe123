"""The errors of wic, as a tree that a caller can act on.

::

    WicError
      ConfigurationError
      ProtocolError
        LocalProtocolError
        RemoteProtocolError          .status_hint: the answer the protocol asks for
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

A branch says who has to act: the user (`ConfigurationError`), whoever wrote the calling code
(`LocalProtocolError`), the peer (`RemoteProtocolError`), or nobody but time (`TransportError`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wic.sip.flow import Flow
    from wic.sip.message import Request, Response


class WicError(Exception):
    """Anything that wic raises on purpose."""


class ConfigurationError(WicError):
    """The user's configuration cannot work; the message says what to change in one sentence."""


class StorageFailed(WicError):
    """A database cannot be written: the disk is full or fails, or another process has held the file for too long."""


class ProtocolError(WicError):
    """Somebody broke a protocol's rules."""


class LocalProtocolError(ProtocolError):
    """This side tried to send something that the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol does not allow.

    Attributes:
        status_hint: the SIP status that answers it, or None where the protocol asks for silence.
    """

    def __init__(self, message: str, *, status_hint: int | None = 400) -> None:
        super().__init__(message)
        self.status_hint = status_hint


class TransportError(WicError):
    """Bytes could not be carried."""


class ConnectFailed(TransportError):
    """No connection could be made: refused, unknown host, untrusted certificate, no answer."""


class HandshakeRejected(TransportError):
    """The peer answered, but not with the protocol asked for (RFC 7118 §4: subprotocol `sip`)."""


class FlowLost(TransportError):
    """An open connection ended; the message says who ended it and why."""


class RequestFailed(WicError):
    """A request got no final answer, or a bad one.

    Attributes:
        request: the request as it was sent.
        flow: where it was sent, if it was.
    """

    def __init__(self, message: str, *, request: Request | None = None, flow: Flow | None = None) -> None:
        super().__init__(message)
        self.request = request
        self.flow = flow


class RequestTimeout(RequestFailed):
    """No final response came in time (Timer B or F of RFC 3261 §17.1)."""


class AuthenticationFailed(WicError):
    """Client and network could not agree that the user is who it says."""


class ChallengeUnsupported(AuthenticationFailed):
    """No challenge that the network sent can be answered with these credentials."""


class NetworkNotTrusted(AuthenticationFailed):
    """The network could not prove that it knows the user's secret (AUTN, rspauth)."""


class UsimFailed(AuthenticationFailed):
    """The USIM gave no answer: no card, no reader, or no place to remember its sequence number; later it may."""


class TokenRefused(AuthenticationFailed):
    """The network wants another access token than the one it got, or one at all (RFC 8898 §2.1.1).

    Attributes:
        authz_server: the authorization server that the challenge names, one that is trusted; or None.
        error: what is wrong with the token, such as `invalid_token`; None if none was sent.
        scope: what the token has to be good for, in the words of the challenge; or None.
    """

    def __init__(
        self, message: str, *, authz_server: str | None = None, error: str | None = None, scope: str | None = None
    ) -> None:
        super().__init__(message)
        self.authz_server = authz_server
        self.error = error
        self.scope = scope


class SignInFailed(AuthenticationFailed):
    """An authorization server, or the WWSF, gave no access token.

    Attributes:
        error: its error code, such as `access_denied` (RFC 6749 §5.2, RFC 8628 §3.5), or None.
        temporary: whether the same may succeed later.
        retry_after: the seconds after which the server wants to be asked again, or None.
    """

    def __init__(
        self, message: str, *, error: str | None = None, temporary: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.error = error
        self.temporary = temporary
        self.retry_after = retry_after


class SignInNeeded(SignInFailed):
    """A person has to sign in (again), with `wic login`."""


class SequenceOutOfRange(AuthenticationFailed):
    """The network knows the keys of the USIM, but not where its sequence numbers stand (TS 33.102 §6.3.3)."""


class RegistrationFailed(WicError):
    """The registration could not be made or kept.

    Attributes:
        response: the final response that said so, if there was one.
    """

    def __init__(self, message: str, *, response: Response | None = None) -> None:
        super().__init__(message)
        self.response = response


class CallFailed(WicError):
    """A call could not be made or kept.

    Attributes:
        response: the final response that ended it, if there was one.
    """

    def __init__(self, message: str, *, response: Response | None = None) -> None:
        super().__init__(message)
        self.response = response


class CallRejected(CallFailed):
    """The other side, or the network, refused the call."""


class CallCancelled(CallFailed):
    """The caller gave up before the call was answered."""


class NegotiationFailed(CallFailed):
    """Offer and answer have nothing in common, or one of them is wrong."""


class MediaFailed(WicError):
    """Media could not be set up or kept."""


class FingerprintMismatch(MediaFailed):
    """The certificate of the DTLS peer is not the one its SDP announced (RFC 8122 §5)."""

    def __str__(self) -> str:
        """Return the words after the name, which tells an attack from bad luck wherever they are read."""
        return f"{type(self).__name__}: {super().__str__()}"


class IceFailed(MediaFailed):
    """No candidate pair works (RFC 8445 §7)."""


class ConsentLost(MediaFailed):
    """The peer stopped answering consent checks (RFC 7675 §5.1)."""
