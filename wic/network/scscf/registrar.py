"""The registrar of the S-CSCF (RFC 3261 §10.3, RFC 5626 §6, TS 24.229 §5.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.auth.digest_server import find_credentials
from wic.network.scscf.attempt import Attempt, choose_scheme, read_protection
from wic.network.scscf.contacts import wanted_bindings
from wic.network.scscf.refusal import Refused
from wic.sip.errors import MalformedHeader
from wic.sip.grammar import quote
from wic.sip.message import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wic.network.hss import Hss, PublicIdentity, StoredBinding, SubscriberProfile
    from wic.network.scscf.attempt import Authentication, Passed, Scheme
    from wic.network.scscf.changes import BindingObserver
    from wic.network.scscf.contacts import Granted
    from wic.network.scscf.gruu import GruuFactory
    from wic.network.scscf.options import RegistrarOptions
    from wic.sip.message import Request
    from wic.sip.uri import Uri


class Registrar:
    """Answers REGISTER requests.

    Args:
        hss: subscribers and bindings.
        schemes: how subscribers prove who they are.
        service_route: value of the Service-Route that requests of registered users have to take.
        gruus: makes GRUUs.
        observer: is told what changes.
        options: what is granted.
    """

    def __init__(
        self,
        hss: Hss,
        schemes: Mapping[Scheme, Authentication],
        service_route: Uri,
        *,
        gruus: GruuFactory,
        observer: BindingObserver,
        options: RegistrarOptions,
    ) -> None:
        self._hss = hss
        self._schemes = schemes
        self._service_route = service_route
        self._gruus = gruus
        self._observer = observer
        self._options = options

    def register(self, request: Request, *, trusted: bool, tag: str, now: float) -> Response:
        """Return the response to a REGISTER.

        Args:
            request: as it came.
            trusted: whether it came from an eP-CSCF whose `integrity-protected` is to be believed.
            tag: for the To of the response.
            now: seconds of the epoch.
        """
        try:
            attempt = self._attempt(request, trusted, now)
            passed = self._authenticate(attempt)
            granted = wanted_bindings(attempt, self._options, proved=passed.proved)
        except MalformedHeader as error:
            return Response.answer(request, 400, str(error), to_tag=tag)
        except Refused as refused:
            return Response.answer(request, refused.status, refused.reason, to_tag=tag, headers=refused.headers)
        impi, registration_set = attempt.subscriber.impi, attempt.identity.registration_set
        if granted.store or granted.remove:
            self._hss.change_bindings(
                impi, store=granted.store, remove=granted.remove, registration_set=registration_set
            )
        response = self._accept(attempt, passed, granted, tag)
        self._observer.changed(impi, granted.changes, now=now)
        return response

    def _attempt(self, request: Request, trusted: bool, now: float) -> Attempt:
        credentials = find_credentials(request, self._hss.realm)
        impu = str(request.to.uri.aor())
        subscriber = self._subscriber(impu, None if credentials is None else credentials.get("username"))
        identity = None if subscriber is None else subscriber.identity(impu)
        if subscriber is None or identity is None:
            # TS 24.229 §5.3.1.2: an identity that the HSS does not know, or not together with the private one.
            raise Refused(403, "Identity Not Known")
        bindings = self._hss.bindings(subscriber.impi, registration_set=identity.registration_set, now=now)
        return Attempt(
            request=request,
            credentials=credentials,
            protection=read_protection(credentials, trusted=trusted),
            subscriber=subscriber,
            identity=identity,
            bindings=tuple(bindings),
            now=now,
            source=str(request.paths[0]) if trusted and request.paths else "",
        )

    def _subscriber(self, impu: str, impi: str | None) -> SubscriberProfile | None:
        holders = self._hss.holders(impu)
        if impi:
            return next((subscriber for subscriber in holders if subscriber.impi == impi), None)
        return holders[0] if holders else None

    def _authenticate(self, attempt: Attempt) -> Passed:
        scheme = choose_scheme(attempt, self._hss)
        if scheme is None:
            # Such a subscriber can only be vouched for by an eP-CSCF (TS 33.203 Annex U).
            raise Refused(403, "Authentication Failed")
        return self._schemes[scheme].authenticate(attempt)

    def _accept(self, attempt: Attempt, passed: Passed, granted: Granted, tag: str) -> Response:
        request, bindings = attempt.request, granted.applied_to(attempt.bindings)
        headers: list[tuple[str, object]] = [("Contact", self._contact(attempt, binding)) for binding in bindings]
        # RFC 3327 §5.3: what the registrar stored; TS 24.229 §5.4.1.2.2F: Service-Route and P-Associated-URI.
        headers += [("Path", value) for value in request.headers.get_all("Path")]
        headers.append(("Service-Route", f"<{self._service_route}>"))
        associated = attempt.subscriber.associated(attempt.identity.registration_set)
        if associated:
            headers.append(("P-Associated-URI", ", ".join(map(_associated, associated))))
        if granted.outbound:
            headers.append(("Require", "outbound"))  # RFC 5626 §6
        if passed.authentication_info is not None:
            headers.append(("Authentication-Info", passed.authentication_info))
        return Response.answer(request, 200, to_tag=tag, headers=headers)

    def _contact(self, attempt: Attempt, binding: StoredBinding) -> str:
        """Return the Contact value that reports a binding (RFC 3261 §10.3 step 8, RFC 5627 §5.3)."""
        value = f"{binding.contact};expires={max(0, round(binding.expires_at - attempt.now))}"
        if "gruu" not in attempt.request.supported:
            return value
        gruus = self._gruus.make(binding, attempt.subscriber.public_name(attempt.identity).impu)
        return value if gruus is None else f'{value};pub-gruu="{gruus.public}";temp-gruu="{gruus.temporary}"'


def _associated(identity: PublicIdentity) -> str:
    return f"{quote(identity.display_name)} <{identity.impu}>" if identity.display_name else f"<{identity.impu}>"
