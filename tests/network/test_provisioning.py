"""The subscribers of a directory, one or many, beside what else its user keeps there."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from wic.accounts import AuthScheme, accounts_file
from wic.auth.secret import Secret
from wic.client import Account, Client
from wic.errors import ConfigurationError, RegistrationFailed
from wic.network import ImsNetwork, NetworkOptions
from wic.network.directory import DATABASE_FILE
from wic.network.enrolment import NewSubscriber
from wic.network.hss import Hss, UsimKeys
from wic.network.provisioning import Provisioning
from wic.network.waf import WafStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORK = '[accounts.work]\nserver = "wss://pcscf.work.example/"\nimpi = "me@work.example"\ninsecure = true\n\n'


async def test_an_account_of_another_network_may_come_first(tmp_path: Path) -> None:
    async with ImsNetwork(NetworkOptions(directory=tmp_path, web=False)) as ims:
        server = ims.wss_url
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(WORK + accounts.read_text("utf-8"), "utf-8")
    with Provisioning(tmp_path) as provisioning:
        assert provisioning.enrolment.add(NewSubscriber(name="dora")).impi == "dora@ims.example"
        dora = provisioning.accounts.get("dora") or {}
        assert (dora["server"], dora["impi"], dora["ca"]) == (server, "dora@ims.example", "ca.pem")
    assert accounts.read_text("utf-8").startswith(WORK)
    async with ImsNetwork(NetworkOptions(directory=tmp_path, web=False)) as ims:
        assert (ims.accounts.get("dora") or {})["server"] == ims.wss_url
    assert accounts.read_text("utf-8").startswith(WORK)


@pytest.mark.parametrize("letter", "-_.!~*'()&=+$,;?/")
def test_characters_of_a_name(letter: str) -> None:
    """All that a user part has beside letters, digits and escaped ones (RFC 3261 §25.1)."""
    profile = NewSubscriber(name=f"o{letter}brien").profile("ims.example")
    assert (profile.impi, *profile.impus) == (f"o{letter}brien@ims.example", f"sip:o{letter}brien@ims.example")


async def test_an_identity_belongs_to_one_subscriber(tmp_path: Path) -> None:
    """In any form of it, as the first one of a subscriber or a further one, checked early and again when it is stored."""
    async with ImsNetwork(NetworkOptions(directory=tmp_path, web=False)) as ims:
        ims.add_subscriber("dora", tel="tel:+49-30-1")
        with Provisioning(tmp_path) as one, Provisioning(tmp_path) as other:
            forms = ("tel:+49301", "tel:+(49)301", "sip:+49301@ims.example", "sip:dora@ims.example")
            for new in (
                *(NewSubscriber(name="erin", further=(each,)) for each in forms),
                NewSubscriber(name="erin", separate=("tel:+49301",)),
                NewSubscriber(name="+49301"),
            ):
                with pytest.raises(ConfigurationError, match="of the subscriber dora"):
                    one.enrolment.prepare(new)
            second = other.enrolment.prepare(NewSubscriber(name="erin", auth=AuthScheme.AKA, further=("tel:+49302",)))
            one.enrolment.add(NewSubscriber(name="fred", further=("tel:+49302",)))
            before = ims.accounts_path.read_bytes()
            free = other.enrolment.prepare(NewSubscriber(name="gina"))
            with pytest.raises(ConfigurationError, match="of the subscriber fred"):
                other.enrolment.store([free, second])
            assert ims.accounts_path.read_bytes() == before
            assert {"erin@ims.example", "gina@ims.example"}.isdisjoint(each.subscriber.impi for each in one.list())
            both = [NewSubscriber(name=name, further=("tel:+49303",)) for name in ("hans", "jana")]
            with pytest.raises(ConfigurationError, match="of the subscriber hans"):
                ims.add_subscribers(both)
            one.enrolment.add(NewSubscriber(name="dora", further=("tel:+49301",)))  # again, with its own
            one.remove("fred")
            other.enrolment.store([second])


@pytest.mark.parametrize("harm", ["deleted", "damaged"])
async def test_a_database_that_is_lost_under_a_running_network(tmp_path: Path, caplog, harm: str) -> None:
    """Nothing is acknowledged that is not kept; the log and the operator's command say what to do, without a traceback."""
    database = tmp_path / DATABASE_FILE
    async with ImsNetwork(NetworkOptions(directory=tmp_path, web=False)) as ims:
        if harm == "deleted":
            database.unlink()
            words = f"The database {database} is missing: stop the network if it runs, restore a copy"
        else:
            with closing(sqlite3.connect(database)) as operator:  # without it all is in the write-ahead log
                operator.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.write_bytes(b"\xff" * 100_000)
            words = f"cannot use the database {database}: .*restore a copy of the file"
        with pytest.raises(RegistrationFailed, match="500"):
            await Client(Account.load("bob", ims.accounts_path)).__aenter__()
        with pytest.raises(ConfigurationError, match=words):
            Provisioning(tmp_path)
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert any("restore a copy of the file" in record.getMessage() for record in told)
    assert [record for record in told if record.exc_info] == []


# many at once

KINDS = (
    NewSubscriber(name="with-password", password=Secret("her own"), algorithm="SHA-256", further=("tel:+491",)),
    NewSubscriber(name="with-usim", auth=AuthScheme.AKA, usim=UsimKeys.made_up("tuak"), algorithm="AKAv2-SHA-512-256"),
    NewSubscriber(name="with-tokens", auth=AuthScheme.BEARER, password=Secret("her own")),
    NewSubscriber(name="lent", pool=True, barred_entities=("https://waf.example",)),
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Directory of a network."""
    return tmp_path / "ims"


def impis(provisioning: Provisioning) -> set[str]:
    return {each.subscriber.impi.partition("@")[0] for each in provisioning.list()}


async def test_a_running_network_knows_many_new_subscribers_of_every_kind(directory: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(directory))
    names = [f"user{number:04}" for number in range(1, 101)]
    async with ImsNetwork(NetworkOptions(directory=directory)) as ims:
        ims.add_subscribers([*names, *KINDS])
        with Provisioning(directory) as provisioning:
            assert {*names, "with-password", "with-usim", "with-tokens", "lent"} <= impis(provisioning)
        for name in ("user0001", "user0100", "with-password", "with-usim", "with-tokens"):
            async with Client(Account.load(name, ims.accounts_path)) as client:
                assert client.binding is not None
        assert ims.web is not None
        assert "sip:lent@ims.example" in {each.impu for each in ims.web.wwsf.store.pairs()}
        assert not ims.hss.may_authorize("lent@ims.example", "https://waf.example")
        assert len({(ims.accounts.get(name) or {})["password"] for name in names}) == 100, "each has its own"


async def test_each_file_is_written_once(directory: Path, monkeypatch) -> None:
    written: list[Path] = []

    def replace_file(path: Path, data: bytes) -> None:
        written.append(path)
        path.write_bytes(data)

    async with ImsNetwork(NetworkOptions(directory=directory)) as ims:
        before = ims.hss.data_version()
        monkeypatch.setattr(accounts_file, "replace_file", replace_file)
        with Provisioning(directory) as provisioning:
            provisioning.enrolment.store([provisioning.enrolment.prepare(each) for each in KINDS])
            provisioning.enrolment.store([])
        assert written == [ims.accounts_path]
        assert ims.hss.data_version() == before + 1, "one transaction"


def everything(directory: Path) -> list[object]:
    with Provisioning(directory) as provisioning, WafStore(directory / "waf.sqlite") as waf:
        rows = [waf.database.rows(f"SELECT * FROM {table}") for table in ("user", "client", "pool")]
        return [provisioning.list(), provisioning.accounts.path.read_text("utf-8"), *rows]


@pytest.mark.parametrize("stage", ["accounts", "hss", "waf", "wwsf"])
async def test_a_failure_leaves_nothing_behind(directory: Path, monkeypatch, stage: str) -> None:
    """An error at any stage of the last subscriber undoes the others, in all files."""
    async with ImsNetwork(NetworkOptions(directory=directory)):
        pass
    before = everything(directory)

    def fail(*_: object, **__: object) -> None:
        raise ConfigurationError("it cannot be")

    target = {
        "accounts": "wic.accounts.accounts_file.AccountsChange.write",
        "hss": "wic.network.hss.Hss.set_entities",
        "waf": "wic.network.waf.clients.PoolPairs.add",
        "wwsf": "wic.network.wwsf.store.WwsfStore.add_pool_pair",
    }[stage]
    with Provisioning(directory) as provisioning:
        prepared = [provisioning.enrolment.prepare(each) for each in KINDS]
        with monkeypatch.context() as patched:
            patched.setattr(target, fail)
            with pytest.raises(ConfigurationError, match="it cannot be"):
                provisioning.enrolment.store(prepared)
        assert provisioning.accounts.get("with-password") is None
    assert everything(directory) == before


@pytest.mark.parametrize("stage", ["accounts", "hss", "waf", "wwsf", "the last commit"])
async def test_a_removal_that_fails_can_be_repeated(directory: Path, monkeypatch, stage: str) -> None:
    """At each step where a removal can be cut short, the next one finds the subscriber and removes the rest."""
    async with ImsNetwork(NetworkOptions(directory=directory)):
        pass
    before = everything(directory)
    transaction = Hss.transaction

    def fail(*_: object, **__: object) -> None:
        raise ConfigurationError("it cannot be")

    @contextmanager
    def cut_short(hss: Hss) -> Iterator[sqlite3.Connection]:
        with transaction(hss) as db:
            yield db
            if db.in_transaction and hss.subscriber("dora@ims.example") is None:
                fail()

    target, instead = {
        "accounts": ("wic.accounts.accounts_file.AccountsChange.write", fail),
        "hss": ("wic.network.hss.Hss.remove", fail),
        "waf": ("wic.network.waf.users.WebUsers.remove", fail),
        "wwsf": ("wic.network.wwsf.store.WwsfStore.remove_pool_pair", fail),
        "the last commit": ("wic.network.hss.Hss.transaction", cut_short),
    }[stage]
    with Provisioning(directory) as provisioning:
        provisioning.enrolment.add(NewSubscriber(name="dora", auth=AuthScheme.BEARER))
        with monkeypatch.context() as patched:
            patched.setattr(target, instead)
            with pytest.raises(ConfigurationError, match="it cannot be"):
                provisioning.remove("dora")
    with Provisioning(directory) as provisioning:
        assert provisioning.remove("dora") == "dora@ims.example"
    after = everything(directory)
    assert str(after.pop(1)).split() == str(before.pop(1)).split(), "but for an empty line"
    assert after == before


async def test_another_way_to_register_replaces_the_first(directory: Path) -> None:
    async with ImsNetwork(NetworkOptions(directory=directory, web=False)) as ims:
        ims.add_subscribers([NewSubscriber(name="dora", auth=AuthScheme.AKA)])
        ims.add_subscribers(["dora"])
        assert ims.hss.algorithms("dora@ims.example")
        assert not ims.hss.has_usim("dora@ims.example")
        assert (ims.accounts.get("dora") or {}).keys() == {"server", "impu", "impi", "auth", "ca", "password"}


@pytest.mark.parametrize("first", KINDS, ids=lambda each: each.name)
@pytest.mark.parametrize("then", KINDS, ids=lambda each: each.name)
async def test_a_subscriber_has_no_other_way_in_than_the_last_one(
    directory: Path, first: NewSubscriber, then: NewSubscriber
) -> None:
    async with ImsNetwork(NetworkOptions(directory=directory, guests=0, subscribers=(), web_users=())) as ims:
        for each in (first, then):
            ims.add_subscribers([replace(each, name="dora", further=())])
        assert ims.web is not None
        waf, wwsf, impi = ims.web.waf.store, ims.web.wwsf.store, "dora@ims.example"
        assert bool(ims.hss.algorithms(impi)) == (then.name == "with-password")
        assert ims.hss.has_usim(impi) == (then.name == "with-usim")
        of_the_web = [waf.users.find("dora"), waf.clients.find("dora-bot"), ims.accounts.web_password("dora")]
        of_the_web.append(ims.accounts.get("dora-in-person"))
        assert [each is not None for each in of_the_web] == [then.name == "with-tokens"] * 4
        assert bool(wwsf.pairs()) == bool(waf.pool.impu("wwsf", impi)) == (then.name == "lent")


async def test_the_other_way_in_of_another_process_ends_too(directory: Path, monkeypatch) -> None:
    """Two commands add one subscriber: what the first one has stored meanwhile is replaced by the second."""
    async with ImsNetwork(NetworkOptions(directory=directory)):
        pass
    changing = accounts_file.AccountsFile.changing

    @contextmanager
    def after_another(file: accounts_file.AccountsFile) -> Iterator[accounts_file.AccountsChange]:
        monkeypatch.undo()
        with Provisioning(directory) as other:
            other.enrolment.add(NewSubscriber(name="dora", auth=AuthScheme.BEARER))
        with changing(file) as change:
            yield change

    with Provisioning(directory) as provisioning, WafStore(directory / "waf.sqlite") as waf:
        monkeypatch.setattr(accounts_file.AccountsFile, "changing", after_another)
        provisioning.enrolment.add(NewSubscriber(name="dora"))
        assert provisioning.hss.algorithms("dora@ims.example")
        assert (waf.users.find("dora"), waf.clients.find("dora-bot")) == (None, None)


@pytest.mark.parametrize("new", KINDS[:2], ids=lambda each: each.name)
async def test_a_subscriber_with_credentials_is_added_again_without_the_web(
    directory: Path, new: NewSubscriber
) -> None:
    async with ImsNetwork(NetworkOptions(directory=directory)) as ims:
        ims.add_subscribers([new])
    for name in ("waf.sqlite", "wwsf.sqlite"):
        (directory / name).write_bytes(b"damaged" * 1000)
    with Provisioning(directory) as provisioning:
        provisioning.enrolment.add(replace(new, further=("tel:+492",)))
        assert provisioning.hss.holders("tel:+492")


@pytest.mark.parametrize("web", [True, False])
async def test_a_web_user_of_another_network_stays(directory: Path, web: bool) -> None:
    """It has the name of a subscriber of this one, and one accounts file serves both."""
    async with ImsNetwork(NetworkOptions(directory=directory, web=web)) as ims:
        ims.accounts.put_web_user("dora", "of the other network")
        for _ in range(2):
            ims.add_subscribers(["dora", *KINDS[2:3] * web])
        assert ims.accounts.web_password("dora") == "of the other network"
        with Provisioning(directory) as provisioning:
            provisioning.remove("dora")
        assert ims.accounts.web_password("dora") == "of the other network"


async def test_a_subscriber_may_have_the_name_of_an_account_to_sign_in_with(directory: Path) -> None:
    async with ImsNetwork(NetworkOptions(directory=directory, web=False)) as ims:
        ims.add_subscribers(["dora-in-person", "dora"])
        assert (ims.accounts.get("dora-in-person") or {})["impi"] == "dora-in-person@ims.example"


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (NewSubscriber(name="zoe", algorithm="SHA-1"), "'SHA-1' is not a Digest algorithm"),
        (NewSubscriber(name="zoe", auth=AuthScheme.AKA, algorithm="MD5"), "'MD5' is not an AKA algorithm"),
        (NewSubscriber(name="zoe", further=("nonsense",)), "'nonsense' is not a public identity"),
        (NewSubscriber(name="zoe", auth=AuthScheme.BEARER, password=Secret("")), "a password has 1 to 1024"),
    ],
)
async def test_what_cannot_be_is_found_before_anything_is_stored(
    directory: Path, new: NewSubscriber, told: str
) -> None:
    async with ImsNetwork(NetworkOptions(directory=directory)) as ims:
        with pytest.raises(ConfigurationError, match=told):
            ims.add_subscribers(["first", new])
        assert ims.hss.subscriber("first@ims.example") is None
        assert ims.accounts.get("first") is None


def test_secrets_are_in_no_text_of_an_object() -> None:
    for new in KINDS:
        assert "her own" not in repr(new)
        assert new.usim is None or new.usim.k.hex() not in repr(new)
