"""Index of UEs and connections, and what a UE takes along to another connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.network.epcscf.association import AssociatedContact, Association
from wic.network.epcscf.mechanism import Mechanism
from wic.network.epcscf.options import EPcscfOptions
from wic.network.epcscf.tables import UeInput, UeState
from wic.network.epcscf.ue import RequestAllowance, UeIndex
from wic.sdp.line_map import Side
from wic.sip.flow import Flow
from wic.sip.headers.address import NameAddr
from wic.sip.message import Request, Response
from wic.sip.random_source import CountingSource
from wic.sip.uri import Uri

if TYPE_CHECKING:
    from wic.network.epcscf.ue import W2Connection


def association(impi: str, *impus: str, impu: str = "", device: str = "", expires_at: float = 100.0) -> Association:
    contact = NameAddr.parse(f'<sip:{impi}@h>;+sip.instance="{device}";reg-id=1' if device else f"<sip:{impi}@h>")
    return Association(
        mechanism=Mechanism.DIGEST,
        impi=impi,
        impu=impu or impus[0],
        impus=impus,
        bound=(AssociatedContact(contact, expires_at),),
        service_route=(),
    )


def uris(*texts: str) -> list[Uri]:
    return [Uri.parse(text) for text in texts]


def connect(index: UeIndex, id: str) -> W2Connection:
    return index.connect(Flow("WSS", ("127.0.0.1", 1), ("127.0.0.1", 2), id))


@pytest.fixture
def index() -> UeIndex:
    return UeIndex(CountingSource(), EPcscfOptions(max_sessions_per_flow=1, requests_per_second=10, requests_at_once=5))


@pytest.fixture
def connection(index: UeIndex) -> W2Connection:
    return connect(index, "1")


@pytest.fixture
def other(index: UeIndex) -> W2Connection:
    return connect(index, "2")


# associations


def test_several_users_may_share_a_connection(index, connection, other):
    alice = association("a", "sip:a@x", "tel:+1")
    ue = index.store(alice, connection)
    index.store(association("b", "sip:b@x"), connection)
    assert [each.impi for _, each in connection.associations] == ["a", "b"]
    assert connection.association("a", "tel:+1", now=0) is alice
    assert connection.association("b", "tel:+1", now=0) is None
    assert connection.association("c", "tel:+1", now=0) is None
    assert other.association("a", "tel:+1", now=0) is None
    found = connection.identify(uris("sip:z@x", "sip:b@x"), now=0)
    assert found is not None
    assert (found[0].impi, found[2]) == ("b", ("sip:b@x",))
    default = connection.identify([], now=0)
    assert default == (ue, alice, ("sip:a@x",))
    assert connection.identify(uris("sip:b@x"), now=0, impi="a") == default
    assert connection.identify([], now=0, impi="c") is None
    index.drop(ue, alice)
    index.drop(ue, alice)
    assert [each.impi for each, _ in connection.associations] == ["b"]
    assert ue.state is UeState.DEREGISTERED


def test_identity_sets_of_one_user_are_kept_apart(index, connection):
    first, second = association("a", "sip:1@x", "sip:2@x"), association("a", "sip:3@x")
    ue = index.store(first, connection)
    assert index.store(second, connection) is ue
    assert connection.association("a", "sip:2@x", now=0) is first
    assert connection.association("a", "sip:3@x", now=0) is second
    index.drop(ue, first)
    assert list(ue.associations.values()) == [second]
    assert ue.state is UeState.REGISTERED


def test_a_barred_identity_maps_to_its_association_and_is_never_asserted(index, connection):
    index.store(association("a", "sip:free@x", impu="sip:barred@x"), connection)
    assert connection.association("a", "sip:barred@x", now=0) is not None
    found = connection.identify(uris("sip:barred@x"), now=0)
    assert found is not None
    assert found[2] == ("sip:free@x",)


def test_associations_expire(index, connection):
    ue = index.store(association("a", "sip:a@x", device="<d>"), connection)
    assert connection.identify(uris("sip:a@x"), now=99.0) is not None
    assert connection.identify(uris("sip:a@x"), now=100.0) is None
    assert connection.association("a", "sip:a@x", now=100.0) is None
    assert ue.can_be_recognized(now=99.0)
    assert not ue.can_be_recognized(now=100.0)


@pytest.mark.parametrize(
    ("preferred", "asserted"),
    [
        ([], ["sip:a@x"]),
        (["sip:b@x"], ["sip:b@x"]),
        (["tel:+1"], ["tel:+1"]),
        (["sip:b@x", "tel:+1"], ["sip:b@x", "tel:+1"]),
        (["tel:+1", "sip:b@x"], ["sip:b@x", "tel:+1"]),
        (["tel:+1", "tel:+2", "sip:c@x", "sip:b@x"], ["sip:b@x", "tel:+1"]),
        (["sip:b@x", "sip:a@x"], ["sip:b@x"]),
        (["sip:b@x", "tel:+9"], ["sip:b@x"]),
        (["sip:z@x", "tel:+1"], ["tel:+1"]),
        (["sip:z@x", "tel:+9"], ["sip:a@x"]),
    ],
)
def test_identities_that_are_preferred_and_those_that_are_asserted(index, connection, preferred, asserted):
    """RFC 3325 §9.1, §9.2, TS 24.229 §5.2.6.3.1: one, or a SIP URI and a telephone number."""
    index.store(association("a", "sip:a@x", "tel:+1", "sip:b@x", "tel:+2"), connection)
    found = connection.identify(uris(*preferred), now=0)
    assert found is not None
    assert list(found[2]) == asserted


def test_of_several_default_identities_that_of_the_contact_is_asserted(index, connection):
    for user in "abc":
        index.store(association(user, f"sip:{user}@x"), connection)
    for contact, asserted in (("<sip:b@h>", "sip:b@x"), ("<sip:c@h>", "sip:c@x"), ("<sip:z@h>", "sip:a@x")):
        found = connection.identify([], [NameAddr.parse(contact)], now=0)
        assert found is not None
        assert found[2] == (asserted,)


def test_a_shared_identity_is_asserted_for_the_ue_at_the_contact(index, connection):
    for user in "abc":
        index.store(association(user, f"sip:{user}@x", "sip:shared@x"), connection)
    for contact, impi in (("<sip:b@h>", "b"), ("<sip:c@h>", "c"), ("<sip:z@h>", "a")):
        found = connection.identify(uris("sip:shared@x"), [NameAddr.parse(contact)], now=0)
        assert found is not None
        assert (found[0].impi, found[2]) == (impi, ("sip:shared@x",))


# device keys


def test_a_device_key_belongs_to_one_user_and_one_instance(index, connection, other):
    ue = index.store(association("a", "sip:a@x", device="<d>"), connection)
    assert index.store(association("a", "sip:a@x", device="<d>"), connection) is ue
    index.store(association("b", "sip:b@x", device="<d>"), other)
    index.store(association("a", "sip:a@x", device="<e>"), other)
    assert index.of_device(("a", "<d>", "1")) is ue
    moved = index.of_device(("a", "<e>", "1"))
    assert moved is not None
    assert moved.connection is other
    assert index.of_device(("c", "<d>", "1")) is None


def test_a_device_is_known_while_one_of_its_identity_sets_is_left(index, connection):
    first, second = association("a", "sip:1@x", device="<d>"), association("a", "sip:3@x", device="<d>")
    ue = index.store(first, connection)
    index.store(second, connection)
    index.drop(ue, first)
    assert index.of_device(("a", "<d>", "1")) is ue
    index.drop(ue, second)
    assert index.of_device(("a", "<d>", "1")) is None


def test_a_replaced_contact_leaves_no_device_key(index, connection):
    index.store(association("a", "sip:a@x", device="<d>"), connection)
    ue = index.store(association("a", "sip:a@x", device="<e>"), connection)
    assert index.of_device(("a", "<d>", "1")) is None
    assert index.of_device(("a", "<e>", "1")) is ue


# flow tokens


def test_tokens_lead_to_connections_until_they_close(index, connection):
    ue = index.store(association("a", "sip:a@x"), connection)
    dialogs = index.token(ue)
    assert dialogs != connection.path_token
    assert index.token(ue) == dialogs
    assert index.resolve(connection.path_token) == (None, connection)
    assert index.resolve(dialogs) == (ue, connection)
    assert index.resolve(None) == index.resolve("guessed") == (None, None)
    index.disconnect(connection)
    index.detach(ue)
    assert index.connection(connection.flow) is None
    assert index.resolve(connection.path_token) == (None, None)
    assert index.resolve(dialogs) == (ue, None)
    assert ue.state is UeState.ABSENT
    index.remove(ue, UeInput.GRACE_OVER)
    assert index.resolve(dialogs) == (None, None)
    assert ue.state is UeState.GONE
    assert list(index) == []


def test_a_ue_that_moves_keeps_its_token(index, connection, other):
    ue = index.store(association("a", "sip:a@x"), connection)
    token = index.token(ue)
    assert index.move(ue, other) is ue
    assert index.resolve(token) == (ue, other)
    assert connection.ues == {}
    assert other.ues == {"a": ue}
    assert ue.associations == {}, "they belong to the TLS session"
    index.remove(ue, UeInput.DROPPED)
    assert index.resolve(token) == (None, None)


def test_of_many_merged_ues_the_newest_tokens_are_kept(index):
    """A device comes to each connection over which the user has registered another one before."""
    ue = index.store(association("a", "sip:a@x", device="<d>"), connect(index, "0"))
    made = [index.token(ue)]
    for number in range(1, 31):
        connection = connect(index, str(number))
        present = index.store(association("a", "sip:a@x", device=f"<{number}>"), connection)
        made.append(index.token(present))
        ue = index.move(ue, connection)
        assert ue is present
        assert [each.impi for each in index] == ["a"]
    assert sum(index.resolve(token)[0] is ue for token in made) == 16
    assert index.resolve(made[0]) == (None, None)
    assert index.resolve(made[-1]) == (ue, connection)


# dialogs and calls


def make_dialog(ue, number: int) -> Request:
    """Let an INVITE of the UE be answered, and return a request within the dialog."""

    def request(method: str, to_tag: str) -> Request:
        lines = [("From", "<sip:a@x>;tag=own"), ("To", f"<sip:b@x>{to_tag}"), ("Call-ID", f"call-{number}")]
        return Request.build(method, "sip:b@x", [*lines, ("CSeq", f"1 {method}")])

    invite = request("INVITE", "")
    response = Response.answer(invite, 200, to_tag="far", headers=[("Contact", "<sip:b@h>")])
    ue.dialogs.answered(invite, response, Side.WIC, now=0.0)
    return request("INFO", ";tag=far")


def test_each_ue_has_dialogs_of_its_own(index, connection, other):
    ue, neighbour = (
        index.store(association("a", "sip:a@x"), connection),
        index.store(association("b", "sip:b@x"), connection),
    )
    elsewhere = index.store(association("a", "sip:a@x"), other)
    within = make_dialog(ue, 1)
    assert neighbour.dialogs.find(within, Side.WIC, now=0.0) is None
    assert elsewhere.dialogs.find(within, Side.WIC, now=0.0) is None
    index.detach(neighbour)
    index.detach(ue)
    assert ue.dialogs.find(within, Side.WIC, now=0.0) is not None


def test_a_ue_that_moves_keeps_its_dialogs_and_calls(index, connection, other):
    ue = index.store(association("a", "sip:a@x"), connection)
    within, leg = make_dialog(ue, 1), object()
    ue.legs["id"] = leg
    index.move(ue, other)
    assert ue.dialogs.find(within, Side.WIC, now=0.0) is not None
    assert (connection.calls, other.calls) == (0, 1)
    assert ue.leg([NameAddr.parse("<sip:h;leg=other>"), NameAddr.parse("<sip:h;leg=id>")]) is leg
    assert ue.leg([NameAddr.parse("<sip:h;lr>")]) is None


def test_a_ue_takes_over_what_another_one_of_its_user_has(index, connection, other):
    """Both may have requests on their way, which find the same dialogs and calls from then on."""
    comes, present = (
        index.store(association("a", "sip:a@x"), connection),
        index.store(association("a", "sip:a@x"), other),
    )
    dialogs = [make_dialog(comes, 1), make_dialog(present, 2)]
    comes.legs["one"] = leg = object()
    bye = Request.build("BYE", "sip:a@x")
    comes.missed_byes.append(bye)
    assert index.move(comes, other) is present
    assert [present.dialogs.find(each, Side.WIC, now=0.0) is not None for each in dialogs] == [True, True]
    assert present.legs == comes.legs == {"one": leg}
    assert present.missed_byes == [bye]
    del comes.legs["one"]
    assert present.legs == {}
    assert comes.state is UeState.GONE
    assert list(index) == index.of_user("a") == [present]


def test_the_dialogs_of_merged_ues_are_bounded(index, connection, other):
    comes, present = (
        index.store(association("a", "sip:a@x"), connection),
        index.store(association("a", "sip:a@x"), other),
    )
    for number in range(6):
        make_dialog(comes, number)
        make_dialog(present, 10 + number)
    index.move(comes, other)
    assert len(present.dialogs) == 8


# rate of requests


def test_a_rate_with_a_burst():
    allowance = RequestAllowance(rate=10, burst=5)
    assert [allowance.admit(now=0.0) for _ in range(6)] == [True] * 5 + [False]
    assert [allowance.admit(now=0.25) for _ in range(3)] == [True, True, False]
    assert [allowance.admit(now=9.0) for _ in range(6)] == [True] * 5 + [False]


def test_each_connection_has_an_allowance_of_its_own(connection, other):
    assert [connection.allowance.admit(now=0.0) for _ in range(6)] == [True] * 5 + [False]
    assert other.allowance.admit(now=0.0)
