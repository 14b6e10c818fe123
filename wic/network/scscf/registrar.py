"""The registrar of the S-CSCF (RFC 3261 §10.3, RFC 5626 §6, TS 24.229 §5.4.1)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wic.auth.secret import Secret
from wic.auth.server import Outcome
from wic.network.scscf.contacts import ContactsRefused, wanted_bindings
from wic.network.scscf.options import RegistrarOptions
from wic.sip.errors import MalformedHeader
from wic.sip.message import Response

if TYPE_CHECKING:
    from wic.auth.digest import DigestAlgorithm
    from wic.auth.server import DigestVerifier, Verdict
    from wic.network.hss import Binding, Hss, Subscriber
    from wic.sip.message import Request
    from wic.sip.uri import Uri

_log = logging.getLogger(__name__)

PROTECTED = frozenset({"tls-yes", "tls-protected"})
"""Values of `integrity-protected` for a TLS association: TS 24.229 §7.2A.2 has the first, TS 24.371 §6.4.1.2 the other."""


class Registrar:
    """Answers REGISTER requests.

    Args:
        hss: subscribers and bindings.
        verifier: checks Digest credentials.
        service_route: value of the Service-Route that requests of registered users have to take.
        options: what is granted.
    """

    def __init__(
        self, hss: Hss, verifier: DigestVerifier, service_route: Uri, options: RegistrarOptions | None = None
    ) -> None:
        self._hss = hss
        self._verifier = verifier
        self._service_route = service_route
        self._options = options or RegistrarOptions()

    def register(self, request: Request, *, trusted: bool, tag: str, now: float) -> Response:
        """Return the response to a REGISTER.

        Args:
            request: as it came.
            trusted: whether it came from an eP-CSCF whose `integrity-protected` is to be believed.
            tag: for the To of the response.
            now: seconds of the epoch.
        """
        try:
            return self._register(request, trusted, tag, now)
        except MalformedHeader as error:
            return Response.answer(request, 400, str(error), to_tag=tag)
        except ContactsRefused as refused:
            return Response.answer(request, refused.status, to_tag=tag, headers=refused.headers)

    def _register(self, request: Request, trusted: bool, tag: str, now: float) -> Response:
        credentials = next((value.params for value in request.auth("Authorization")), None)
        subscriber = self._subscriber(request.to.uri, None if credentials is None else credentials.get("username"))
        if subscriber is None:
            # TS 24.229 §5.3.1.2: an identity that the HSS does not know, or not together with the private one.
            return Response.answer(request, 403, "Identity Not Known", to_tag=tag)
        protected = trusted and credentials is not None and credentials.get("integrity-protected") in PROTECTED
        verdict = self._verifier.verify(request, self._ha1, now=now)
        if not self._passes(verdict, subscriber, protected=protected, now=now):
            return self._refuse(request, verdict, tag, now)
        granted = wanted_bindings(
            request, subscriber.impi, self._hss.bindings(subscriber.impi, now=now), self._options, now=now
        )
        self._hss.change_bindings(subscriber.impi, store=granted.store, remove=granted.remove)
        return self._accept(request, subscriber, verdict, granted.outbound, tag, now)

    def _subscriber(self, impu: Uri, impi: str | None) -> Subscriber | None:
        holders = self._hss.holders(str(impu.aor()))
        if impi:
            return next((subscriber for subscriber in holders if subscriber.impi == impi), None)
        return holders[0] if holders else None

    def _ha1(self, username: str, algorithm: DigestAlgorithm) -> Secret | None:
        # The -sess variants are made from the same H(user:realm:password) (RFC 7616 §3.4.2).
        ha1 = self._hss.ha1(username, algorithm.name.removesuffix("-sess"))
        return None if ha1 is None else Secret(ha1)

    def _passes(self, verdict: Verdict, subscriber: Subscriber, *, protected: bool, now: float) -> bool:
        if verdict.outcome is Outcome.OK:
            return verdict.username == subscriber.impi
        # TS 24.229 §5.4.1.2.2: within a TLS association a user who is registered need not prove it again,
        # but whoever tries and fails does not get through.
        registered = protected and bool(self._hss.bindings(subscriber.impi, now=now))
        return registered and verdict.outcome in (Outcome.MISSING, Outcome.STALE, Outcome.REPLAYED)

    def _refuse(self, request: Request, verdict: Verdict, tag: str, now: float) -> Response:
        if verdict.outcome is Outcome.WRONG:
            # TS 24.229 §5.4.1.2.3B: a wrong response ends the attempt.
            _log.info("wrong credentials for %s", request.to.uri)
            return Response.answer(request, 403, "Authentication Failed", to_tag=tag)
        if verdict.outcome is Outcome.MALFORMED:
            _log.info("credentials that cannot be checked, for %s", request.to.uri)
        challenges = self._verifier.make_challenges(now=now, stale=verdict.stale)
        headers = [("WWW-Authenticate", challenge) for challenge in challenges]
        return Response.answer(request, 401, to_tag=tag, headers=headers)

    def _accept(
        self, request: Request, subscriber: Subscriber, verdict: Verdict, outbound: bool, tag: str, now: float
    ) -> Response:
        bindings = self._hss.bindings(subscriber.impi, now=now)
        headers: list[tuple[str, object]] = [("Contact", contact_of(binding, now=now)) for binding in bindings]
        # RFC 3327 §5.3: what the registrar stored; TS 24.229 §5.4.1.2.2F: Service-Route and P-Associated-URI.
        headers += [("Path", value) for value in request.headers.get_all("Path")]
        headers.append(("Service-Route", f"<{self._service_route}>"))
        headers.append(("P-Associated-URI", ", ".join(f"<{impu}>" for impu in subscriber.impus)))
        if outbound:
            headers.append(("Require", "outbound"))  # RFC 5626 §6
        if verdict.outcome is Outcome.OK and verdict.authentication_info is not None:
            headers.append(("Authentication-Info", verdict.authentication_info))
        return Response.answer(request, 200, to_tag=tag, headers=headers)


def contact_of(binding: Binding, *, now: float) -> str:
    """Return the Contact value that reports a binding (RFC 3261 §10.3 step 8)."""
    return f"{binding.contact};expires={max(0, round(binding.expires_at - now))}"
