"""Credentials as requests use them, of any scheme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from wic.sip.message import Request, Response


class Authenticator(Protocol):
    """Credentials of one user towards the network.

    Per request: `authorize` before it is sent; on 401 or 407 `challenged`, after which the request
    is built anew (next CSeq, same Call-ID), authorized and sent; on success `accepted`; `advice` goes
    into what the user is told about a refusal. `forget` before a registration begins again.
    """

    def authorize(self, request: Request) -> None:
        """Put into `request` the credentials that are known to be wanted; body and URI must be final."""

    def forget(self) -> None:
        """Forget all challenges: an initial registration begins without any (TS 24.229 §5.1.1.2)."""

    def challenged(self, request: Request, response: Response) -> None:
        """Take in the challenges of a 401 or 407 to `request`.

        Raises:
            AuthenticationFailed: there is no point in sending the request again.
        """

    def accepted(self, request: Request, response: Response) -> None:
        """Take in what a success says about authentication.

        Raises:
            NetworkNotTrusted: the network claims to know the user's secret and does not.
        """

    def advice(self, request: Request, response: Response) -> str:
        """Name what the user should check when `response` refuses `request`; empty if nothing of these credentials."""
