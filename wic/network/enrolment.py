"""Enrolment of subscribers: an entry in the HSS, an account that registers with it, and for web users one at the WAF.

Any number of subscribers is enrolled at once, all of them or none, and each file is written once: the accounts file is
read and written as a whole, so that one by one a thousand subscribers would cost a million accounts. Everything that can
be wrong with a subscriber is found by `prepare`, before anything is stored.
"""

from __future__ import annotations

import re
import secrets
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from wic.accounts.schema import ALGORITHMS, DEFAULT_ALGORITHM, AuthScheme
from wic.auth.aka import find_aka_algorithm
from wic.auth.milenage import Milenage
from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.network.certificates import CA_FILE
from wic.network.hss import DIGEST_ALGORITHMS, PublicIdentity, SubscriberProfile, UsimKeys, make_hashes, make_profile
from wic.network.tokens.issuer import check_issuer
from wic.network.web_files import program_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wic.accounts.accounts_file import AccountsFile, Value
    from wic.network.hss import Hss
    from wic.network.waf.users import HashedPassword
    from wic.network.web_files import OpenWebFiles, WebFiles


# RFC 3261 §25.1: the characters of a user part, and §19.1.4: %41 would be another way to write A.
_NAME = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,;?/]+")


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
            ConfigurationError: an identity is malformed, or stands in two registration sets.
        """
        scheme, _, rest = self.name.rpartition(":")
        user = rest.partition("@")[0]
        if user and user != self.name and scheme in ("", "sip", "sips", "tel"):  # else it may be a password
            raise ConfigurationError(f"{self.name!r} is not a name: of a whole identity, write {user} only.")
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"{self.name!r} is not a name: write letters, digits, '.', '-', '_' and '+', such as zoe.smith."
            )
        impi = f"{self.name}@{domain}"
        together = [PublicIdentity(f"sip:{impi}", barred=self.barred), *map(PublicIdentity, self.further)]
        apart = [PublicIdentity(impu, registration_set=number) for number, impu in enumerate(self.separate, start=1)]
        return make_profile(impi, [*together, *apart])


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscriber(SubscriberIdentities):
    """Subscriber to be added: its identities, and how it is authenticated."""

    auth: AuthScheme = AuthScheme.DIGEST
    """SIP Digest with a password, IMS AKA with a USIM, or access tokens of the WAF (then it is a web user as well)."""
    password: Secret | None = None
    """Password for Digest, or for the sign-in of a web user; a random one if None."""
    usim: UsimKeys | None = None
    """Keys for AKA; random ones for Milenage if None."""
    algorithm: str | None = None
    """The only Digest algorithm that it may use, None allowing all; or the AKA algorithm that its account asks for."""
    pool: bool = False
    """Whether the WWSF lends its identities to visitors (TS 24.371 §6.2.3); then it has no account."""
    allowed_entities: tuple[str, ...] = ()
    """Third-party WAFs whose tokens are accepted, and those of no other."""
    barred_entities: tuple[str, ...] = ()
    """Third-party WAFs whose tokens are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionData:
    """All that is stored of a subscriber to be added, checked."""

    name: str
    profile: SubscriberProfile
    hashes: Mapping[str, str] = field(default_factory=dict, repr=False)
    """H(A1) by algorithm; without any it cannot use SIP Digest."""
    usim: UsimKeys | None = None
    accounts: Mapping[str, Mapping[str, Value]] = field(default_factory=dict, repr=False)
    """Its accounts by their names."""
    sign_in: Secret | None = None
    """Password of a web user."""
    program: Secret | None = None
    """Secret of the web user's program, which gets tokens in its own name."""
    pool: bool = False
    allowed_entities: tuple[str, ...] = ()
    barred_entities: tuple[str, ...] = ()

    @property
    def is_web(self) -> bool:
        """Whether the WAF or the WWSF has to know it."""
        return self.pool or self.sign_in is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountServers:
    """Addresses that accounts of a network name."""

    wss: str
    """URL of the eP-CSCF."""
    insecure: bool = False
    """Whether that is without TLS."""
    waf: str = ""
    wwsf: str = ""
    """URLs of the web servers, as far as there are any."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Adds subscribers, each with an account, and removes them; one that exists gets other credentials.

    Args:
        hss: the subscriber database.
        accounts: the accounts file.
        web: databases of WAF and WWSF.
        servers: what the accounts connect to.
    """

    hss: Hss
    accounts: AccountsFile
    web: WebFiles
    servers: AccountServers

    def add(self, new: NewSubscriber) -> SubscriberProfile:
        """Add one subscriber; see `store`."""
        data = self.prepare(new)
        self.store([data])
        return data.profile

    def prepare(self, new: NewSubscriber) -> SubscriptionData:
        """Return what is to be stored of a subscriber, with random secrets where it brings none.

        Raises:
            ConfigurationError: an identity or a name is malformed or taken, the algorithm is unknown, or the network has
                no WAF and no WWSF that the subscriber needs.
        """
        data = SubscriptionData(
            name=new.name,
            profile=new.profile(self.hss.realm),
            pool=new.pool,
            allowed_entities=new.allowed_entities,
            barred_entities=new.barred_entities,
        )
        for entity in (*new.allowed_entities, *new.barred_entities):
            check_issuer(entity)  # TS 24.371 §6.4.2: the eP-CSCF names a third party by its issuer URL
        self.hss.check_free(data.profile)  # and again by `store`: another process may be faster
        if new.pool:
            self.web.check()
            return data
        if new.auth is AuthScheme.DIGEST:
            return self._with_password(data, new)
        if new.auth is AuthScheme.AKA:
            return self._with_usim(data, new)
        return self._with_tokens(data, new)

    def _with_password(self, data: SubscriptionData, new: NewSubscriber) -> SubscriptionData:
        password = new.password or Secret(secrets.token_urlsafe(18))
        algorithms = DIGEST_ALGORITHMS if new.algorithm is None else (new.algorithm,)
        hashes = make_hashes(data.profile.impi, self.hss.realm, password, algorithms=algorithms)
        account = self.account(new, AuthScheme.DIGEST, {"password": password.reveal()})
        return replace(data, hashes=hashes, accounts={new.name: account})

    def _with_usim(self, data: SubscriptionData, new: NewSubscriber) -> SubscriptionData:
        algorithm = new.algorithm or DEFAULT_ALGORITHM
        if find_aka_algorithm(algorithm) is None:
            raise ConfigurationError(f"{algorithm!r} is not an AKA algorithm; choose among {', '.join(ALGORITHMS)}.")
        usim = new.usim or UsimKeys.made_up()
        functions = usim.algorithms()
        opc = functions.opc if isinstance(functions, Milenage) else functions.topc
        keys: dict[str, Value] = {"algorithm": algorithm, "usim": usim.functions}
        keys |= {"k": usim.k.hex(), "opc": opc.hex()}  # never OP, which the subscribers of an operator share
        return replace(data, usim=usim, accounts={new.name: self.account(new, AuthScheme.AKA, keys)})

    def _with_tokens(self, data: SubscriptionData, new: NewSubscriber) -> SubscriptionData:
        """Add a program that gets tokens by a secret of its own, and an account to sign in with (TS 33.203 Annex U)."""
        self.web.check()
        password, secret = new.password or Secret(secrets.token_urlsafe(12)), Secret(secrets.token_urlsafe(24))
        self.web.check_user(new.name, password, data.profile)
        accounts = {
            new.name: self.program_account(new, secret),
            sign_in_account(new.name): self.sign_in_account(new),
        }
        return replace(data, sign_in=password, program=secret, accounts=accounts)

    def store(self, subscribers: Sequence[SubscriptionData]) -> None:
        """Store subscribers, all of them or none; those that exist get these identities, credentials and accounts.

        Raises:
            ConfigurationError: an identity is taken, or a file cannot be used.
            StorageFailed: a database cannot be written.
        """
        if not subscribers:
            return
        with ExitStack() as stack:
            web = stack.enter_context(self.web.open()) if any(each.is_web for each in subscribers) else None
            hashed = {} if web is None else web.hash_passwords({each.name: each.sign_in for each in subscribers})
            change = stack.enter_context(self.accounts.changing())
            # Under the lock only no other process is about to make one a web user.
            may_be_web = any(self._may_be_web(each.profile.impi) for each in subscribers)
            if web is None and may_be_web and self.web.exist():
                web = stack.enter_context(self.web.open())
            for each in subscribers:
                for name, account in each.accounts.items():
                    change.put(name, account)
                if each.sign_in is not None:
                    change.put_web_user(each.name, each.sign_in.reveal())
                elif web is not None and web.has_user(each.name):  # else it is the entry of another network
                    change.forget_web_user(each.name, sign_in_account(each.name), each.profile.impi)
            # What takes long is done: a running network waits for these transactions with each REGISTER.
            change.prepare()
            # The HSS commits last: while it has no credentials, a change that a crash has cut short asks the WAF again.
            stack.enter_context(self.hss.transaction())
            if web is not None:
                stack.enter_context(web.transaction())
            for each in subscribers:
                self._store_in_hss(each)
                if web is not None:
                    self._store_at_web(web, each, hashed)
            change.write()  # in one step, and before the commits, for it fails more often than they do

    def remove(self, impi: str) -> None:
        """Remove all that is stored of a subscriber, or nothing.

        Raises:
            ConfigurationError: a file cannot be used.
            StorageFailed: a database cannot be written.
        """
        name = impi.partition("@")[0]
        with ExitStack() as stack:
            web = stack.enter_context(self.web.open()) if self.web.exist() else None
            change = stack.enter_context(self.accounts.changing())
            change.remove(impi)
            if web is not None and web.has_user(name):  # as above
                change.web_users.pop(name, None)
            change.prepare()  # as above
            # The HSS commits last: while it knows the subscriber, a removal that a crash has cut short can be repeated.
            stack.enter_context(self.hss.transaction())
            self.hss.remove(impi)
            if web is not None:
                stack.enter_context(web.transaction())
                web.remove_user(name)
                web.remove_from_pool(impi)
            change.write()  # before the commits, as above

    def _may_be_web(self, impi: str) -> bool:
        """Tell whether a subscriber is known and has no credentials of its own, as web users and lent ones have none."""
        hss = self.hss
        return hss.subscriber(impi) is not None and not hss.algorithms(impi) and not hss.has_usim(impi)

    @staticmethod
    def _store_at_web(web: OpenWebFiles, data: SubscriptionData, hashed: Mapping[str, HashedPassword]) -> None:
        if data.pool:
            web.add_to_pool(data.profile)
        else:
            web.remove_from_pool(data.profile.impi)
        if data.program is None:
            web.remove_user(data.name)
        else:
            web.add_user(data.name, hashed[data.name], data.profile)
            web.add_program(program_of(data.name), data.program, data.profile)

    def _store_in_hss(self, data: SubscriptionData) -> None:
        profile = data.profile
        # The account says one scheme only: credentials of another one would be a second way in. Without any only the
        # eP-CSCF can vouch for the subscriber (TS 33.203 Annex U).
        if data.usim is None:
            self.hss.add(profile, data.hashes)
            self.hss.remove_usim(profile.impi)
        else:
            self.hss.add_usim(profile, data.usim)
            self.hss.remove_passwords(profile.impi)
        if data.allowed_entities or data.barred_entities:
            self.hss.set_entities(profile.impi, allowed=data.allowed_entities, barred=data.barred_entities)

    # Accounts

    def program_account(self, new: SubscriberIdentities, secret: Secret) -> dict[str, Value]:
        """Return the account of a web user's program, which gets tokens by a secret of its own."""
        client: dict[str, Value] = {
            "waf": self.servers.waf,
            "client_id": program_of(new.name),
            "client_secret": secret.reveal(),
        }
        return self.account(new, AuthScheme.BEARER, client)

    def sign_in_account(self, new: SubscriberIdentities) -> dict[str, Value]:
        """Return the second account of a web user, for signing in with a browser at the WWSF; it has no secret."""
        return self.account(new, AuthScheme.BEARER, {"wwsf": self.servers.wwsf})

    def account(self, new: SubscriberIdentities, auth: AuthScheme, secret: Mapping[str, Value]) -> dict[str, Value]:
        """Return an account of a subscriber.

        Raises:
            ConfigurationError: an identity is malformed.
        """
        subscriber = new.profile(self.hss.realm)
        own, *_ = subscriber.impus
        entry: dict[str, Value] = {"server": self.servers.wss, "impu": own, "impi": subscriber.impi, "auth": auth.value}
        # TS 23.228 §5.2.1a: identities of other sets are registered by REGISTERs of their own.
        if new.separate:
            entry["impus"] = [each.impu for each in subscriber.identities if each.registration_set]
        # The path of the CA is relative, so that the directory may be moved.
        entry |= {"insecure": True} if self.servers.insecure else {"ca": CA_FILE}
        return {**entry, **secret}
