"""Associations of several contacts: each comes and goes by itself (RFC 3261 §10.2, §10.3)."""

from __future__ import annotations

import re

import pytest

from wic.network.epcscf import register

EMPTY = (
    'Authorization: Digest username="alice@ims.example", realm="ims.example", nonce="", '
    'uri="sip:ims.example", response=""'
)
FIRST, SECOND = "<sip:alice@first.invalid>", "<sip:alice@second.invalid>"
DEVICES = tuple(f'<sip:alice@{each}.invalid>;+sip.instance="<urn:{each}>";reg-id=1' for each in ("first", "second"))


class Registrar:
    """A core that keeps the bindings of alice, and lists all of them or only those that were named."""

    def __init__(self, edge, alice, *, lists_all: bool) -> None:
        self.edge, self.alice, self.lists_all = edge, alice, lists_all
        self.bound: dict[str, int] = {}

    async def register(self, *contacts: str, expires: int = 600, star: bool = False) -> None:
        self.alice.send(self.alice.register(EMPTY, contact="*" if star else ", ".join(contacts), expires=expires))
        request = await self.edge.core.expect("REGISTER")
        gone = list(self.bound) if star else contacts
        for each in gone:
            self.bound.pop(each, None)
        if expires:
            self.bound |= dict.fromkeys(contacts, expires)
        listed = self.bound if self.lists_all else {each: self.bound[each] for each in contacts if each in self.bound}
        self.edge.core.answer(request, "200 OK", *(f"Contact: {each};expires={time}" for each, time in listed.items()))
        await self.alice.expect("SIP/2.0 200")

    def held(self) -> set[str]:
        """Return the contacts that the eP-CSCF holds."""
        return {str(each) for association in self.edge.associations() for each in association.contacts}


@pytest.fixture(params=[True, False], ids=["lists all", "lists the named"])
async def registrar(edge, request) -> Registrar:
    return Registrar(edge, await edge.wic("alice"), lists_all=request.param)


PAIRS = pytest.mark.parametrize("pair", [(FIRST, SECOND), DEVICES], ids=["uris", "devices"])


@PAIRS
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("leaver", [0, 1])
async def test_the_user_is_registered_until_the_last_contact_goes(registrar, pair, together, leaver):
    if together:
        await registrar.register(*pair)
    else:
        await registrar.register(pair[0])
        await registrar.register(pair[1])
    assert registrar.held() == set(pair)
    await registrar.register(pair[leaver], expires=0)
    assert registrar.held() == {pair[1 - leaver]}
    await registrar.register(pair[1 - leaver], expires=0)
    assert registrar.edge.epcscf.registrations == 0


@PAIRS
@pytest.mark.parametrize("named", [0, 1])
async def test_a_refresh_of_one_contact_leaves_the_other(registrar, pair, named):
    await registrar.register(*pair)
    await registrar.register(pair[named])
    assert registrar.held() == set(pair)
    await registrar.register(pair[named], expires=0)
    assert registrar.held() == {pair[1 - named]}


@PAIRS
async def test_each_contact_expires_by_itself(registrar, pair, time_passes):
    await registrar.register(pair[0], expires=100)
    await registrar.register(pair[1], expires=600)
    time_passes(registrar.edge.epcscf, 101)
    assert registrar.held() == {pair[1]}
    time_passes(registrar.edge.epcscf, 601)
    assert registrar.held() == set()


@PAIRS
async def test_a_refresh_moves_the_end_of_its_own_contact_only(registrar, pair, time_passes):
    await registrar.register(*pair, expires=100)
    await registrar.register(pair[0], expires=600)
    time_passes(registrar.edge.epcscf, 101)
    assert registrar.held() == {pair[0]}


@PAIRS
async def test_one_register_may_remove_one_contact_and_add_another(registrar, pair):
    await registrar.register(pair[0])
    alice, core = registrar.alice, registrar.edge.core
    alice.send(alice.register(EMPTY, contact=f"{pair[0]};expires=0, {pair[1]}"))
    core.answer(await core.expect("REGISTER"), "200 OK", f"Contact: {pair[1]};expires=600")
    await alice.expect("SIP/2.0 200")
    assert registrar.held() == {pair[1]}


async def test_a_star_removes_all(registrar):
    await registrar.register(FIRST)
    await registrar.register(SECOND)
    await registrar.register(expires=0, star=True)
    assert registrar.edge.epcscf.registrations == 0


async def test_a_new_address_of_a_device_takes_the_place_of_the_old_one(registrar):
    await registrar.register(DEVICES[0])
    registrar.bound.clear()
    moved = re.sub("first.invalid", "third.invalid", DEVICES[0])
    await registrar.register(moved)
    assert registrar.held() == {moved}


async def test_a_register_without_contacts_changes_nothing(registrar):
    await registrar.register(FIRST)
    alice, core = registrar.alice, registrar.edge.core
    alice.send(re.sub("Contact: .*\r\n", "", alice.register(EMPTY)))
    core.answer(await core.expect("REGISTER"), "200 OK", f"Contact: {FIRST};expires=600")
    await alice.expect("SIP/2.0 200")
    assert registrar.held() == {FIRST}


async def test_contacts_of_one_association_are_bounded(registrar):
    addresses = [f"<sip:alice@{number}.invalid>" for number in range(20)]
    for each in addresses:
        await registrar.register(each)
    assert registrar.held() == set(addresses[-16:])


async def test_contacts_of_one_register_are_bounded(registrar):
    addresses = [f"<sip:alice@{number}.invalid>" for number in range(20)]
    await registrar.register(*addresses)
    assert registrar.held() == set(addresses[:16])
    await registrar.register(*DEVICES)
    assert registrar.held() >= set(DEVICES)
    assert len(registrar.held()) == 16


@pytest.mark.parametrize("made_up", ["public", "private"])
async def test_identities_of_one_connection_are_bounded(edge, monkeypatch, made_up):
    """A core that knows no subscribers grants each identity that a WIC makes up."""
    monkeypatch.setattr(register, "_MAX_ASSOCIATIONS", 3)
    alice = await edge.wic("alice")

    async def ask(name: str, **more: object) -> None:
        public, private = (name, "alice") if made_up == "public" else ("alice", name)
        credentials = EMPTY.replace("alice@", f"{private}@")
        alice.send(alice.register(credentials, to=f"<sip:{public}@ims.example>", **more))

    for name in ("a", "b", "c", "a"):
        await ask(name)
        edge.core.grant(await edge.core.expect("REGISTER"))
        await alice.expect("SIP/2.0 200")
    await ask("d")
    await alice.expect("SIP/2.0 403 More Than 3 Identities")
    await ask("b", expires=0)
    edge.core.grant(await edge.core.expect("REGISTER"), expires=0)
    await alice.expect("SIP/2.0 200")
    await ask("d")
    await edge.core.expect("REGISTER")
    if made_up == "public":  # of one that is private only one REGISTER at a time is on its way
        await ask("e")
        await alice.expect("SIP/2.0 403 More Than 3 Identities")
        await ask("a")
        await edge.core.expect("REGISTER")
    assert len(edge.associations()) == 2
