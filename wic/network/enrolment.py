"""Enrolment of subscribers: an entry in the HSS, and an account that registers with it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wic.accounts.schema import DEFAULT_ALGORITHM, AuthScheme
from wic.auth.milenage import Milenage
from wic.auth.secret import Secret
from wic.network.certificates import CA_FILE
from wic.network.hss import DIGEST_ALGORITHMS, PublicIdentity, SubscriberProfile, UsimKeys, make_profile

if TYPE_CHECKING:
    from wic.accounts.accounts_file import AccountsFile, Value
    from wic.network.hss import Hss


def sign_in_account(name: str) -> str:
    """Return the name of a web user's account for signing in with a browser; the account NAME has a secret of its own."""
    return f"{name}-in-person"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberIdentities:
    """Identities of a subscriber to be added."""

    name: str
    """User part of the private identity `NAME@DOMAIN` and of the first public one, and the account's name."""
    further: tuple[str, ...] = ()
    """More public identities of the first implicit registration set, such as `tel:+4930123`."""
    separate: tuple[str, ...] = ()
    """Public identities that are registered one by one: each is a registration set of its own."""
    barred: bool = False
    """Whether `sip:NAME@DOMAIN` may only be registered, neither used nor called."""

    def profile(self, domain: str) -> SubscriberProfile:
        """Return the profile of the subscriber in a home domain.

        Raises:
            ConfigurationError: an identity is malformed.
        """
        impi = f"{self.name}@{domain}"
        together = [PublicIdentity(f"sip:{impi}", barred=self.barred), *map(PublicIdentity, self.further)]
        apart = [PublicIdentity(impu, registration_set=number) for number, impu in enumerate(self.separate, start=1)]
        return make_profile(impi, [*together, *apart])


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Adds subscribers, each with an account; one that exists gets other credentials.

    Args:
        hss: the subscriber database.
        accounts: the accounts file.
        server: URL to which the accounts connect.
        insecure: whether that is without TLS.
    """

    hss: Hss
    accounts: AccountsFile
    server: str
    insecure: bool = False

    def add_digest(
        self, new: SubscriberIdentities, *, password: Secret | None = None, algorithm: str | None = None
    ) -> SubscriberProfile:
        """Add a subscriber with a password.

        Args:
            new: the identities.
            password: a random one if None.
            algorithm: the only Digest algorithm that the subscriber may use; None allows all.

        Raises:
            ConfigurationError: an identity is malformed, the algorithm is unknown, or the file cannot be written.
        """
        chosen = password or Secret(secrets.token_urlsafe(18))
        subscriber = new.profile(self.hss.realm)
        algorithms = DIGEST_ALGORITHMS if algorithm is None else (algorithm,)
        self.hss.add_subscriber(subscriber.impi, subscriber.identities, chosen, algorithms=algorithms)
        # The account says one scheme only: credentials of another one would be a second way in.
        self.hss.remove_usim(subscriber.impi)
        self._write(new, subscriber, AuthScheme.DIGEST, {"password": chosen.reveal()})
        return subscriber

    def add_aka(
        self, new: SubscriberIdentities, *, usim: UsimKeys | None = None, algorithm: str = DEFAULT_ALGORITHM
    ) -> SubscriberProfile:
        """Add a subscriber with a USIM.

        Args:
            new: the identities.
            usim: the keys; random ones for Milenage if None.
            algorithm: the algorithm that the account asks for.

        Raises:
            ConfigurationError: an identity is malformed, or the file cannot be written.
        """
        chosen = usim or UsimKeys.made_up()
        subscriber = new.profile(self.hss.realm)
        self.hss.add_usim(subscriber.impi, subscriber.identities, chosen)
        self.hss.remove_passwords(subscriber.impi)  # as above
        functions = chosen.algorithms()
        opc = functions.opc if isinstance(functions, Milenage) else functions.topc
        keys: dict[str, Value] = {"algorithm": algorithm, "usim": chosen.functions}
        keys |= {"k": chosen.k.hex(), "opc": opc.hex()}  # never OP, which the subscribers of an operator share
        self._write(new, subscriber, AuthScheme.AKA, keys)
        return subscriber

    def add_bearer(
        self, new: SubscriberIdentities, *, waf: str, client_id: str, client_secret: Secret
    ) -> SubscriberProfile:
        """Add a subscriber that only the eP-CSCF authenticates, by tokens of a WAF (TS 33.203 Annex U).

        Args:
            new: the identities.
            waf: URL of the WAF.
            client_id: client of the WAF as which the account gets tokens.
            client_secret: secret of that client.

        Raises:
            ConfigurationError: an identity is malformed, or the file cannot be written.
        """
        subscriber = new.profile(self.hss.realm)
        # Without a password or a USIM only the eP-CSCF can vouch for it.
        self.hss.add(subscriber)
        self.hss.remove_usim(subscriber.impi)
        client: dict[str, Value] = {"waf": waf, "client_id": client_id, "client_secret": client_secret.reveal()}
        self._write(new, subscriber, AuthScheme.BEARER, client)
        return subscriber

    def add_sign_in_account(self, new: SubscriberIdentities, *, wwsf: str) -> None:
        """Write a second account of a web user, for signing in with a browser at the WWSF; it has no secret.

        Raises:
            ConfigurationError: an identity is malformed, or the file cannot be written.
        """
        named = replace(new, name=sign_in_account(new.name))
        self._write(named, new.profile(self.hss.realm), AuthScheme.BEARER, {"wwsf": wwsf})

    def _write(
        self, new: SubscriberIdentities, subscriber: SubscriberProfile, auth: AuthScheme, secret: dict[str, Value]
    ) -> None:
        own, *_ = subscriber.impus
        entry: dict[str, Value] = {"server": self.server, "impu": own, "impi": subscriber.impi, "auth": auth.value}
        # TS 23.228 §5.2.1a: identities of other sets are registered by REGISTERs of their own.
        if new.separate:
            entry["impus"] = [each.impu for each in subscriber.identities if each.registration_set]
        # The path of the CA is relative, so that the directory may be moved.
        entry |= {"insecure": True} if self.insecure else {"ca": CA_FILE}
        self.accounts.put(new.name, entry | secret)
