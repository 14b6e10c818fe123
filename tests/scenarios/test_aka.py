"""Scenario 1 with IMS AKA (TS 24.371 §6.2.1.3, §6.4.1.3): keys, algorithms and sequence numbers."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Network, RegisterRun, Terminal

HEX_LENGTHS = {"AKAv1-MD5": 32, "AKAv2-MD5": 32, "AKAv2-SHA-256": 64, "AKAv2-SHA-512-256": 64}


@pytest.fixture(scope="module")
def alice(register_once: Callable[..., RegisterRun]) -> RegisterRun:
    """alice registers and deregisters."""
    return register_once("alice")


def test_the_report_of_the_command(alice: RegisterRun) -> None:
    assert alice.code == 0, alice.stderr
    assert alice.document["scheme"] == "aka"
    assert alice.document["expires"] == 600000


def test_the_first_register_asks_for_akav2(alice: RegisterRun) -> None:
    first = alice.registers[0]
    # TS 24.371 §6.2.1.3, on sending a REGISTER: 1) the algorithm; TS 24.229 §5.1.1.2.2: nonce and response empty.
    assert first.credentials() == (
        "Digest",
        {
            "username": '"alice@ims.example"',
            "realm": '"ims.example"',
            "nonce": '""',
            "uri": '"sip:ims.example"',
            "response": '""',
            "algorithm": "AKAv2-SHA-256",
        },
    )


def test_there_is_no_security_agreement(alice: RegisterRun) -> None:
    for each in (*alice.registers, *alice.answers, *alice.mw_registers, *alice.mw_answers):
        # TS 24.371 §6.2.1.3: 2) no Security-Client, and no security association in the end.
        assert not each.names & {"security-client", "security-server", "security-verify"}
        assert "sec-agree" not in each.raw.decode()


def test_the_challenge_is_rand_and_autn(alice: RegisterRun) -> None:
    scheme, parameters = alice.answers[0].credentials("WWW-Authenticate")
    assert (alice.answers[0].status, scheme) == (401, "Digest")
    # RFC 3310 §3.2: Base64 of RAND and AUTN, 16 octets each.
    assert len(base64.b64decode(parameters["nonce"].strip('"'), validate=True)) == 32
    assert parameters["algorithm"] == "AKAv2-SHA-256"
    assert parameters["qop"] == '"auth"'


def test_the_keys_end_at_the_epcscf(alice: RegisterRun) -> None:
    # TS 24.229 §5.4.1.2.1A: ik and ck go to the P-CSCF; §5.2.2.2: it takes them out.
    _, on_mw = alice.mw_answers[0].credentials("WWW-Authenticate")
    assert {"ik", "ck"} <= on_mw.keys()
    assert not re.search(rb"\b[ic]k\s*=", b"".join(each.raw for each in alice.answers))


def test_every_register_says_tls_connected(alice: RegisterRun) -> None:
    # TS 24.371 §6.4.1.3 a)
    values = [each.credentials()[1]["integrity-protected"] for each in alice.mw_registers]
    assert values == ['"tls-connected"'] * 3
    for each in alice.mw_registers:
        # b) and c)
        assert f";rport={alice.tap.session.port}" in each.all("Via")[1]
        assert ";received=127.0.0.1" in each.all("Via")[1]
    for each in alice.registers:
        assert "integrity-protected" not in each.one("Authorization")


def test_the_answer_counts_on_in_the_same_registration(alice: RegisterRun) -> None:
    first, second, last = alice.registers
    _, challenge = alice.answers[0].credentials("WWW-Authenticate")
    _, answer = second.credentials()
    assert answer["nonce"] == challenge["nonce"]
    assert answer["algorithm"] == "AKAv2-SHA-256"
    assert re.fullmatch(r'"[0-9a-f]{64}"', answer["response"])
    assert second.one("Call-ID") == first.one("Call-ID")
    # TS 24.229 §5.1.1.4.1: what comes later carries the same vector's proof, counted on.
    assert last.credentials()[1]["nonce"] == challenge["nonce"]
    assert last.credentials()[1]["nc"] == "00000002"


@pytest.mark.parametrize("algorithm", HEX_LENGTHS)
def test_every_algorithm(terminal: Terminal, algorithm: str) -> None:
    run = terminal.register("alice", algorithm=algorithm)
    assert run.code == 0, run.stderr
    assert run.registers[0].credentials()[1]["algorithm"] == algorithm
    assert run.answers[0].credentials("WWW-Authenticate")[1]["algorithm"] == algorithm
    assert len(run.registers[1].credentials()[1]["response"].strip('"')) == HEX_LENGTHS[algorithm]
    assert {each.credentials()[1]["integrity-protected"] for each in run.mw_registers} == {'"tls-connected"'}


def test_a_tuak_usim(network: Network, terminal: Terminal) -> None:
    network.subscriber("add", "tove", "--auth", "aka", "--usim", "tuak")
    assert network.accounts["tove"]["usim"] == "tuak"
    assert len(network.accounts["tove"]["opc"]) == 64  # TS 35.231 §5.1: TOPc has 256 bits
    run = terminal.register("tove")
    assert run.code == 0, run.stderr


def test_a_sequence_number_out_of_range_is_resynchronised(network: Network, terminal: Terminal) -> None:
    network.subscriber("add", "sven", "--auth", "aka")
    assert terminal.register("sven").code == 0
    network.reset_sqn("sven")
    with network.tap() as tap:
        terminal.tap = tap
        run = terminal.register("sven")
        assert run.code == 0, run.stderr
    statuses = [each.status for each in run.answers]
    assert statuses == [401, 401, 200, 200]
    _, refused, answer, _ = (each.credentials()[1] for each in run.registers)
    # RFC 3310 §3.4: the challenge comes back with auts, 14 octets, and an empty password's response.
    assert len(base64.b64decode(refused["auts"].strip('"'), validate=True)) == 14
    assert refused["nonce"] == run.answers[0].credentials("WWW-Authenticate")[1]["nonce"]
    # The new challenge is another one, and is answered without auts.
    assert "auts" not in answer
    assert answer["nonce"] == run.answers[1].credentials("WWW-Authenticate")[1]["nonce"] != refused["nonce"]


def test_a_wrong_key_is_explained(network: Network, terminal: Terminal) -> None:
    k = "0" * 32
    run = terminal.register("alice", k=k)
    assert run.code == 1
    assert re.search(r"MAC does not fit K and OPc", run.error)
    assert k not in run.stderr
    # TS 24.229 §5.1.1.5.3: a wrong MAC is told with an empty response and no auts, twice at most.
    told = [each.credentials()[1] for each in run.registers if each.credentials()[1]["nonce"] != '""']
    assert [each["response"] for each in told] == ['""', '""']
    assert not any("auts" in each for each in told)


def test_op_in_the_place_of_opc_is_recognised(network: Network, terminal: Terminal) -> None:
    op, k = bytes(range(16)), bytes(range(16, 32))
    for name, value in (("op", op), ("k", k)):
        (terminal.folder / name).write_text(value.hex())
    keys = ("--k-file", terminal.folder / "k", "--op-file", terminal.folder / "op")
    network.subscriber("add", "otto", "--auth", "aka", *keys)
    run = terminal.register("otto", opc=op.hex())
    assert run.code == 1
    assert "the value given as OPc is the OP" in run.error
