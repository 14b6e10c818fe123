"""Room for another binding: a UE that is gone gives way, a UE that is there does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wic.network.scscf.options import RegistrarOptions

LIMIT = 4
IMPI = "alice@ims.example"
PROTECTED = (
    f'Authorization: Digest username="{IMPI}", realm="ims.example", nonce="", uri="sip:ims.example", response="", '
    'integrity-protected="auth-done"'
)


class Crowd:
    """A user with as many bindings as there may be, and an eP-CSCF that knows which of them are there."""

    def __init__(self, running) -> None:
        self.running, self.peer = running, running.peer
        for number in range(LIMIT):
            running.wall += 1
            self.bind(f"d{number}")

    def bind(self, key: str, instance: str = "") -> None:
        made = self.running.bind("alice", key=key, instance=instance)
        self.running.hss.change_bindings(IMPI, store=[replace(made, registered_at=self.now)])

    @property
    def now(self) -> float:
        return self.running.wall

    @property
    def keys(self) -> list[str]:
        return [each.key for each in self.running.hss.bindings(IMPI, now=self.now)]

    def register(self, *lines: str, contact: str = "<sip:alice@new.invalid>") -> None:
        lines = (PROTECTED, f"Contact: {contact}", *lines)
        self.running.send("REGISTER", "sip:ims.example", *lines, to="<sip:alice@ims.example>")

    async def answer(self, statuses: dict[str, str], count: int = LIMIT) -> None:
        """Answer the questions of the S-CSCF, but for those about the bindings that are not named."""
        for _ in range(count):
            asked = await self.peer.expect("OPTIONS sip:alice@")
            key = asked.partition("@")[2].partition(".")[0]
            assert f"Route: <sip:token-{key}@" in asked
            if key in statuses:
                self.peer.answer(asked, statuses[key])


@pytest.fixture
async def crowd(make_running):
    return Crowd(await make_running(registrar=RegistrarOptions(max_bindings=LIMIT, probe_within=0.2)))


ALIVE, GONE = "200 OK", "430 Flow Failed"


@pytest.mark.parametrize(
    ("statuses", "leaves"),
    [
        ({"d0": GONE, "d1": GONE, "d2": GONE, "d3": GONE}, "d0"),
        ({"d0": ALIVE, "d1": GONE, "d2": ALIVE, "d3": GONE}, "d1"),
        ({"d0": "486 Busy Here", "d1": "500 x", "d2": "404 x", "d3": GONE}, "d3"),
        ({"d0": ALIVE, "d2": ALIVE, "d3": GONE}, "d3"),
        ({"d0": ALIVE, "d3": ALIVE}, "d1"),
        ({}, "d0"),
    ],
)
async def test_the_oldest_binding_that_leads_to_no_ue_gives_way(crowd, statuses, leaves) -> None:
    """One whose flow is gone before one that is silent, and none that answers."""
    crowd.register()
    await crowd.answer(statuses)
    await crowd.peer.expect("SIP/2.0 200")
    assert crowd.keys == sorted({"d0", "d1", "d2", "d3", "sip:alice@new.invalid"} - {leaves})


async def test_a_user_whose_ues_are_all_there_gets_a_reason(crowd) -> None:
    crowd.register()
    await crowd.answer(dict.fromkeys(("d0", "d1", "d2", "d3"), ALIVE))
    refusal = await crowd.peer.expect(f"SIP/2.0 480 More Than {LIMIT} Contacts")
    assert "\r\nRetry-After: 10\r\n" in refusal
    assert len(crowd.keys) == LIMIT


async def test_a_binding_to_which_nothing_leads_gives_way(crowd) -> None:
    crowd.running.hss.change_bindings(IMPI, remove=crowd.keys)
    for number in range(LIMIT):
        made = crowd.running.bind("alice", key=f"d{number}")
        path = ("<sip:token@127.0.0.1:9;lr>",) if number != 1 else ("<<",)
        made = replace(made, path=path, registered_at=crowd.now - number)
        crowd.running.hss.change_bindings(IMPI, store=[made])
    crowd.register()
    await crowd.peer.expect("SIP/2.0 200")
    assert crowd.keys == ["d0", "d1", "d2", "sip:alice@new.invalid"]


async def test_an_earlier_contact_of_the_same_instance_gives_way_unasked(crowd) -> None:
    """A UE that starts anew has another contact; an outbound flow of it may be there as well."""
    instance = "<urn:uuid:1>"
    crowd.running.hss.change_bindings(IMPI, remove=["d2", "d3"])
    crowd.bind("d2", instance)
    crowd.bind(f"{instance};reg-id=1", instance)
    crowd.register(contact=f'<sip:alice@new.invalid>;+sip.instance="{instance}"')
    await crowd.peer.expect("SIP/2.0 200")
    assert crowd.keys == sorted(["d0", "d1", f"{instance};reg-id=1", "sip:alice@new.invalid"])


async def test_registers_that_come_meanwhile_wait_for_the_same_answers(crowd) -> None:
    for name in ("first", "second", "third"):
        crowd.register(contact=f"<sip:alice@{name}.invalid>")
    await crowd.answer({"d0": GONE, "d1": ALIVE, "d2": GONE, "d3": ALIVE})
    answers = [(await crowd.peer.expect("SIP/2.0 "))[8:11] for _ in range(3)]
    assert answers == ["200", "200", "480"]
    assert crowd.keys == ["d1", "d3", "sip:alice@first.invalid", "sip:alice@second.invalid"]


@pytest.mark.parametrize("status", [ALIVE, "430 Flow Failed"])
@pytest.mark.parametrize("again", [0.0, 600.0])
async def test_ues_that_answer_at_once_are_not_asked_at_once_again(crowd, status, again) -> None:
    """Each refused REGISTER would send a question to every UE, as fast as its sender likes."""
    await crowd.running.restart(registrar=RegistrarOptions(max_bindings=LIMIT, probe_again=again))
    more = "Contact: <sip:alice@another.invalid>"
    crowd.register(more)
    await crowd.answer({"d0": ALIVE, "d1": ALIVE, "d2": ALIVE, "d3": status})
    for _ in range(3):
        await crowd.peer.expect("SIP/2.0 480")
        crowd.register(more)
        if not again:
            await crowd.answer({"d0": ALIVE, "d1": ALIVE, "d2": ALIVE, "d3": status})
    await crowd.peer.expect("SIP/2.0 480")
    crowd.register()
    if again and status != ALIVE:
        await crowd.peer.expect("SIP/2.0 200")
        assert "d3" not in crowd.keys


async def test_a_ue_that_has_refreshed_its_binding_since_the_round_stays(crowd) -> None:
    crowd.register("Contact: <sip:alice@another.invalid>")
    await crowd.answer({"d0": ALIVE, "d1": ALIVE, "d2": ALIVE, "d3": GONE})
    await crowd.peer.expect("SIP/2.0 480")
    (back,) = (each for each in crowd.running.hss.bindings(IMPI, now=crowd.now) if each.key == "d3")
    crowd.running.hss.change_bindings(IMPI, store=[replace(back, cseq=back.cseq + 1)])
    crowd.register()
    await crowd.peer.expect(f"SIP/2.0 480 More Than {LIMIT} Contacts")
    assert "d3" in crowd.keys


async def test_a_ue_that_came_back_meanwhile_stays(crowd) -> None:
    crowd.register()
    asked = [await crowd.peer.expect("OPTIONS") for _ in range(LIMIT)]
    crowd.running.bind("alice", key="d0", path="new")
    for each in asked:
        crowd.peer.answer(each, GONE if "@d0." in each else ALIVE)
    await crowd.peer.expect(f"SIP/2.0 480 More Than {LIMIT} Contacts")
    assert "d0" in crowd.keys


async def test_a_demand_to_authenticate_meanwhile_keeps_no_binding(crowd) -> None:
    """TS 24.229 §5.4.1.6: it changes the binding, and brings its UE not back."""
    crowd.register()
    asked = [await crowd.peer.expect("OPTIONS") for _ in range(LIMIT)]
    known = crowd.running.hss.bindings(IMPI, now=crowd.now)
    shorter = [replace(each, prove=True, expires_at=each.expires_at - 1) for each in known]
    crowd.running.hss.change_bindings(IMPI, store=shorter)
    for each in asked:
        crowd.peer.answer(each, GONE if "@d1." in each else ALIVE)
    await crowd.peer.expect("SIP/2.0 200")
    assert crowd.keys == ["d0", "d2", "d3", "sip:alice@new.invalid"]


async def test_answers_that_come_late_change_nothing(crowd) -> None:
    crowd.register()
    asked = [await crowd.peer.expect("OPTIONS") for _ in range(LIMIT)]
    await crowd.peer.expect("SIP/2.0 200")
    for each in asked:
        crowd.peer.answer(each, GONE)
    crowd.running.send("OPTIONS", "sip:ims.example")
    await crowd.peer.expect("SIP/2.0 200")
    assert len(crowd.keys) == LIMIT


async def test_a_ue_that_answers_late_does_not_give_way_to_the_next(crowd) -> None:
    crowd.register("Contact: <sip:alice@another.invalid>")
    asked = [await crowd.peer.expect("OPTIONS") for _ in range(LIMIT)]
    (late,) = (each for each in asked if "@d2." in each)
    for each in asked:
        if each is not late:
            crowd.peer.answer(each, ALIVE)
    await crowd.peer.expect(f"SIP/2.0 480 More Than {LIMIT} Contacts")
    crowd.peer.answer(late, ALIVE)
    crowd.register()
    await crowd.peer.expect(f"SIP/2.0 480 More Than {LIMIT} Contacts")
    assert "d2" in crowd.keys


async def test_a_register_with_too_many_contacts_asks_no_one(crowd) -> None:
    more = [f"Contact: <sip:alice@n{number}.invalid>" for number in range(LIMIT)]
    crowd.register(*more)
    await crowd.peer.expect(f"SIP/2.0 403 More Than {LIMIT} Contacts")
    assert crowd.peer.nothing_came()


async def test_a_full_set_is_refreshed_and_deregistered(crowd) -> None:
    crowd.running.hss.change_bindings(IMPI, remove=["d0"])
    crowd.register()
    await crowd.peer.expect("SIP/2.0 200")
    crowd.register()
    await crowd.peer.expect("SIP/2.0 200")
    crowd.register("Expires: 0")
    await crowd.peer.expect("SIP/2.0 200")
    assert crowd.keys == ["d1", "d2", "d3"]


async def test_what_cannot_be_stored_after_the_questions(crowd, hold) -> None:
    crowd.register()
    asked = [await crowd.peer.expect("OPTIONS") for _ in range(LIMIT)]
    other = hold(crowd.running.hss)
    for each in asked:
        crowd.peer.answer(each, GONE)
    await crowd.peer.expect("SIP/2.0 503")
    other.rollback()
    assert len(crowd.keys) == LIMIT
