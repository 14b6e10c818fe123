"""Registration with a USIM (TS 24.371 §6.2.1.3, TS 24.229 §5.1.1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.auth import (
    AkaClient,
    AkaUser,
    AkaVerifier,
    Milenage,
    Outcome,
    SequenceArray,
    SoftUsim,
    UsimState,
    find_aka_algorithm,
    make_vector,
    verify_auts,
)
from wic.errors import AuthenticationFailed
from wic.registration import BindingCreated, BindingRefreshed, RegisterFailed
from wic.sip.message import Response
from wic.sip.tokens import CountingTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

    from wic.registration import RegistrationEvent

IMPI = "alice@ims.example"
USIM = Milenage(b"k" * 16, op=b"o" * 16)
STRANGER = Milenage(b"x" * 16, op=b"o" * 16)
ALGORITHM = find_aka_algorithm("AKAv2-SHA-256")


class Network:
    """An S-CSCF and its HSS, as far as AKA needs them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sqn = 32
        self.outcomes: list[Outcome] = []
        self._user = AkaUser(IMPI)
        self._verifier = AkaVerifier("ims.example")

    def answer(self, functions: Milenage = USIM) -> list[RegistrationEvent]:
        """Answer the REGISTER that is on its way; a challenge is made with these functions."""
        assert ALGORITHM is not None
        request = self.world.take()
        verdict = self._verifier.verify(request, self._user, now=self.world.now)
        self.outcomes.append(verdict.outcome)
        if verdict.outcome is Outcome.OK:
            contact = f"{request.contacts[0]};expires=7200"
            return self.world.reply(Response.answer(request, 200, to_tag="r", headers=[("Contact", contact)]))
        if verdict.outcome is Outcome.OUT_OF_SYNC:
            assert verdict.rand is not None
            assert verdict.auts is not None
            self.sqn = verify_auts(functions, verdict.rand, verdict.auts)
        self.sqn += 33  # the next SEQ and the next IND
        vector = make_vector(functions, self.sqn, b"\0\0", self.sqn.to_bytes(16))
        challenge = self._verifier.challenge(self._user, vector, ALGORITHM, now=self.world.now, keys=False)
        headers = [("WWW-Authenticate", challenge)]
        return self.world.reply(Response.answer(request, 401, to_tag="r", headers=headers))


@pytest.fixture
def make_network(make_world: Callable[..., World]) -> Callable[[SequenceArray], Network]:
    def make(sequence: SequenceArray) -> Network:
        usim = SoftUsim(USIM, state=UsimState(sequence))
        world = make_world(AkaClient(IMPI, usim, tokens=CountingTokens("c"), realm="ims.example"))
        world.registration.register(now=0)
        return Network(world)

    return make


@pytest.fixture
def network(make_network: Callable[[SequenceArray], Network]) -> Network:
    return make_network(SequenceArray())


def sent(network: Network, name: str) -> list[str | None]:
    return [request.auth("Authorization")[0].params.get(name) for request in network.world.sent]


def test_a_registration_and_its_refresh(network: Network) -> None:
    assert network.answer() == []
    (event,) = network.answer()
    assert isinstance(event, BindingCreated)
    network.world.wait()
    (event,) = network.answer()
    assert isinstance(event, BindingRefreshed)
    first, second, third = network.world.sent
    assert sent(network, "algorithm") == ["AKAv2-SHA-256"] * 3
    assert sent(network, "nonce")[0] == sent(network, "response")[0] == ""
    assert (first.call_id, first.cseq.number) == (second.call_id, second.cseq.number - 1)
    assert (third.call_id, third.cseq.number) == (first.call_id, 3)
    assert not {"Security-Client", "Security-Verify", "Require"} & {name for name, _ in second.headers.items()}


def test_a_wrong_mac_a_wrong_sequence_number_and_a_right_challenge(
    make_network: Callable[[SequenceArray], Network],
) -> None:
    """Two invalid challenges are survived in one series: same Call-ID, rising CSeq (TS 24.229 §5.1.1.5.3)."""
    network = make_network(SequenceArray().accepted(2**20 + 2))  # IND 2 is far ahead
    for functions in (STRANGER, USIM, USIM):
        assert network.answer(functions) == []
    (event,) = network.answer()
    assert isinstance(event, BindingCreated)
    assert network.outcomes == [Outcome.MISSING, Outcome.MAC_FAILURE, Outcome.OUT_OF_SYNC, Outcome.OK]
    assert sent(network, "response")[:2] == ["", ""]
    assert [auts is not None for auts in sent(network, "auts")] == [False, False, True, False]
    assert len({request.call_id for request in network.world.sent}) == 1
    assert [request.cseq.number for request in network.world.sent] == [1, 2, 3, 4]


def test_the_third_wrong_mac_ends_it(network: Network) -> None:
    network.answer(STRANGER)
    network.answer(STRANGER)
    (event,) = network.answer(STRANGER)
    assert isinstance(event, RegisterFailed)
    assert isinstance(event.error, AuthenticationFailed)
    assert len(network.world.sent) == 3
    assert event.retry_after is None
