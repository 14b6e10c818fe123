"""The table of TLS associations, and the tokens that lead to connections."""

from __future__ import annotations

from wic.network.epcscf.associations import Association, Associations
from wic.network.epcscf.flow_tokens import FlowTokens, Owner
from wic.network.epcscf.mechanism import Mechanism
from wic.sip.flow import Flow
from wic.sip.headers.address import NameAddr
from wic.sip.random_source import CountingSource

FLOW = Flow("WSS", ("127.0.0.1", 1), ("127.0.0.1", 2), "1")
OTHER = Flow("WSS", ("127.0.0.1", 1), ("127.0.0.1", 2), "2")


def association(
    impi: str, *impus: str, impu: str = "", flow: Flow = FLOW, device: str = "", expires_at: float = 100.0
) -> Association:
    contact = NameAddr.parse(f'<sip:{impi}@h>;+sip.instance="{device}";reg-id=1' if device else f"<sip:{impi}@h>")
    return Association(
        flow=flow,
        mechanism=Mechanism.DIGEST,
        impi=impi,
        impu=impu or impus[0],
        impus=impus,
        contacts=(contact,),
        service_route=(),
        expires_at=expires_at,
    )


def test_several_users_may_share_a_connection():
    table = Associations()
    alice = association("a", "sip:a@x", "tel:+1")
    table.store(alice)
    table.store(association("b", "sip:b@x"))
    assert len(table) == 2
    assert table.find(FLOW, "a", "tel:+1", now=0) is alice
    assert table.find(FLOW, "b", "tel:+1", now=0) is None
    assert table.find(OTHER, "a", "tel:+1", now=0) is None
    found = table.identity(FLOW, ["sip:z@x", "sip:b@x"], now=0)
    assert found is not None
    assert found[1] == "sip:b@x"
    default = table.identity(FLOW, [], now=0)
    assert default is not None
    assert default[1] == "sip:a@x"
    table.remove(alice)
    table.remove(alice)
    assert [each.impi for each in table.of(FLOW, now=0)] == ["b"]
    assert table.under("a") == []


def test_identity_sets_of_one_user_are_kept_apart():
    table = Associations()
    first, second = association("a", "sip:1@x", "sip:2@x"), association("a", "sip:3@x")
    table.store(first)
    table.store(second)
    assert table.find(FLOW, "a", "sip:2@x", now=0) is first
    assert table.find(FLOW, "a", "sip:3@x", now=0) is second
    table.remove(first)
    assert table.under("a") == [second]


def test_a_barred_identity_maps_to_its_association_and_is_never_asserted():
    table = Associations()
    table.store(association("a", "sip:free@x", impu="sip:barred@x"))
    assert table.find(FLOW, "a", "sip:barred@x", now=0) is not None
    found = table.identity(FLOW, ["sip:barred@x"], now=0)
    assert found is not None
    assert found[1] == "sip:free@x"


def test_associations_expire():
    table = Associations()
    table.store(association("a", "sip:a@x"))
    assert table.identity(FLOW, ["sip:a@x"], now=99.0) is not None
    assert table.identity(FLOW, ["sip:a@x"], now=100.0) is None
    assert table.find(FLOW, "a", "sip:a@x", now=100.0) is None


def test_a_device_is_known_again_over_another_connection():
    table = Associations()
    assert table.store(association("a", "sip:a@x", device="<d>")) == set()
    assert table.store(association("a", "sip:a@x", device="<d>")) == set()
    assert table.store(association("b", "sip:b@x", device="<d>", flow=OTHER)) == set()
    assert table.store(association("a", "sip:a@x", device="<e>", flow=OTHER)) == set()
    assert table.store(association("a", "sip:a@x", device="<d>", flow=OTHER)) == {FLOW}


def test_a_device_is_known_while_one_of_its_identity_sets_is_left():
    table = Associations()
    first, second = association("a", "sip:1@x", device="<d>"), association("a", "sip:3@x", device="<d>")
    table.store(first)
    table.store(second)
    table.remove(first)
    assert table.store(association("a", "sip:1@x", device="<d>", flow=OTHER)) == {FLOW}
    table.remove(second)
    table.remove(association("a", "sip:1@x", device="<d>", flow=OTHER))
    assert table.store(association("a", "sip:1@x", device="<d>")) == set()


def test_tokens_lead_to_connections_until_they_close():
    tokens = FlowTokens(CountingSource())
    path, dialogs = tokens.token(Owner(FLOW)), tokens.token(Owner(FLOW, "a"))
    assert path != dialogs
    assert tokens.token(Owner(FLOW, "a")) == dialogs
    assert tokens.owner(dialogs) == Owner(FLOW, "a")
    assert tokens.owner(None) is None
    tokens.close(FLOW, {"a"})
    assert tokens.owner(path) is None
    assert tokens.owner(dialogs) == Owner(FLOW, "a")
    tokens.close(FLOW, ())
    tokens.close(FLOW, ())
    tokens.forget(Owner(FLOW, "a"))
    assert tokens.owner(dialogs) is None


def test_tokens_of_dialogs_go_along():
    tokens = FlowTokens(CountingSource())
    first = tokens.token(Owner(FLOW, "a"))
    tokens.move(Owner(FLOW, "a"), Owner(OTHER, "a"))
    assert tokens.owner(first) == Owner(OTHER, "a")
    assert tokens.token(Owner(OTHER, "a")) == first
    tokens.move(Owner(FLOW, "b"), Owner(OTHER, "b"))
    tokens.close(OTHER, ())
    assert tokens.owner(first) is None


def test_a_wic_that_reconnects_for_ever_keeps_the_newest_tokens():
    tokens = FlowTokens(CountingSource())
    made = []
    for number in range(30):
        here, there = (Flow("WSS", ("h", 1), ("h", 2), str(number + n)) for n in range(2))
        made.append(tokens.token(Owner(here, "a")) if number == 0 else tokens.token(Owner(there, "a")))
        tokens.move(Owner(here, "a"), Owner(there, "a"))
    assert sum(tokens.owner(token) is not None for token in made) == 16
    assert tokens.owner(made[0]) is None
    assert tokens.owner(made[-1]) is not None
