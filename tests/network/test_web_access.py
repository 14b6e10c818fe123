"""WAF and WWSF in the embedded network: who gets tokens, and what the eP-CSCF does with them."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from wic.errors import ConfigurationError, StorageFailed
from wic.network import ImsNetwork, NetworkOptions
from wic.network.hss import make_profile
from wic.network.tokens import TrustedIssuer
from wic.network.waf.clients import Clients


@pytest.fixture
def limits():
    return {"web": True}


async def post(ims, url: str, *, client: tuple[str, str] | None = None, method: str = "POST", **form: str):
    context = ssl.create_default_context(cafile=str(ims.ca_path))
    basic = b64encode(":".join(client or ()).encode()).decode()
    headers = {"Authorization": f"Basic {basic}"} if client else {}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, data=form or None, headers=headers, ssl=context) as answer,
    ):
        text = await answer.text()
        return answer.status, json.loads(text) if text else {}


async def bot_token(ims, name: str = "carol") -> str:
    account = ims.accounts.get(name)
    client = (account["client_id"], account["client_secret"])
    status, answer = await post(ims, f"{account['waf']}/token", client=client, grant_type="client_credentials")
    assert status == 200, answer
    return answer["access_token"]


async def register(wic, token: str, **more) -> bytes:
    wic.send(wic.register(f"Authorization: Bearer {token}", **more))
    return await wic.expect("SIP/2.0 200")


async def test_a_web_user_registers_with_a_token(ims, ue):
    visitor = await ue("visitor", register=False)
    granted = await register(visitor, await bot_token(ims))
    assert visitor.header(granted, "P-Associated-URI") == "<sip:carol@ims.example>"
    assert visitor.header(granted, "To").startswith("<sip:visitor@ims.example>")
    assert len(ims.hss.bindings("carol@ims.example", now=0)) == 1
    alice = await ue("alice")
    alice.send(alice.request("OPTIONS", "sip:carol@ims.example"))
    asked = await visitor.expect("OPTIONS")
    visitor.send(visitor.respond(asked, "200 OK"))
    assert "carol@ims.example" in alice.header(await alice.expect("SIP/2.0 200"), "P-Asserted-Identity")


@pytest.mark.parametrize("limits", [{"web": True, "guests": 3, "leases_each": 2, "lease_rate": 5}])
async def test_one_machine_gets_as_much_of_the_pool_as_the_operator_says(ims):
    pool = f"{ims.ready()['wwsf']}/pool/lease"
    answers = [await post(ims, pool) for _ in range(6)]
    assert [status for status, _ in answers] == [201] * 2 + [429] * 4
    assert [answer["error"] for _, answer in answers[2:]] == ["too_many_leases"] * 3 + ["slow_down"]


@pytest.mark.parametrize(("guests", "most"), [(1, 1), (2, 1), (4, 2), (5, 2)])
async def test_one_machine_gets_half_of_the_pool_by_default(tmp_path, guests, most):
    async with ImsNetwork(NetworkOptions(directory=tmp_path, guests=guests)) as ims:
        answers = [await post(ims, f"{ims.ready()['wwsf']}/pool/lease") for _ in range(guests + 1)]
    assert [status for status, _ in answers] == [201] * most + [429] * (guests + 1 - most)


async def test_a_revoked_token_is_worth_nothing_at_once(ims, ue):
    token = await bot_token(ims)
    account = ims.accounts.get("carol")
    client = (account["client_id"], account["client_secret"])
    assert (await post(ims, f"{account['waf']}/revoke", client=client, token=token))[0] == 200
    carol = await ue("carol", register=False)
    carol.send(carol.register(f"Authorization: Bearer {token}"))
    challenge = carol.header(await carol.expect("SIP/2.0 401"), "WWW-Authenticate")
    assert f'authz_server="{account["waf"]}"' in challenge
    assert 'error="invalid_token"' in challenge


def _segment(document: dict[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def _claims(token: str) -> dict[str, object]:
    text = token.split(".")[1]
    return json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _signed_by_a_stranger(token: str) -> str:
    key = ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "typ": "at+jwt"}, _claims(token), key)


FORGERIES = {
    "no signature asked for": lambda token: f"{_segment({'alg': 'none', 'typ': 'at+jwt'})}.{token.split('.')[1]}.",
    "another user": lambda token: ".".join(
        [token.split(".")[0], _segment(_claims(token) | {"impi": "bob@ims.example"}), token.split(".")[2]]
    ),
    "a foreign key": _signed_by_a_stranger,
    "half of it": lambda token: token[: len(token) // 2],
    "no token at all": lambda token: "abc",
    "the public key as a shared secret": lambda token: (
        f"{_segment({'alg': 'HS256', 'typ': 'at+jwt'})}.{token.split('.')[1]}.AAAA"
    ),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_forged_tokens(ims, ue, forge):
    carol = await ue("carol", register=False)
    carol.send(carol.register(f"Authorization: Bearer {forge(await bot_token(ims))}"))
    assert 'error="invalid_token"' in carol.header(await carol.expect("SIP/2.0 401"), "WWW-Authenticate")
    assert ims.hss.bindings("carol@ims.example", now=0) == []


async def test_a_guest_borrows_an_identity_and_gives_it_back(ims, ue):
    account = ims.accounts.get("guest")
    status, lease = await post(ims, f"{account['wwsf']}/pool/lease")
    assert status == 201
    assert lease["wss"] == ims.wss_url
    guest = await ue("guest", register=False)
    granted = await register(guest, lease["access_token"])
    assert guest.header(granted, "P-Associated-URI") == f"<{lease['impu']}>"
    assert lease["impi"].startswith("guest-")
    assert (await post(ims, f"{account['wwsf']}/pool/lease/{lease['lease']}", method="DELETE"))[0] == 204


@pytest.mark.parametrize("limits", [{"web": True, "leases_each": 4}])
async def test_who_gave_an_identity_back_does_not_stay_registered_with_it(ims, ue):
    """Or calls for the next holder would reach the last one as well."""
    pool = f"{ims.web.wwsf.url}/pool/lease"
    leases = [(await post(ims, pool))[1] for _ in range(4)]
    guest = await ue("guest", register=False)
    await register(guest, leases[0]["access_token"])
    assert (await post(ims, f"{pool}/{leases[0]['lease']}", method="DELETE"))[0] == 204
    assert ims.hss.bindings(leases[0]["impi"], now=0)
    _, again = await post(ims, pool)
    assert again["impi"] == leases[0]["impi"]
    assert ims.hss.bindings(again["impi"], now=0) == []


async def test_people_sign_in_with_the_password_of_the_accounts_file(ims):
    (user,) = ims.web.waf.store.users.all()
    assert (user.name, user.impi, user.impus) == ("carol", "carol@ims.example", ("sip:carol@ims.example",))
    assert ims.accounts.web_password("carol")


async def test_who_is_there_stays_as_he_is(tmp_path):
    options = NetworkOptions(directory=tmp_path, guests=2)
    async with ImsNetwork(options) as ims:
        first, password = dict(ims.accounts.get("carol")), ims.accounts.web_password("carol")
        pairs = ims.web.wwsf.store.pairs()
        assert [pair.impi for pair in pairs] == ["guest-1@ims.example", "guest-2@ims.example"]
    async with ImsNetwork(options) as ims:
        assert ims.accounts.get("carol") == first
        assert ims.accounts.web_password("carol") == password
        assert ims.web.wwsf.store.pairs() == pairs
        assert await bot_token(ims)


async def test_what_the_databases_have_lost_comes_back(tmp_path):
    options = NetworkOptions(directory=tmp_path)
    async with ImsNetwork(options):
        pass
    for file in tmp_path.glob("*.sqlite*"):
        file.unlink()
    async with ImsNetwork(options) as ims:
        assert await bot_token(ims)
        assert [user.name for user in ims.web.waf.store.users.all()] == ["carol"]
        assert ims.hss.subscriber("carol@ims.example") is not None


async def test_an_account_that_was_changed_by_hand_stays_so(tmp_path):
    async with ImsNetwork(NetworkOptions(directory=tmp_path)) as ims:
        mine = {
            "auth": "bearer",
            "server": ims.wss_url,
            "ca": "ca.pem",
            "waf": ims.web.waf.url,
            "bearer_in": "register",
        }
        ims.accounts.put("carol", mine)
    async with ImsNetwork(NetworkOptions(directory=tmp_path)) as ims:
        assert ims.accounts.get("carol") == mine


async def test_a_name_that_registers_otherwise_is_left_alone(tmp_path):
    async with ImsNetwork(NetworkOptions(directory=tmp_path, subscribers=("carol",))) as ims:
        assert ims.accounts.get("carol")["auth"] == "digest"
        assert ims.web.waf.store.users.all() == []


@pytest.mark.parametrize("options", [{"web": False}, {"insecure": True}])
async def test_a_network_without_web_servers(options):
    async with ImsNetwork(NetworkOptions(**options)) as ims:
        assert ims.web is None
        assert (ims.ready()["waf"], ims.ready()["wwsf"]) == (None, None)
        assert ims.accounts.names() == ["alice", "bob"]


async def test_the_waf_of_a_third_party(tmp_path, make_raw):
    """One network's WAF gives tokens for another network, whose S-CSCF is told so."""
    async with ImsNetwork(NetworkOptions(directory=tmp_path / "theirs")) as theirs:
        issuer = TrustedIssuer(issuer=theirs.web.waf.url, audience="sip:ims.example", third_party=True)
        (tmp_path / "ours").mkdir()
        for name in ("ca.pem", "ca.key"):
            (tmp_path / "ours" / name).write_bytes((tmp_path / "theirs" / name).read_bytes())
        options = NetworkOptions(directory=tmp_path / "ours", web=False, issuers=(issuer,))
        async with ImsNetwork(options) as ours:
            ours.hss.add(make_profile("carol@ims.example", ["sip:carol@ims.example"]))
            seen: list[bytes] = []
            ours.on_message(lambda entity, now, direction, data, flow: seen.append(data))
            carol = await make_raw("carol", ours.ready())
            await register(carol, await bot_token(theirs))
            assert any(f'authorization-entity="{issuer.issuer}"'.encode() in data for data in seen)


async def test_another_core_behind_waf_and_wwsf():
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
    core = f"sip:127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    async with ImsNetwork(NetworkOptions(core=core, subscribers=())) as ims:
        assert ims.ready()["sip"] is None
        assert ims.ready()["waf"]
        assert await bot_token(ims)
    transport.close()


async def test_a_usim_comes_back_from_the_accounts_file(tmp_path):
    options = NetworkOptions(directory=tmp_path, usims=("alice",))
    async with ImsNetwork(options) as ims:
        first = dict(ims.accounts.get("alice"))
        assert (first["auth"], first["algorithm"]) == ("aka", "AKAv2-SHA-256")
        assert ims.hss.has_usim("alice@ims.example")
        assert ims.accounts.get("bob")["auth"] == "digest"
    for file in tmp_path.glob("hss.sqlite*"):
        file.unlink()
    async with ImsNetwork(options) as ims:
        assert ims.hss.has_usim("alice@ims.example")
        assert ims.accounts.get("alice") == first
    for file in tmp_path.glob("hss.sqlite*"):
        file.unlink()
    text = (tmp_path / "accounts.toml").read_text().replace(first["k"], "no hexadecimal digits")
    (tmp_path / "accounts.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"accounts\.alice: 'k' and 'opc'"):
        async with ImsNetwork(options):
            pass


@pytest.mark.parametrize("client", ["epcscf", "wwsf"])
async def test_no_server_stays_open_that_the_waf_cannot_be_told_of(tmp_path, monkeypatch, client):
    options = NetworkOptions(directory=tmp_path)
    async with ImsNetwork(options) as ims:
        first = ims.ready()
    add = Clients.add

    def add_unless_failing(clients: Clients, client_id: str, *values, **named):
        if client_id == client:
            raise StorageFailed("database is locked")
        return add(clients, client_id, *values, **named)

    with monkeypatch.context() as failing:
        failing.setattr(Clients, "add", add_unless_failing)
        with pytest.raises(StorageFailed):
            await ImsNetwork(options).__aenter__()
    async with ImsNetwork(options) as ims:
        assert ims.ready() == first
