"""A card reader in the place of keys; in virtual time, without a card."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from wic.auth import AkaResult, MacFailure, Milenage, SoftUsim, make_vector
from wic.auth.aka import DEFAULT_AMF, make_nonce
from wic.client import Account, AuthScheme, Client
from wic.client.credentials import open_credentials
from wic.client.events import Refreshed, RegistrationLost
from wic.errors import ConfigurationError, NetworkNotTrusted, UsimFailed
from wic.sip.random_source import CountingSource

FUNCTIONS = Milenage(b"k" * 16, op=b"o" * 16)


async def opened(account, usim=None):
    return await open_credentials(account, random_source=CountingSource(), usim=usim)


class Reader:
    """A card in a reader, which may be pulled out."""

    def __init__(self):
        self.card = SoftUsim(FUNCTIONS)
        self.broken = None

    def authenticate(self, rand, autn):
        if self.broken is not None:
            raise self.broken
        return self.card.authenticate(rand, autn)


class Answering:
    """A card that always gives one answer."""

    def __init__(self, answer):
        self.answer = answer

    def authenticate(self, rand, autn):
        return self.answer


@pytest.fixture
def erin(memory_home):
    """A user with a card, and a network that wants a new proof at each REGISTER."""
    memory_home.home.granted = 1000
    numbers = itertools.count(1)

    def register(context, now):
        (credentials,) = context.request.auth("Authorization")
        if credentials.params.get("response") and credentials.params.get("nonce") in given:
            given.clear()
            memory_home.home.grant(context, now)
            return
        vector = make_vector(FUNCTIONS, next(numbers) << 5, DEFAULT_AMF, bytes(16))
        given.add(nonce := make_nonce(vector.rand, vector.autn))
        challenge = f'Digest realm="ims.example", nonce="{nonce}", algorithm=AKAv2-SHA-256, qop="auth"'
        context.reject(401, now=now, headers=[("WWW-Authenticate", challenge)])

    given = set()
    memory_home.home.answers["REGISTER"] = register
    account = memory_home.home.account("erin", server="ws://a/", insecure=True, auth=AuthScheme.AKA)
    reader = Reader()
    return Client(account, replace(memory_home.client().options, usim=reader)), reader


@pytest.mark.virtual_time
@pytest.mark.parametrize("error", [OSError("card removed"), ConfigurationError("no such card"), AttributeError()])
async def test_a_card_that_is_put_back_registers_again(memory_home, erin, error):
    client, reader = erin
    told = memory_home.watched(client)
    async with client:
        reader.broken = error
        await memory_home.until(lambda: len(memory_home.home.requests) > 4)
        reader.broken = None
        await memory_home.until(lambda: Refreshed in told.kinds)
        assert len(memory_home.dialled) == 1
        assert RegistrationLost not in told.kinds


@pytest.mark.virtual_time
async def test_a_card_that_is_not_there_is_told_at_once(erin):
    client, reader = erin
    reader.broken = OSError("card removed")
    with pytest.raises(UsimFailed, match="the USIM did not answer: card removed"):
        await client.__aenter__()


@pytest.mark.virtual_time
async def test_a_refusal_by_the_card_is_reported(memory_home, erin):
    client, reader = erin
    reader.broken = MacFailure("these are no keys of mine")
    with pytest.raises(NetworkNotTrusted, match="no keys of mine"):
        await client.__aenter__()
    assert len(memory_home.home.requests) == 3


async def test_a_card_reader_takes_the_place_of_keys():
    account = Account(server="wss://h/", impu="sip:a@h.example", impi="a@h.example", auth=AuthScheme.AKA)
    assert (await opened(account, Reader())).authenticator
    with pytest.raises(ConfigurationError, match="or a card reader"):
        await opened(account)


async def test_a_usim_of_ones_own_is_preferred_to_the_keys(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = {
        "server": "wss://h/",
        "impu": "sip:a@h.example",
        "impi": "a@h.example",
        "auth": "aka",
        "k": "00" * 16,
        "opc": "00" * 16,
    }
    account = Account.from_settings("x", settings, folder=tmp_path)
    assert (await opened(account, SoftUsim(account.aka.functions()))).authenticator
    assert not (tmp_path / "wic").exists()
    assert (await opened(account)).authenticator
    assert (tmp_path / "wic" / "usim").exists()


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "given", [None, AkaResult("res", b"ck", b"ik"), (b"res", b"ck", b"ik")], ids=["none", "text", "tuple"]
)
async def test_a_card_that_answers_in_another_way_is_one_that_does_not_answer(memory_home, erin, given):
    client, reader = erin
    told = memory_home.watched(client)
    async with client:
        card, reader.card = reader.card, Answering(given)
        await memory_home.until(lambda: RegistrationLost in told.kinds, 2000.0)
        lost = next(event for event in told if isinstance(event, RegistrationLost))
        assert not lost.final
        reader.card = card
        await memory_home.until(lambda: client.bindings, 2000.0)


@pytest.mark.virtual_time
async def test_the_octets_of_a_card_may_be_a_list(memory_home, erin):
    """As those of PC/SC for Python are."""
    client, reader = erin
    authenticate = reader.authenticate

    def in_lists(rand, autn):
        result = authenticate(rand, autn)
        return AkaResult(list(result.res), list(result.ck), list(result.ik))

    reader.authenticate = in_lists
    async with client:
        assert client.bindings
