"""New subscribers: what the HSS learns of them, and the account that works for each way to register."""

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
    """Return the name of the account with which a web user signs in; the account NAME is a program's, with its own secret."""
    return f"{name}-in-person"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberIdentities:
    """The identities of a subscriber that is to be added."""

    name: str
    """User part of the private identity `NAME@DOMAIN` and of the first public one, and the account's name."""
    further: tuple[str, ...] = ()
    """More public identities of the first implicit registration set, such as `tel:+4930123`."""
    separate: tuple[str, ...] = ()
    """Public identities that are registered one by one: each is a registration set of its own."""
    barred: bool = False
    """Whether `sip:NAME@DOMAIN` may only be registered, neither used nor called."""

    def profile(self, domain: str) -> SubscriberProfile:
        """Return the subscriber in a home domain.

        Raises:
            ConfigurationError: an identity is not of its form.
        """
        impi = f"{self.name}@{domain}"
        together = [PublicIdentity(f"sip:{impi}", barred=self.barred), *map(PublicIdentity, self.further)]
        apart = [PublicIdentity(impu, registration_set=number) for number, impu in enumerate(self.separate, start=1)]
        return make_profile(impi, [*together, *apart])


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Adds subscribers, each with an account; one that exists gets other credentials.

    Args:
        hss: the database.
        accounts: the accounts file.
        server: where the accounts connect.
        insecure: whether that is without TLS.
    """

    hss: Hss
    accounts: AccountsFile
    server: str
    insecure: bool = False

    def digest(
        self, new: SubscriberIdentities, *, password: Secret | None = None, algorithm: str | None = None
    ) -> SubscriberProfile:
        """Add a subscriber with a password.

        Args:
            new: the identities.
            password: one nobody can guess if None.
            algorithm: the only Digest algorithm that the subscriber may use; None allows all.

        Raises:
            ConfigurationError: an identity or the algorithm cannot be, or the file cannot be written.
        """
        chosen = password or Secret(secrets.token_urlsafe(18))
        subscriber = new.profile(self.hss.realm)
        algorithms = DIGEST_ALGORITHMS if algorithm is None else (algorithm,)
        self.hss.add_subscriber(subscriber.impi, subscriber.identities, chosen, algorithms=algorithms)
        self.hss.remove_usim(subscriber.impi)
        self._write(new, subscriber, AuthScheme.DIGEST, {"password": chosen.reveal()})
        return subscriber

    def aka(
        self, new: SubscriberIdentities, *, usim: UsimKeys | None = None, algorithm: str = DEFAULT_ALGORITHM
    ) -> SubscriberProfile:
        """Add a subscriber with a USIM.

        Args:
            new: the identities.
            usim: the keys; keys nobody can guess, for Milenage, if None.
            algorithm: what the account asks for.

        Raises:
            ConfigurationError: an identity cannot be, or the file cannot be written.
        """
        chosen = usim or UsimKeys.made_up()
        subscriber = new.profile(self.hss.realm)
        self.hss.add_usim(subscriber.impi, subscriber.identities, chosen)
        self.hss.remove_passwords(subscriber.impi)
        functions = chosen.algorithms()
        opc = functions.opc if isinstance(functions, Milenage) else functions.topc
        keys: dict[str, Value] = {
            "algorithm": algorithm,
            "usim": chosen.functions,
            "k": chosen.k.hex(),
            "opc": opc.hex(),
        }
        self._write(new, subscriber, AuthScheme.AKA, keys)
        return subscriber

    def bearer(
        self, new: SubscriberIdentities, *, waf: str, client_id: str, client_secret: Secret
    ) -> SubscriberProfile:
        """Add a subscriber whom only the eP-CSCF authenticates, by tokens of a WAF (TS 33.203 Annex U).

        Args:
            new: the identities.
            waf: URL of the WAF.
            client_id: under which the account gets tokens without anybody's help.
            client_secret: of that client.

        Raises:
            ConfigurationError: an identity cannot be, or the file cannot be written.
        """
        subscriber = new.profile(self.hss.realm)
        self.hss.add(subscriber)
        self.hss.remove_usim(subscriber.impi)
        client: dict[str, Value] = {"waf": waf, "client_id": client_id, "client_secret": client_secret.reveal()}
        self._write(new, subscriber, AuthScheme.BEARER, client)
        return subscriber

    def add_sign_in_account(self, new: SubscriberIdentities, *, wwsf: str) -> None:
        """Write a second account of a web user, for somebody who signs in with a browser; it has no secret.

        Args:
            new: the identities.
            wwsf: URL of the WWSF, which says where to sign in.

        Raises:
            ConfigurationError: an identity cannot be, or the file cannot be written.
        """
        self._write(
            replace(new, name=sign_in_account(new.name)), new.profile(self.hss.realm), AuthScheme.BEARER, {"wwsf": wwsf}
        )

    def _write(
        self, new: SubscriberIdentities, subscriber: SubscriberProfile, auth: AuthScheme, secret: dict[str, Value]
    ) -> None:
        own, *_ = subscriber.impus
        entry: dict[str, Value] = {"server": self.server, "impu": own, "impi": subscriber.impi, "auth": auth.value}
        if new.separate:
            further = [each.impu for each in subscriber.identities if each.registration_set]
            entry["impus"] = further
        entry |= {"insecure": True} if self.insecure else {"ca": CA_FILE}
        self.accounts.put(new.name, entry | secret)
