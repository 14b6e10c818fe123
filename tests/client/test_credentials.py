"""Access tokens that are refused, replaced and given back; in virtual time, and without a web server."""

from __future__ import annotations

import asyncio

import pytest

from wic.accounts import WebAuthorization
from wic.auth import Secret, bearer_challenge, read_bearer
from wic.client import Account, AuthScheme, Client, ClientOptions
from wic.client.events import ConnectionLost, Refreshed, RegistrationLost
from wic.errors import (
    CallRejected,
    ConfigurationError,
    ConnectFailed,
    RegistrationFailed,
    SignInFailed,
    TokenRefused,
)
from wic.oauth.tokens import AccessToken

ISSUER = "https://waf.example"


class Keeper:
    """Gives token after token, or fails."""

    failures_at_first = ()
    impus = ("sip:carol@ims.example", "sip:work@ims.example")

    def __init__(self, settings, *, on_token, on_failed):
        type(self).last = self
        self.on_token, self.on_failed = on_token, on_failed
        self.given = 0
        self.failures, type(self).failures_at_first = self.failures_at_first, []
        self.before_renewal = None
        self.closed = False

    async def token(self):
        return self.next()

    async def renew(self):
        if self.before_renewal is not None:
            await self.before_renewal()
        if self.failures:
            raise self.failures.pop(0)
        return self.next()

    def next(self):
        self.given += 1
        return AccessToken(
            value=Secret(f"token{self.given}"),
            issuer=ISSUER,
            impi="carol@ims.example",
            impus=self.impus,
            server="ws://a/",
        )

    async def close(self):
        self.closed = True


def refuse_token(context, now):
    challenge = bearer_challenge(realm="ims.example", authz_server=ISSUER, error="invalid_token")
    context.reject(401, now=now, headers=[("WWW-Authenticate", challenge)])


@pytest.fixture
def carol(memory_home, monkeypatch):
    """A web user, and a network that accepts the tokens it has not `refused`."""
    monkeypatch.setattr("wic.client.web.keeper.TokenKeeper", Keeper)
    memory_home.refused = set()
    memory_home.shown = []

    def register(context, now):
        token = read_bearer(context.request).reveal()
        memory_home.shown.append(token)
        if token in memory_home.refused:
            refuse_token(context, now)
        else:
            memory_home.home.grant(context, now)

    memory_home.home.answers["REGISTER"] = register

    def make(**changes):
        web = WebAuthorization(account="carol", wwsf="https://w.example")
        account = Account(auth=AuthScheme.BEARER, web=web, insecure=True, **changes)
        options = memory_home.client().options
        return Client(account, options)

    return make


def two_lives(memory_home, carol, short):
    """A client with two identities, one of which is granted a short time only."""
    grant = memory_home.home.answers["REGISTER"]

    def register(context, now):
        memory_home.home.granted = 100 if context.request.to.uri.user == short else 1000
        grant(context, now)

    memory_home.home.answers["REGISTER"] = register
    return carol(impus=("sip:work@ims.example",))


@pytest.mark.virtual_time
async def test_identities_and_server_come_with_the_token(memory_home, carol):
    async with carol() as client:
        account = client.account
        assert (account.server, account.impi) == ("ws://a/", "carol@ims.example")
        assert (account.impu, account.impus) == ("sip:carol@ims.example", ("sip:work@ims.example",))
        assert account.instance.startswith("urn:uuid:")
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        assert set(memory_home.shown) == {"token1"}
    assert Keeper.last.closed


@pytest.mark.virtual_time
async def test_a_token_that_is_refused_is_replaced_once(memory_home, carol):
    memory_home.refused = {"token1"}
    async with carol(impus=("sip:carol@ims.example",)) as client:
        assert client.binding is not None
        assert memory_home.shown[:2] == ["token1", "token2"]
    memory_home.refused = {"token1", "token2"}
    memory_home.shown.clear()
    with pytest.raises(TokenRefused, match="invalid_token"):
        await carol().__aenter__()
    assert memory_home.shown == ["token1", "token2"]
    assert Keeper.last.closed


@pytest.mark.virtual_time
async def test_a_token_that_is_refused_later_is_replaced_without_a_new_connection(memory_home, carol):
    memory_home.home.granted = 1000
    client = carol(impus=("sip:carol@ims.example",))
    told = []
    client.on_event(told.append)
    async with client:
        memory_home.refused = {"token1"}
        await memory_home.until(lambda: any(isinstance(event, Refreshed) for event in told), 600.0)
        assert memory_home.shown[-1] == "token2"
        assert len(memory_home.dialled) == 1
        assert not any(isinstance(event, ConnectionLost | RegistrationLost) for event in told)
        memory_home.refused = {f"token{number}" for number in range(10)}
        await memory_home.until(
            lambda: any(isinstance(event, RegistrationLost) and event.final for event in told), 600.0
        )
        assert memory_home.shown[-2:] == ["token2", "token3"]


@pytest.mark.virtual_time
@pytest.mark.parametrize("later", [False, True])
async def test_a_token_that_is_refused_for_a_further_identity_is_replaced(memory_home, carol, later):
    memory_home.home.granted = 1000
    grant = memory_home.home.answers["REGISTER"]
    refused = {"token1"}

    def register(context, now):
        stale = context.request.to.uri.user == "work" and read_bearer(context.request).reveal() in refused
        if stale and (not later or now > started + 400.0):
            refuse_token(context, now)
        else:
            grant(context, now)

    started = asyncio.get_running_loop().time()
    memory_home.home.answers["REGISTER"] = register
    client = carol(impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        await asyncio.sleep(600.0)
        assert Keeper.last.given == 2
        assert len(client.bindings) == 2
        assert len(memory_home.dialled) == 1
        assert not any(isinstance(event, ConnectionLost | RegistrationLost) for event in told)
        refused |= {f"token{number}" for number in range(100)}
        await memory_home.until(lambda: len(client.bindings) == 1, 1700.0)
        assert [(str(each.impu), each.final) for each in told if isinstance(each, RegistrationLost)] == [
            ("sip:work@ims.example", True)
        ]
        assert Keeper.last.given == 3, "a token that is refused at once is not replaced"
        await client.call("sip:bob@ims.example")


@pytest.mark.virtual_time
async def test_a_web_server_that_is_away_for_a_while(memory_home, carol):
    memory_home.home.granted = 1000
    async with carol(impus=("sip:carol@ims.example",)) as client:
        Keeper.last.failures = [
            ConnectFailed("the WAF is away"),
            SignInFailed("come back later", temporary=True, retry_after=30.0),
        ]
        told = []
        client.on_event(told.append)
        memory_home.refused = {"token1"}
        await memory_home.until(lambda: memory_home.shown[-1] == "token1" and len(Keeper.last.failures) < 2, 600.0)
        assert await memory_home.until(lambda: memory_home.shown[-1] == "token2") >= 29.0, "the WAF has named 30 s"
        await memory_home.until(lambda: client.binding is not None)
        assert len(memory_home.dialled) == 1
        assert not any(isinstance(event, ConnectionLost | RegistrationLost) for event in told), "calls go on"


@pytest.mark.virtual_time
async def test_a_web_server_that_is_away_at_first(memory_home, carol):
    memory_home.refused = {"token1"}
    client = carol(impus=("sip:carol@ims.example",))
    error = SignInFailed("come back later", temporary=True, retry_after=30.0)
    Keeper.failures_at_first = [error]
    with pytest.raises(SignInFailed, match="come back later"):
        await client.__aenter__()


@pytest.mark.virtual_time
async def test_another_sip_server_does_not_help_where_the_web_server_is_away(memory_home, carol):
    memory_home.refused = {"token1"}
    client = carol(impus=("sip:carol@ims.example",), servers=("ws://a/", "ws://b/"))
    Keeper.failures_at_first = [ConnectFailed("the WAF is away")]
    with pytest.raises(ConnectFailed, match="the WAF is away"):
        await client.__aenter__()
    assert len(memory_home.dialled) == 1


@pytest.mark.virtual_time
async def test_a_web_server_that_says_no(memory_home, carol):
    memory_home.home.granted = 1000
    async with carol(impus=("sip:carol@ims.example",)) as client:
        Keeper.last.failures = [SignInFailed("no", error="invalid_grant")]
        memory_home.refused = {"token1"}
        with pytest.raises(SignInFailed, match="no"):
            await anext(client.incoming())


@pytest.mark.virtual_time
async def test_an_identity_that_waits_for_a_token_which_does_not_come_is_not_added(memory_home, carol):
    async with carol(impus=("sip:carol@ims.example",)) as client:
        Keeper.last.failures = [SignInFailed("no", error="invalid_grant")]
        memory_home.refused = {"token1"}
        began = client.now
        with pytest.raises(SignInFailed, match="no"):
            await client.register("sip:work@ims.example")
        assert client.now - began < 1.0
        assert client.is_over


@pytest.mark.virtual_time
async def test_an_identity_that_waits_for_a_token_ends_with_the_others(memory_home, carol):
    async with carol(impus=("sip:carol@ims.example",)) as client:
        Keeper.last.before_renewal = lambda: asyncio.sleep(600.0)
        memory_home.refused = {"token1"}
        began = client.now
        adding = asyncio.create_task(client.register("sip:work@ims.example"))
        await asyncio.sleep(1.0)
        await client.deregister()
        with pytest.raises(RegistrationFailed, match="deregistered meanwhile"):
            await adding
        assert client.now - began < 5.0


@pytest.mark.virtual_time
@pytest.mark.parametrize("short", ["carol", "work"])
async def test_the_one_with_a_binding_leaves_while_the_other_waits_for_a_token(memory_home, carol, short):
    """Whichever leads: the other one is without a binding meanwhile, and comes back."""
    client = two_lives(memory_home, carol, short)
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        Keeper.last.before_renewal = lambda: asyncio.sleep(300.0)
        memory_home.refused = {"token1"}
        await memory_home.until(lambda: len(client.bindings) == 1, 200.0)
        await client.deregister(str(client.bindings[0].impu))
        assert not client.is_over
        await memory_home.until(lambda: client.bindings, 600.0)
        assert [str(each.impu) for each in client.bindings] == [f"sip:{short}@ims.example"]
        assert len(memory_home.dialled) == 1
    assert not any(isinstance(event, RegistrationLost) and event.final for event in told)


@pytest.mark.virtual_time
@pytest.mark.parametrize("short", ["carol", "work"])
async def test_no_identity_waits_for_a_token_after_the_end(memory_home, carol, short):
    client = two_lives(memory_home, carol, short)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        Keeper.last.before_renewal = lambda: asyncio.sleep(300.0)
        memory_home.refused = {"token1"}
        await memory_home.until(lambda: len(client.bindings) == 1, 200.0)
        Keeper.last.on_failed(SignInFailed("no", error="invalid_grant"))
        await client.deregister(str(client.bindings[0].impu))
        await memory_home.until(lambda: not memory_home.home.driver.connections, 1.0)
        assert Keeper.last.closed


@pytest.mark.virtual_time
async def test_the_main_identity_is_added_again_while_it_waits_for_a_token(memory_home, carol):
    """However it is written, it leads as before: else the search for a token waits for it in vain, and reconnects."""
    client = two_lives(memory_home, carol, "carol")
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        Keeper.last.before_renewal = lambda: asyncio.sleep(300.0)
        memory_home.refused = {"token1"}
        await memory_home.until(lambda: len(client.bindings) == 1, 200.0)
        with pytest.raises(RegistrationFailed, match="within 30 s"):
            await client.register("sip:carol@IMS.example")
        await memory_home.until(lambda: len(client.bindings) == 2, 600.0)
        await asyncio.sleep(600.0)
        assert len(client.bindings) == 2
        assert len(memory_home.dialled) == 1


@pytest.mark.virtual_time
async def test_a_token_that_is_refused_before_the_turn_of_the_leading_identity(memory_home, carol):
    grant, refused, waiting = memory_home.home.answers["REGISTER"], set(), {"work"}

    def register(context, now):
        user, token = context.request.to.uri.user, read_bearer(context.request).reveal()
        if user in refused and token == "token1":
            challenge = bearer_challenge(realm="ims.example", authz_server=ISSUER, error="invalid_token")
            context.reject(401, now=now, headers=[("WWW-Authenticate", challenge)])
        elif user in waiting:
            context.reject(503, now=now)  # the wait of this side ends with the connection
        else:
            grant(context, now)

    memory_home.home.answers["REGISTER"] = register
    async with carol(impus=("sip:work@ims.example", "sip:club@ims.example")) as client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        await client.deregister("sip:carol@ims.example")  # that with a binding leads, and is the last in the queue
        refused.add("work")
        waiting.clear()
        memory_home.far[-1].abort("now of all times")
        await memory_home.until(lambda: len(client.bindings) == 2, 60.0)
        assert len(memory_home.dialled) == 2
        assert Keeper.last.given == 2


@pytest.mark.virtual_time
async def test_a_connection_lost_while_a_token_is_fetched(memory_home, carol):
    memory_home.home.granted = 1000
    async with carol(impus=("sip:carol@ims.example",)) as client:

        async def cut():
            Keeper.last.before_renewal = None
            memory_home.far[-1].abort("now of all times")
            await asyncio.sleep(1.0)

        Keeper.last.before_renewal = cut
        memory_home.refused = {"token1"}
        await memory_home.until(lambda: not client.is_connected, 600.0)
        await memory_home.until(lambda: client.is_connected)
        assert len(memory_home.dialled) == 2


@pytest.mark.virtual_time
async def test_a_refresh_while_a_token_is_fetched_ends_no_search_for_it(memory_home, carol):
    """Else the loss of the connection starts another search beside it, and each hangs up what the other has dialled."""
    grant, refused = memory_home.home.answers["REGISTER"], {"token1"}

    def register(context, now):
        user, token = context.request.to.uri.user, read_bearer(context.request).reveal()
        memory_home.home.granted = 100 if user == "carol" else 1000
        if user == "work" and now > started + 400.0 and token in refused:
            refuse_token(context, now)
        else:
            grant(context, now)

    started = asyncio.get_running_loop().time()
    memory_home.home.answers["REGISTER"] = register
    client = carol(impus=("sip:work@ims.example",))
    told = memory_home.watched(client)
    async with client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        waiting = asyncio.Event()

        async def wait():
            waiting.set()
            await asyncio.sleep(120.0)

        Keeper.last.before_renewal = wait
        await memory_home.until(waiting.is_set, 600.0)
        told.clear()
        await memory_home.until(lambda: Refreshed in told.kinds, 60.0)
        memory_home.far[-1].abort("now of all times")
        await asyncio.sleep(600.0)
        assert len(memory_home.dialled) == 2
        assert told.kinds.count(ConnectionLost) == 1
        assert client.is_connected
        assert len(client.bindings) == 2


@pytest.mark.virtual_time
async def test_a_token_that_was_replaced_in_time_is_registered_with(memory_home, carol):
    async with carol(impus=("sip:carol@ims.example",)):
        Keeper.last.on_token(Keeper.last.next())
        await memory_home.until(lambda: memory_home.shown[-1] == "token2", 5.0)
        assert Keeper.last.given == 2, "no other token is asked for"


@pytest.mark.virtual_time
@pytest.mark.parametrize("cut", [False, True])
async def test_a_token_that_comes_by_itself_ends_the_wait_for_one(memory_home, carol, cut):
    async with carol(impus=("sip:carol@ims.example",)) as client:
        Keeper.last.failures = [SignInFailed("come back later", temporary=True, retry_after=1500.0)]
        memory_home.refused = {"token1"}
        client.refresh()
        await memory_home.until(lambda: not Keeper.last.failures, 5.0)
        if cut:
            memory_home.far[-1].abort("now of all times")
            await memory_home.until(lambda: not client.is_connected, 5.0)
        await asyncio.sleep(10.0)
        Keeper.last.on_token(Keeper.last.next())
        await memory_home.until(lambda: memory_home.shown[-1] == "token2" and client.is_connected, 5.0)
        await asyncio.sleep(3000.0)
        assert Keeper.last.given == 2, "no other token is asked for"


@pytest.mark.virtual_time
async def test_a_token_that_comes_while_another_one_is_asked_for_in_vain(memory_home, carol):
    async with carol(impus=("sip:carol@ims.example",)) as client:
        Keeper.last.failures = [SignInFailed("come back later", temporary=True, retry_after=1500.0)]

        async def renew():
            Keeper.last.on_token(Keeper.last.next())

        Keeper.last.before_renewal = renew
        memory_home.refused = {"token1"}
        client.refresh()
        await memory_home.until(lambda: memory_home.shown[-1] == "token2", 5.0)
        assert client.is_connected
        assert len(client.bindings) == 1


@pytest.mark.virtual_time
async def test_a_token_that_a_call_got_ends_the_wait_for_one(memory_home, carol):
    async with carol(impus=("sip:carol@ims.example",)) as client:
        Keeper.last.failures = [SignInFailed("come back later", temporary=True, retry_after=1500.0)]
        memory_home.refused = {"token1"}
        client.refresh()
        await memory_home.until(lambda: not Keeper.last.failures, 5.0)
        challenge = bearer_challenge(realm="ims.example", authz_server=ISSUER, error="invalid_token")
        memory_home.home.answers["INVITE"] = (401, [("WWW-Authenticate", challenge)], b"")
        await client.call("sip:bob@ims.example")
        await memory_home.until(lambda: memory_home.shown[-1] == "token2", 5.0)
        assert client.is_connected
        assert len(memory_home.dialled) == 1, "a token is looked for over the connection there is"


@pytest.mark.virtual_time
async def test_a_token_that_cannot_be_replaced_ends_the_registration(memory_home, carol):
    async with carol(impus=("sip:carol@ims.example",)) as client:
        Keeper.last.on_failed(SignInFailed("lease lost", error="lease_lost"))
        with pytest.raises(SignInFailed, match="lease lost"):
            await anext(client.incoming())


@pytest.mark.virtual_time
async def test_a_lease_is_given_back_after_the_deregistration(memory_home, carol):
    """TS 24.371 §6A.2."""
    async with carol(impus=("sip:work@ims.example",)) as client:
        await memory_home.until(lambda: len(client.bindings) == 2, 5.0)
        await client.deregister("sip:work@ims.example")
        assert not Keeper.last.closed
        await client.deregister()
        assert Keeper.last.closed


@pytest.mark.virtual_time
@pytest.mark.parametrize("cut", [False, True])
async def test_a_lease_is_given_back_when_nothing_is_registered_any_more(memory_home, carol, cut):
    memory_home.home.granted = 1000
    async with carol(impus=("sip:carol@ims.example",)) as client:
        if cut:
            memory_home.far[-1].abort("begin")
            await memory_home.until(lambda: not client.is_connected, 5.0)
        Keeper.last.on_failed(SignInFailed("lease lost", error="lease_lost"))
        await asyncio.sleep(1.0)
        assert Keeper.last.closed == cut
        memory_home.home.forbids = {"carol"}
        await memory_home.until(lambda: Keeper.last.closed, 1100.0)


@pytest.mark.virtual_time
async def test_a_token_that_tells_no_identities(memory_home, carol, monkeypatch):
    monkeypatch.setattr(Keeper, "next", lambda self: AccessToken(value=Secret("x")))
    with pytest.raises(ConfigurationError, match="does not tell the identities"):
        await carol().__aenter__()


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("told", "main", "others"),
    [
        (("sip:carol@ims.example", "tel:+15551234"), "sip:carol@ims.example", ()),
        (("tel:+15551234", "sip:carol@ims.example"), "sip:carol@ims.example", ()),
        (
            ("sip:carol@ims.example", "sip:carol@IMS.example", "sip:work@ims.example", "sip:w%6Frk@ims.example"),
            "sip:carol@ims.example",
            ("sip:work@ims.example",),
        ),
        (("carol", "sip:ims.example", "sip:carol@ims.example"), "sip:carol@ims.example", ()),
    ],
    ids=["a number", "a number in front", "the same again", "nonsense"],
)
async def test_of_the_identities_of_a_token_those_are_registered_that_can_be(
    memory_home, carol, monkeypatch, told, main, others
):
    """RFC 3261 §10.2: the To of a REGISTER; a telephone number is registered along with a SIP URI."""
    monkeypatch.setattr(Keeper, "impus", told)
    async with carol() as client:
        assert (client.account.impu, client.account.impus) == (main, others)
        await memory_home.until(lambda: len(client.bindings) == 1 + len(others), 5.0)


@pytest.mark.virtual_time
async def test_a_token_of_a_telephone_number_alone(carol, monkeypatch):
    monkeypatch.setattr(Keeper, "impus", ("tel:+15551234",))
    with pytest.raises(ConfigurationError, match=r"needs 'impu' and 'impi': .* no SIP URI"):
        await carol().__aenter__()


@pytest.mark.virtual_time
async def test_a_lease_of_an_identity_that_cannot_be_registered_is_given_back(carol, monkeypatch):
    monkeypatch.setattr(Keeper, "impus", ("sip:carol@[2001:db8::1]",))
    with pytest.raises(ConfigurationError, match="is not a domain"):
        await carol().__aenter__()
    assert Keeper.last.closed


# calls


@pytest.fixture
def caller(home, monkeypatch):
    """A web user who calls in a network that asks every INVITE for a token that it has not `refused`."""
    monkeypatch.setattr("wic.client.web.keeper.TokenKeeper", Keeper)
    home.refused = {"token1"}
    home.answers["REGISTER"] = home.grant

    def invite(context, now):
        if read_bearer(context.request).reveal() in home.refused:
            challenge = bearer_challenge(realm="ims.example", authz_server=ISSUER, error="invalid_token")
            context.reject(401, now=now, headers=[("WWW-Authenticate", challenge)])
        else:
            context.reject(486, now=now)

    home.answers["INVITE"] = invite
    web = WebAuthorization(account="carol", wwsf="https://w.example")
    account = Account(auth=AuthScheme.BEARER, web=web, insecure=True, server=home.url, impus=("sip:carol@ims.example",))
    return Client(account, ClientOptions(reg_event=False))


async def test_a_call_whose_token_is_refused_is_made_with_another_one(home, caller):
    async with caller as client:
        registers = sum(request.method == "REGISTER" for request in home.requests)
        call = await client.call("sip:bob@ims.example")
        with pytest.raises(CallRejected, match="486"):
            await call.answered(timeout=10)
        await home.until(lambda: sum(request.method == "REGISTER" for request in home.requests) > registers)
        assert read_bearer(home.requests[-1]).reveal() == "token2"


async def test_a_call_whose_second_token_is_refused_fails(home, caller):
    home.refused = {"token1", "token2"}
    async with caller as client:
        call = await client.call("sip:bob@ims.example")
        with pytest.raises(CallRejected, match="401") as caught:
            await call.answered(timeout=10)
        assert isinstance(caught.value.__cause__, TokenRefused)


async def test_a_call_without_a_token_fails(home, caller):
    async with caller as client:
        Keeper.last.failures = [SignInFailed("no", error="invalid_grant")]
        call = await client.call("sip:bob@ims.example")
        with pytest.raises(CallRejected, match="401") as caught:
            await call.answered(timeout=10)
        assert isinstance(caught.value.__cause__, SignInFailed)
