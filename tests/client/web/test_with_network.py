"""Registration with access tokens in the embedded network, by each source of tokens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from wic.accounts import AuthScheme
from wic.accounts.accounts_file import AccountsFile
from wic.auth import BearerForm, Secret
from wic.client import Account, Client, ClientOptions
from wic.client.web.sign_in import sign_in_by_browser
from wic.client.web.store import StoreKey, TokenStore
from wic.errors import SignInNeeded
from wic.network import ImsNetwork, NetworkOptions
from wic.network.enrolment import NewSubscriber
from wic.network.provisioning import Provisioning
from wic.network.waf.options import Lifetimes
from wic.transport.driver import Direction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from wic.sip.flow import Flow

OPTIONS = ClientOptions(close_timeout=3.0)


@pytest.fixture
async def ims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ImsNetwork]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with ImsNetwork(NetworkOptions(directory=tmp_path / "ims", subscribers=("bob",))) as network:
        yield network


@dataclass(slots=True)
class ReceivedRequests:
    """Requests of WICs as the eP-CSCF receives them."""

    requests: list[str] = field(default_factory=list)

    def take(self, entity: str, _: float, direction: Direction, data: bytes, flow: Flow) -> None:
        text = data.decode()
        from_wic = entity == "eP-CSCF" and direction is Direction.RECEIVED and flow.transport == "WSS"
        if from_wic and text.strip() and not text.startswith("SIP/2.0"):
            self.requests.append(text)

    def credentials(self) -> list[tuple[str, str]]:
        """Return the method of each request, and its Authorization."""
        return [
            (
                request.split(" ", 1)[0],
                next((line for line in request.splitlines() if line.startswith("Authorization:")), ""),
            )
            for request in self.requests
        ]


@pytest.fixture
def seen(ims: ImsNetwork) -> ReceivedRequests:
    watching = ReceivedRequests()
    ims.on_message(watching.take)
    return watching


def account(ims: ImsNetwork, name: str = "carol", **changes: object) -> Account:
    """Return an account of the network, with other settings of its tokens."""
    loaded = Account.load(name, ims.accounts_path)
    assert loaded.web is not None
    return replace(loaded, web=replace(loaded.web, **changes))


def user_account(ims: ImsNetwork) -> Account:
    """Return the account of carol without the secret of the program: the user has to sign in."""
    return account(ims, client_id="", client_secret=None)


async def test_every_request_carries_the_token(ims: ImsNetwork, seen: ReceivedRequests) -> None:
    async with Client(account(ims), OPTIONS) as client:
        assert client.binding is not None
        assert client.binding.expires <= 3600  # TS 24.371 §6.4.3: not longer than the token
    methods = {method for method, _ in seen.credentials()}
    assert {"REGISTER", "SUBSCRIBE"} <= methods
    assert all(line.startswith("Authorization: Bearer ey") for _, line in seen.credentials())


async def test_a_web_user_with_a_telephone_number(ims: ImsNetwork) -> None:
    with Provisioning(ims.accounts_path.parent) as provisioning:
        provisioning.enrolment.add(NewSubscriber(name="dave", auth=AuthScheme.BEARER, further=("tel:+4930123",)))
    async with Client(account(ims, "dave"), OPTIONS) as client:
        assert set(map(str, client.identities.usable)) == {"sip:dave@ims.example", "tel:+4930123"}


async def test_only_register_carries_the_token_in_the_older_form(ims: ImsNetwork, seen: ReceivedRequests) -> None:
    async with Client(account(ims, form=BearerForm.ANNEX_A, everywhere=False), OPTIONS):
        pass
    for method, line in seen.credentials():
        assert line.startswith('Authorization: Bearer access_token="ey') is (method == "REGISTER")


async def test_a_user_signs_in_and_registers(ims: ImsNetwork, browser_user) -> None:
    carol = user_account(ims)
    with pytest.raises(SignInNeeded, match="wic login carol"):
        async with Client(carol, OPTIONS):
            pass
    password = ims.accounts.web_password("carol")
    await sign_in_by_browser(carol.web, TokenStore(), show=browser_user(ims.ca_path, password).open)
    for _ in range(2):  # the sign-in outlives the client
        async with Client(carol, OPTIONS) as client:
            assert client.binding is not None


@pytest.mark.parametrize("name", ["carol", "erin"])
async def test_a_web_user_has_an_account_to_sign_in_with(ims: ImsNetwork, browser_user, name: str) -> None:
    if name == "erin":
        with Provisioning(ims.accounts_path.parent) as provisioning:
            password, further = Secret("her password"), ("tel:+4930123",)
            provisioning.enrolment.add(
                NewSubscriber(name="erin", auth=AuthScheme.BEARER, further=further, password=password)
            )
    found = Account.load(f"{name}-in-person", ims.accounts_path)
    assert found.web is not None
    with pytest.raises(SignInNeeded, match=f"wic login {name}-in-person"):
        async with Client(found, OPTIONS):
            pass
    visitor = browser_user(ims.ca_path, AccountsFile(ims.accounts_path).web_password(name), name=name)
    await sign_in_by_browser(found.web, TokenStore(), show=visitor.open)
    async with Client(found, OPTIONS) as client:
        assert str(client.identities.default) == f"sip:{name}@ims.example"


async def test_a_token_that_the_network_refuses_is_replaced(
    ims: ImsNetwork, seen: ReceivedRequests, browser_user
) -> None:
    carol, store = user_account(ims), TokenStore()
    password = ims.accounts.web_password("carol")
    token = await sign_in_by_browser(carol.web, store, show=browser_user(ims.ca_path, password).open)
    store.save(StoreKey.of(carol.web), replace(token, value=Secret("worth.nothing.now")))
    async with Client(carol, OPTIONS) as client:
        assert client.binding is not None
    first, second, *_ = [line for method, line in seen.credentials() if method == "REGISTER"]
    assert first == "Authorization: Bearer worth.nothing.now"
    assert second.startswith("Authorization: Bearer ey")


async def test_the_registration_goes_on_with_the_next_token(ims: ImsNetwork, seen: ReceivedRequests) -> None:
    options = ims.web.waf.options
    object.__setattr__(options, "lifetimes", Lifetimes(access=4.0))
    refreshed = asyncio.Event()
    client = Client(account(ims), OPTIONS)
    client.on_event(lambda event: refreshed.set() if type(event).__name__ == "Refreshed" else None)
    async with client:
        while len(shown := {line for method, line in seen.credentials() if method == "REGISTER"}) < 2:
            refreshed.clear()
            await refreshed.wait()
        assert client.is_connected
    assert all(line.startswith("Authorization: Bearer ey") for line in shown)


async def test_identities_of_the_pool_are_given_back(ims: ImsNetwork) -> None:
    guest = Account.load("guest", ims.accounts_path)
    for _ in range(2):
        async with Client(guest, OPTIONS) as client:
            assert client.binding is not None
            assert str(client.binding.associated_uris[0].uri).startswith("sip:guest-")
