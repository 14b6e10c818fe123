"""Token endpoint: client authentication and the client credentials grant (RFC 6749 §2.3, §4.4)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import pytest

from wic.auth.secret import Secret

if TYPE_CHECKING:
    from wic.network.waf import Waf


SECRET = "sixteen letters & more: so"


FORM = {"grant_type": "client_credentials"}


def basic(client_id: str, secret: str) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def claims(answer) -> dict[str, object]:
    return json.loads(base64.urlsafe_b64decode(str(answer.json["access_token"]).split(".")[1] + "=="))


@pytest.fixture
def bot(waf: Waf) -> str:
    waf.store.clients.add(
        "bot", Secret(SECRET), grants=("client_credentials",), impi="bot@ims.example", impus=["sip:bot@ims.example"]
    )
    return "bot"


@pytest.fixture
def wwsf_client(waf: Waf) -> str:
    waf.store.clients.add_wwsf("wwsf", Secret(SECRET), "https://wwsf.example")
    waf.store.pool.add("wwsf", "pool1@ims.example", "sip:pool1@ims.example")
    waf.store.pool.add("other", "pool9@ims.example", "sip:pool9@ims.example")
    return "wwsf"


async def test_a_bot_gets_a_token_for_its_subscription(browser, bot: str) -> None:
    answer = await browser.post("/token", FORM, headers=basic(bot, SECRET))
    assert answer.status == 200
    assert claims(answer)["impi"] == "bot@ims.example"
    assert claims(answer)["sub"] == "bot"
    assert "refresh_token" not in answer.json  # RFC 6749 §4.4.3
    assert (await browser.post("/token", {**FORM, "impi": "bot@ims.example"}, headers=basic(bot, SECRET))).status == 200


async def test_client_secret_post(browser, bot: str) -> None:
    assert (await browser.post("/token", {**FORM, "client_id": bot, "client_secret": SECRET})).status == 200


@pytest.mark.parametrize("impi", ["carol@ims.example", "pool1@ims.example", "' OR 1=1 --"])
async def test_a_bot_gets_no_token_for_other_identities(browser, bot: str, wwsf_client: str, impi: str) -> None:
    answer = await browser.post("/token", {**FORM, "impi": impi}, headers=basic(bot, SECRET))
    assert (answer.status, answer.json["error"]) == (400, "unauthorized_client")


async def test_a_wwsf_gets_a_token_for_a_pair_of_its_pool(browser, wwsf_client: str) -> None:
    answer = await browser.post("/token", {**FORM, "impi": "pool1@ims.example"}, headers=basic("wwsf", SECRET))
    assert answer.status == 200
    assert claims(answer)["impi"] == "pool1@ims.example"
    assert claims(answer)["impu"] == ["sip:pool1@ims.example"]
    assert claims(answer)["wwsf"] == "wwsf"


@pytest.mark.parametrize(
    ("impi", "error"),
    [
        ("pool9@ims.example", "unauthorized_client"),
        ("carol@ims.example", "unauthorized_client"),
        (None, "invalid_request"),
    ],
)
async def test_a_wwsf_gets_no_token_outside_of_its_pool(
    browser, wwsf_client: str, impi: str | None, error: str
) -> None:
    """TS 33.203 Annex X.4, REQ 3.2."""
    form = FORM if impi is None else {**FORM, "impi": impi}
    answer = await browser.post("/token", form, headers=basic("wwsf", SECRET))
    assert (answer.status, answer.json["error"]) == (400, error)


async def test_a_pair_has_one_holder(waf: Waf, browser, wwsf_client: str) -> None:
    """A token for the next holder revokes the one before."""
    waf.store.clients.add("epcscf", Secret(SECRET), grants=())
    tokens = []
    for _ in range(2):
        answer = await browser.post("/token", {**FORM, "impi": "pool1@ims.example"}, headers=basic("wwsf", SECRET))
        tokens.append(answer.json["access_token"])
    active = [
        (await browser.post("/introspect", {"token": token}, headers=basic("epcscf", SECRET))).json["active"]
        for token in tokens
    ]
    assert active == [False, True]


@pytest.mark.parametrize(
    ("form", "headers", "status", "error"),
    [
        ({}, basic("bot", "wrong secret, wrong secret"), 401, "invalid_client"),
        ({}, basic("unknown", SECRET), 401, "invalid_client"),
        ({}, basic("wic", SECRET), 401, "invalid_client"),
        ({"client_id": "bot"}, {}, 401, "invalid_client"),
        ({"client_id": "bot", "client_secret": "wrong"}, {}, 401, "invalid_client"),
        ({"client_id": "wic", "client_secret": "invented"}, {}, 401, "invalid_client"),
        ({"client_id": "unknown"}, {}, 401, "invalid_client"),
        ({}, {}, 400, "invalid_request"),
        ({"client_secret": SECRET}, basic("bot", SECRET), 400, "invalid_request"),
        ({"client_id": "other"}, basic("bot", SECRET), 400, "invalid_request"),
        ({}, {"Authorization": "Bearer abc"}, 401, "invalid_client"),
        ({}, {"Authorization": "Basic !"}, 401, "invalid_client"),
        ({}, {"Authorization": "Basic " + base64.b64encode(b"bot").decode()}, 401, "invalid_client"),
        ({}, {"Authorization": "Basic /w=="}, 401, "invalid_client"),
        ({}, {"Authorization": "Basic " + "A" * 2000}, 401, "invalid_client"),
    ],
)
async def test_failed_client_authentication(
    browser, bot: str, form: dict[str, str], headers: dict[str, str], status: int, error: str
) -> None:
    answer = await browser.post("/token", {**FORM, **form}, headers=headers)
    assert (answer.status, answer.json["error"]) == (status, error)
    if status == 401:  # RFC 6749 §5.2, RFC 9110 §15.5.2
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert SECRET not in answer.text


async def test_guessing_secrets_is_slowed_down(browser, bot: str, clock) -> None:
    for _ in range(4):
        assert (await browser.post("/token", FORM, headers=basic(bot, "wrong"))).status == 401
    answer = await browser.post("/token", FORM, headers=basic(bot, SECRET))
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "1"
    clock.now += 1
    assert (await browser.post("/token", FORM, headers=basic(bot, SECRET))).status == 200


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"grant_type=client_credentials", "text/plain"),
        (b'{"grant_type": "client_credentials"}', "application/json"),
        (b"grant_type=a&grant_type=b", "application/x-www-form-urlencoded"),
        (b"grant_type=" + b"a" * 20_000, "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % n for n in range(40)), "application/x-www-form-urlencoded"),
        (b"grant_type=%ff", "application/x-www-form-urlencoded"),
        (b"grant_type=\xff", "application/x-www-form-urlencoded"),
        (b"", "application/x-www-form-urlencoded"),
    ],
)
async def test_bodies_that_hold_no_form(browser, body: bytes, kind: str) -> None:
    answer = await browser.request("POST", "/token", data=body, headers={"Content-Type": kind})
    assert answer.status == 400
    assert answer.json["error"] == "invalid_request"
    assert answer.headers["Cache-Control"] == "no-store"
