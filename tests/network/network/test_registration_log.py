"""Registrations, deregistrations and refusals in the log of the network, each with the user, the instance and the address."""

from __future__ import annotations

import logging
import time

import pytest

from tests.support.waiting import until
from wic.network.epcscf.association import short_instance
from wic.registration.reg_event.reginfo import ContactEvent
from wic.sip.headers.address import NameAddr

LOGGER = "wic.network.epcscf"


@pytest.fixture
def logged(caplog):
    """Return the lines at info that begin with a word, of the eP-CSCF alone."""
    caplog.set_level(logging.INFO, LOGGER)

    def lines(word: str) -> list[str]:
        return [
            record.getMessage()
            for record in caplog.records
            if record.name.startswith(LOGGER) and record.getMessage().startswith(word)
        ]

    return lines


def address(wic) -> str:
    return "{}:{}".format(*wic.address)


TOLD = "sip:alice@ims.example (alice@ims.example, instance alice)"


async def test_a_registration_and_its_end(ue, logged):
    alice = await ue("alice")
    assert logged("registered") == [f"registered: {TOLD} from {address(alice)} for 3600 s"]
    await alice.registered()
    assert len(logged("registered")) == 1, "a refresh is no news"
    await alice.registered(expires=0)
    assert logged("deregistered") == [f"deregistered by the WIC: {TOLD}"]
    assert logged("refused") == [], "nor is a challenge"


async def test_a_deregistration_by_the_network(ue, ims, logged):
    await ue("alice")
    await until(lambda: len(ims.scscf.notifier) == 1)  # the eP-CSCF watches
    ims.scscf.location_service.deregister("alice@ims.example", ContactEvent.REJECTED, now=time.time())
    ims.scscf.node.driver.pump()
    await until(lambda: ims.epcscf.registrations == 0)
    assert logged("deregistered") == [f"deregistered by the network: {TOLD}"]


@pytest.mark.parametrize("grace", [30.0])
async def test_a_lost_connection(ue, ims, logged):
    alice = await ue("alice")
    alice.cut()
    await until(lambda: ims.epcscf.registrations == 0)
    assert logged("connection lost") == [f"connection lost: {TOLD} from {address(alice)}"]
    ims.epcscf.recovery.timers.handle_timeout(now=ims.epcscf.node.driver.now + 31)
    assert logged("UE") == ["UE alice@ims.example has not come back"]


async def test_an_expired_registration(ue, ims, logged):
    await ue("alice")
    ims.epcscf.recovery.timers.handle_timeout(now=ims.epcscf.node.driver.now + 3601)
    assert logged("expired") == [f"expired: {TOLD}"]


async def test_a_wrong_password(ue, logged):
    alice = await ue("alice", register=False)
    alice.send(alice.register())
    challenge = alice.challenge(await alice.expect("SIP/2.0 401"))
    alice.send(alice.register(alice.credentials(challenge, "wrong")))
    await alice.expect("SIP/2.0 403")
    where = address(alice)
    assert logged("refused") == [f"refused: sip:alice@ims.example from {where}: 403 Authentication Failed"]


async def test_an_unknown_user(ue, logged):
    mallory = await ue("mallory", register=False)
    mallory.send(mallory.register())
    await mallory.expect("SIP/2.0 403")
    where = address(mallory)
    assert logged("refused") == [f"refused: sip:mallory@ims.example from {where}: 403 Identity Not Known"]


async def test_ipsec(ue, logged):
    alice = await ue("alice", register=False)
    aka = 'Authorization: Digest username="alice@ims.example", realm="ims.example", nonce="", uri="sip:ims.example", response="", algorithm=AKAv1-MD5'
    alice.send(alice.register(aka, "Security-Client: ipsec-3gpp;alg=hmac-sha-1-96;spi-c=1;spi-s=2;port-c=3;port-s=4"))
    await alice.expect("SIP/2.0 403")
    assert logged("refused") == [f"refused: sip:alice@ims.example from {address(alice)}: it asks for IPsec"]


@pytest.mark.parametrize("limits", [{"web": True}])
async def test_a_token_that_is_not_good(ue, logged):
    alice = await ue("alice", register=False)
    alice.send(alice.register("Authorization: Bearer nonsense"))
    await alice.expect("SIP/2.0 401")
    assert logged("refused") == [f"refused: REGISTER of sip:alice@ims.example from {address(alice)}: 401"]
    assert "nonsense" not in "".join(logged(""))


@pytest.mark.parametrize(
    ("instance", "short"),
    [
        ("<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>", "f81d4fae"),
        ("<URN:UUID:F81D4FAE-7dec-11d0-a765-00a0c91e6bf6>", "F81D4FAE"),
        ("<urn:gsma:imei:90420156-025763-0>", "156-025763-0"),
        ("<urn:uuid:\u202e\u202e>", "?"),
        ("<>", ""),
    ],
)
def test_the_short_form_of_an_instance(instance, short):
    assert short_instance(NameAddr.parse(f'<sip:a@b>;+sip.instance="{instance}"')) == short
