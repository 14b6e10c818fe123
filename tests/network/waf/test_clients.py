"""OAuth clients and pool pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.errors import ConfigurationError
from wic.oauth.requests import GrantType

if TYPE_CHECKING:
    from wic.network.waf import Waf


SECRET = "sixteen letters & more: so"


@pytest.fixture
def wwsf_client(waf: Waf) -> str:
    waf.store.clients.add_wwsf("wwsf", Secret(SECRET), "https://wwsf.example")
    waf.store.pool.add("wwsf", "pool1@ims.example", "sip:pool1@ims.example")
    waf.store.pool.add("other", "pool9@ims.example", "sip:pool9@ims.example")
    return "wwsf"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"client_id": "a:b"}, "client id"),
        ({"client_id": ""}, "client id"),
        ({"secret": Secret("short")}, "16 characters"),
        ({"grants": ("password",)}, "grant type"),
        ({"consent": False}, "users have to be asked"),
        ({"grants": ("client_credentials",)}, "client secret"),
        ({"redirect_uris": ("http://web.example/cb",)}, "redirect URI"),
        ({"redirect_uris": ("https://web.example/cb#x",)}, "redirect URI"),
        ({"redirect_uris": ("https:///cb",)}, "redirect URI"),
        ({"redirect_uris": ("https://[::1/cb",)}, "redirect URI"),
        ({"redirect_uris": ("https://web.example:0/cb",)}, "redirect URI"),
        ({"redirect_uris": ("javascript:alert(1)",)}, "redirect URI"),
        ({"impi": "bot@ims.example"}, "public one"),
        ({"impi": "bot@ims.example", "impus": ["mailto:x"]}, "public identity"),
    ],
)
async def test_malformed_clients(waf: Waf, arguments: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        waf.store.clients.add(**{"client_id": "new", **arguments})


async def test_removing_a_client_revokes_its_tokens(waf: Waf, client) -> None:
    token = (await client.tokens())["refresh_token"]
    assert waf.store.clients.remove("wic")
    assert not waf.store.clients.remove("wic")
    waf.store.clients.add_native()
    assert (await client.refresh(token)).json["error"] == "invalid_grant"
    assert set(waf.store.clients.find("wic").grants) <= set(GrantType)


async def test_pool_pairs_can_be_moved_and_removed(waf: Waf, wwsf_client: str) -> None:
    waf.store.pool.add("wwsf", "pool9@ims.example", "sip:pool9@ims.example")
    assert waf.store.pool.impu("wwsf", "pool9@ims.example") == "sip:pool9@ims.example"
    assert waf.store.pool.impu("other", "pool9@ims.example") is None
    assert waf.store.pool.remove("pool9@ims.example")
    assert not waf.store.pool.remove("pool9@ims.example")
    with pytest.raises(ConfigurationError):
        waf.store.pool.add("wwsf", "", "sip:a@b")
