from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.auth import (
    MacFailure,
    Milenage,
    SequenceArray,
    SequenceRules,
    SoftUsim,
    SynchronisationFailure,
    Tuak,
    TuakOptions,
    UsimState,
    make_vector,
    verify_auts,
)
from wic.errors import (
    AuthenticationFailed,
    ConfigurationError,
    LocalProtocolError,
    NetworkNotTrusted,
    SequenceOutOfRange,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "milenage.json").read_text(encoding="utf-8"))["sets"]

FUNCTIONS = Milenage(b"k" * 16, op=b"o" * 16)
RAND = b"r" * 16
AMF = bytes(2)


def autn(sqn: int, rand: bytes = RAND) -> bytes:
    return make_vector(FUNCTIONS, sqn, AMF, rand).autn


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["clause"] for vector in VECTORS])
def test_vectors(vector: dict[str, str]) -> None:
    """A USIM answers the AUTN of each set, once its sequence is near."""
    functions = Milenage(bytes.fromhex(vector["K"]), opc=bytes.fromhex(vector["OPc"]))
    rand, sqn, amf = bytes.fromhex(vector["RAND"]), int(vector["SQN"], 16), bytes.fromhex(vector["AMF"])
    assert make_vector(functions, sqn, amf, rand).autn.hex() == vector["AUTN_derived"]
    state = UsimState(SequenceArray().accepted(sqn - 32))
    result = SoftUsim(functions, state=state).authenticate(rand, bytes.fromhex(vector["AUTN_derived"]))
    assert (result.res.hex(), result.ck.hex(), result.ik.hex()) == (vector["f2"], vector["f3"], vector["f4"])


def test_a_vector_is_answered_once() -> None:
    usim = SoftUsim(FUNCTIONS)
    vector = make_vector(FUNCTIONS, 33, AMF, RAND)
    result = usim.authenticate(vector.rand, vector.autn)
    assert (result.res, result.ck, result.ik) == (vector.xres, vector.ck, vector.ik)
    words = r"SQN 000000000021 is not above .* \(SQN_MS of the USIM is 000000000021\)"
    with pytest.raises(SynchronisationFailure, match=words) as failed:
        usim.authenticate(vector.rand, vector.autn)
    assert isinstance(failed.value, SequenceOutOfRange)
    assert verify_auts(FUNCTIONS, RAND, failed.value.auts) == 33


def test_a_jump_too_far_asks_for_resynchronisation() -> None:
    usim = SoftUsim(FUNCTIONS, state=UsimState(SequenceArray().accepted(64)))
    with pytest.raises(SynchronisationFailure, match=r"too far ahead.*jumped") as failed:
        usim.authenticate(RAND, autn(2**40))
    assert verify_auts(FUNCTIONS, RAND, failed.value.auts) == 64


def test_the_rules_may_be_others() -> None:
    usim = SoftUsim(FUNCTIONS, state=UsimState(SequenceArray().accepted(640)), rules=SequenceRules(age_limit=5))
    with pytest.raises(SynchronisationFailure, match="older than the age limit"):
        usim.authenticate(RAND, autn(33))


def test_the_mac_comes_before_the_sequence() -> None:
    """TS 33.102 §6.3.3: without K, nothing is learnt about SQN_MS."""
    usim = SoftUsim(FUNCTIONS)
    used = bytearray(autn(0))
    used[-1] ^= 1
    with pytest.raises(MacFailure) as failed:
        usim.authenticate(RAND, bytes(used))
    assert isinstance(failed.value, NetworkNotTrusted)
    assert usim.state == UsimState()


@given(position=st.integers(0, 127))
def test_any_wrong_bit_is_seen(position: int) -> None:
    usim = SoftUsim(FUNCTIONS)
    with pytest.raises(MacFailure):
        usim.authenticate(RAND, (int.from_bytes(autn(33)) ^ 1 << position).to_bytes(16))


def test_a_challenge_is_answered_only_when_its_number_is_stored() -> None:
    stored: list[str] = []

    def store(state: UsimState) -> None:
        stored.append(state.to_json())

    usim = SoftUsim(FUNCTIONS, on_change=store)
    usim.authenticate(RAND, autn(33))
    again = SoftUsim(FUNCTIONS, state=UsimState.from_json(stored[-1]), on_change=store)
    with pytest.raises(SynchronisationFailure):
        again.authenticate(RAND, autn(33))
    assert len(stored) == 1


def test_an_error_of_storing_reaches_the_caller_and_the_challenge_is_not_answered() -> None:
    def fail(_: UsimState) -> None:
        raise AuthenticationFailed("the disk is full")

    usim = SoftUsim(FUNCTIONS, on_change=fail)
    with pytest.raises(AuthenticationFailed, match="disk is full"):
        usim.authenticate(RAND, autn(33))
    assert usim.state == UsimState()


@pytest.mark.parametrize(("rand", "challenge"), [(b"", bytes(16)), (bytes(17), bytes(16)), (bytes(16), bytes(15))])
def test_lengths_are_checked_for_callers_of_their_own(rand: bytes, challenge: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="16 and 16 octets"):
        SoftUsim(FUNCTIONS).authenticate(rand, challenge)


@pytest.mark.parametrize("bits", [128, 256])
def test_a_mac_that_no_autn_holds_is_refused_on_both_sides(bits: int) -> None:
    functions = Tuak(bytes(16), top=bytes(32), options=TuakOptions(mac_bits=bits))
    with pytest.raises(ConfigurationError, match=f"64 bits, not {bits}"):
        SoftUsim(functions)
    with pytest.raises(ConfigurationError, match=f"64 bits, not {bits}"):
        make_vector(functions, 33, AMF, RAND)


@given(st.dictionaries(st.integers(0, 31), st.integers(0, 2**43 - 1)))
def test_states_there_and_back(entries: dict[int, int]) -> None:
    state = UsimState(SequenceArray(tuple(entries.get(ind, 0) for ind in range(32))))
    assert UsimState.from_json(state.to_json()) == state


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        "{}",
        '{"version": 2, "indices": 32, "seq": {}}',
        '{"version": 1, "indices": 0, "seq": {}}',
        '{"version": 1, "indices": 33, "seq": {}}',
        '{"version": 1, "indices": 1e9, "seq": {}}',
        '{"version": 1, "indices": "32", "seq": {}}',
        '{"version": 1, "indices": 32}',
        '{"version": 1, "indices": 32, "seq": []}',
        '{"version": 1, "indices": 32, "seq": {"32": 1}}',
        '{"version": 1, "indices": 32, "seq": {"-1": 1}}',
        '{"version": 1, "indices": 32, "seq": {"0": -1}}',
        '{"version": 1, "indices": 32, "seq": {"0": 8796093022208}}',
        '{"version": 1, "indices": 32, "seq": {"0": Infinity}}',
        '{"version": 1, "indices": 32, "seq": {"0": NaN}}',
        '{"version": 1, "indices": 32, "seq": {"0": null}}',
        "[" * 100_000,
    ],
)
def test_malformed_states_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="state of the USIM cannot be read"):
        UsimState.from_json(text)


def test_nothing_secret_is_shown() -> None:
    usim = SoftUsim(FUNCTIONS)
    vector = make_vector(FUNCTIONS, 33, AMF, RAND)
    result = usim.authenticate(vector.rand, vector.autn)
    assert repr(usim) == "SoftUsim(MILENAGE, SQN_MS 000000000021)"
    shown = repr(result) + repr(vector)
    for secret in (vector.xres, vector.ck, vector.ik):
        assert repr(secret) not in shown
        assert secret.hex() not in shown
