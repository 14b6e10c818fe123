"""A client and a network of AKA, both without I/O: each algorithm, each set of functions, each length of RES."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wic.auth import (
    AKA_ALGORITHMS,
    AkaClient,
    AkaFunctions,
    AkaUser,
    AkaVerifier,
    AuthOutcome,
    AutsRefused,
    Milenage,
    SequenceArray,
    SequenceCounter,
    SoftUsim,
    Tuak,
    TuakOptions,
    UsimState,
    Verdict,
    find_aka_algorithm,
    make_vector,
    verify_auts,
)
from wic.auth.aka import DEFAULT_AMF
from wic.errors import AuthenticationFailed, NetworkNotTrusted, SequenceOutOfRange
from wic.sip.message import Request, Response
from wic.sip.random_source import CountingSource

K, OP = b"k" * 16, b"o" * 16


class OfLength:
    """MILENAGE whose RES is as long as TS 33.102 §6.3.7 allows: 32 to 128 bits."""

    name, operator_value, mac_octets = "test", "OP", 8

    def __init__(self, octets: int) -> None:
        self._octets = octets
        self._milenage = Milenage(K, op=OP)
        self.f1, self.f1_star, self.f5_star = self._milenage.f1, self._milenage.f1_star, self._milenage.f5_star

    def f2345(self, rand: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        res, ck, ik, ak = self._milenage.f2345(rand)
        return (res * 2)[: self._octets], ck, ik, ak

    def mistaken(self) -> tuple[tuple[str, AkaFunctions], ...]:
        return ()


class Network:
    """S-CSCF and HSS in a few lines."""

    def __init__(self, functions: AkaFunctions, *, sqn: int = 0, algorithm: str | None = None) -> None:
        self.functions = functions
        self.counter = SequenceCounter(sqn)
        self.now = 0.0
        self.verdicts: list[AuthOutcome] = []
        self._algorithm = algorithm
        self._rands = 0
        self._verifier = AkaVerifier("ims.example")
        self._user = AkaUser("alice@ims.example")

    def answer(self, request: Request) -> Response:
        verdict = self._verifier.verify(request, self._user, now=self.now)
        self.verdicts.append(verdict.outcome)
        match verdict.outcome:
            case AuthOutcome.OK:
                assert verdict.authentication_info is not None
                return Response.build(200, headers=[("Authentication-Info", verdict.authentication_info)])
            case AuthOutcome.WRONG:
                return Response.build(403)
            case AuthOutcome.OUT_OF_SYNC:
                self.resynchronise(verdict)
        return self.challenge(request, stale=verdict.stale)

    def resynchronise(self, verdict: Verdict) -> None:
        assert verdict.auts is not None
        assert verdict.rand is not None
        self.counter = self.counter.resynchronised(verify_auts(self.functions, verdict.rand, verdict.auts))

    def challenge(self, request: Request, *, stale: bool = False) -> Response:
        wanted = request.auth("Authorization")[0].params.get("algorithm")
        algorithm = find_aka_algorithm(self._algorithm or wanted) or AKA_ALGORITHMS[-1]
        self.counter = self.counter.next()
        self._rands += 1
        vector = make_vector(self.functions, self.counter.sqn, DEFAULT_AMF, self._rands.to_bytes(16))
        value = self._verifier.challenge(self._user, vector, algorithm, now=self.now, stale=stale)
        return Response.build(401, headers=[("WWW-Authenticate", value)])

    def restart(self) -> None:
        self._user.forget()


def client_of(functions: AkaFunctions, state: UsimState | None = None, algorithm: str = "AKAv2-SHA-256") -> AkaClient:
    usim = SoftUsim(functions, state=state)
    return AkaClient("alice@ims.example", usim, random_source=CountingSource(), algorithm=algorithm)


def register(client: AkaClient, network: Network) -> int:
    """Register, as a `Registration` does; return the final status."""
    for _ in range(8):
        request = Request.build("REGISTER", "sip:ims.example")
        client.authorize(request)
        response = network.answer(request)
        if response.status != 401:
            if response.status == 200:
                client.accepted(request, response)
            return response.status
        client.challenged(request, response)
    raise AssertionError("it does not end")


SETS: dict[str, AkaFunctions] = {
    "MILENAGE": Milenage(K, op=OP),
    **{f"RES of {octets}": OfLength(octets) for octets in range(4, 17)},
    **{
        f"TUAK, RES of {bits // 8}": Tuak(K, top=b"t" * 32, options=TuakOptions(res_bits=bits))
        for bits in (32, 64, 128)
    },
    "TUAK, K of 32, 3 iterations": Tuak(K * 2, topc=b"t" * 32, options=TuakOptions(iterations=3)),
}


@pytest.mark.parametrize("algorithm", [algorithm.name for algorithm in AKA_ALGORITHMS])
@pytest.mark.parametrize("functions", SETS.values(), ids=SETS)
def test_register_and_refresh(functions: AkaFunctions, algorithm: str) -> None:
    client, network = client_of(functions, algorithm=algorithm), Network(functions)
    assert [register(client, network) for _ in range(3)] == [200, 200, 200]
    assert network.verdicts == [AuthOutcome.MISSING, AuthOutcome.OK, AuthOutcome.OK, AuthOutcome.OK]


@pytest.mark.parametrize("functions", SETS.values(), ids=SETS)
def test_a_network_that_was_set_back_is_resynchronised(functions: AkaFunctions) -> None:
    client, network = client_of(functions), Network(functions, sqn=320_000)
    assert register(client, network) == 200
    network.restart()
    network.counter = SequenceCounter(0)
    assert register(client, network) == 200
    assert network.verdicts == [
        *(AuthOutcome.MISSING, AuthOutcome.OK),  # from a SQN that was ahead
        *(AuthOutcome.STALE, AuthOutcome.OUT_OF_SYNC, AuthOutcome.OK),
    ]


def test_a_network_that_counts_by_the_clock_is_brought_down_to_a_new_usim() -> None:
    """A HSS whose SEQ comes from the time is more than delta ahead of a USIM that was never used."""
    functions = SETS["MILENAGE"]
    network = Network(functions, sqn=2**47)
    assert register(client_of(functions), network) == 200
    assert network.verdicts == [AuthOutcome.MISSING, AuthOutcome.OUT_OF_SYNC, AuthOutcome.OK]


def test_a_network_of_akav1_only() -> None:
    """TS 24.229 §5.4.1.2.1A: the S-CSCF answers with AKAv1-MD5 if it cannot do what was asked for."""
    functions = SETS["MILENAGE"]
    client, network = client_of(functions), Network(functions, algorithm="AKAv1-MD5")
    assert register(client, network) == 200


def test_a_network_that_restarts_is_no_reason_to_doubt_the_keys() -> None:
    functions = SETS["MILENAGE"]
    client, network = client_of(functions), Network(functions)
    request = Request.build("REGISTER", "sip:ims.example")
    client.authorize(request)
    client.challenged(request, network.answer(request))
    network.restart()
    assert register(client, network) == 200
    network.restart()
    assert register(client, network) == 200


def test_an_answer_that_comes_late_gets_a_new_challenge() -> None:
    functions = SETS["MILENAGE"]
    client, network = client_of(functions), Network(functions)
    request = Request.build("REGISTER", "sip:ims.example")
    client.authorize(request)
    client.challenged(request, network.answer(request))
    network.now = 500
    assert register(client, network) == 200
    assert network.verdicts == [AuthOutcome.MISSING, AuthOutcome.STALE, AuthOutcome.OK]


def test_a_wrong_key_ends_with_the_network_not_trusted() -> None:
    network = Network(Milenage(b"x" * 16, op=OP))
    client = client_of(Milenage(K, op=OP))
    with pytest.raises(NetworkNotTrusted, match="compare first K and then OP"):
        register(client, network)
    assert network.verdicts == [AuthOutcome.MISSING, AuthOutcome.MAC_FAILURE, AuthOutcome.MAC_FAILURE]


def test_a_wrong_opc_is_named() -> None:
    with pytest.raises(NetworkNotTrusted, match="the value given as OPc is the OP"):
        register(client_of(Milenage(K, opc=OP)), Network(Milenage(K, op=OP)))


def test_a_network_that_never_resynchronises_is_given_up() -> None:
    functions = SETS["MILENAGE"]
    network = Network(functions, sqn=0)
    network.resynchronise = lambda _: None  # type: ignore[method-assign]
    client = client_of(functions, UsimState(SequenceArray((1000,) * 32)))
    with pytest.raises(SequenceOutOfRange, match="does not take the resynchronisation"):
        register(client, network)


def test_an_auts_of_another_usim_does_not_move_the_network() -> None:
    network = Network(SETS["MILENAGE"], sqn=320_000)
    verdict = Verdict(outcome=AuthOutcome.OUT_OF_SYNC, auts=bytes(14), rand=bytes(16))
    with pytest.raises(AutsRefused):
        network.resynchronise(verdict)
    assert network.counter.sqn == 320_000


def test_a_response_that_is_computed_otherwise_is_refused_with_403() -> None:
    network = Network(OfLength(16))
    client = client_of(OfLength(8))
    request = Request.build("REGISTER", "sip:ims.example")
    client.authorize(request)
    client.challenged(request, network.answer(request))
    client.authorize(request)
    response = network.answer(request)
    assert response.status == 403
    assert "how long its XRES is" in client.advice(request, response)


@settings(max_examples=30)
@given(
    sqn_he=st.integers(0, 2**48 - 1),
    seen=st.integers(0, 2**48 - 64),
    functions=st.sampled_from(list(SETS.values())),
    algorithm=st.sampled_from(AKA_ALGORITHMS),
)
def test_wherever_both_sequences_stand_they_meet(
    sqn_he: int, seen: int, functions: AkaFunctions, algorithm: object
) -> None:
    state = UsimState(UsimState().sequence.accepted(seen))
    name = getattr(algorithm, "name", "")
    assert register(client_of(functions, state, name), Network(functions, sqn=sqn_he)) == 200


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=200))
def test_any_nonce_ends_in_an_error_of_authentication(nonce: str) -> None:
    client = client_of(SETS["MILENAGE"])
    request = Request.build("REGISTER", "sip:ims.example")
    client.authorize(request)
    value = f'Digest realm="r", nonce="{nonce}", algorithm=AKAv2-SHA-256, qop="auth"'
    with pytest.raises(AuthenticationFailed):
        client.challenged(request, Response.build(401, headers=[("WWW-Authenticate", value)]))
