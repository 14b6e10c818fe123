"""Keeper of an access token, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from wic.accounts import WebAuthorization
from wic.auth import Secret
from wic.client.web.keeper import TokenKeeper
from wic.errors import ConnectFailed, LocalProtocolError, SignInFailed, SignInNeeded
from wic.oauth.tokens import AccessToken

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.errors import WicError

pytestmark = pytest.mark.virtual_time


@dataclass(slots=True)
class Source:
    """Source of numbered tokens with one lifetime, or of errors."""

    lasts: float | None = 1000.0
    takes: float = 0.0
    troubles: list[WicError] = field(default_factory=list)
    asked: list[tuple[float, str | None]] = field(default_factory=list)
    given_back: list[str] = field(default_factory=list)

    async def obtain(self, current: AccessToken | None) -> AccessToken:
        now = asyncio.get_running_loop().time()
        self.asked.append((now, None if current is None else current.value.reveal()))
        await asyncio.sleep(self.takes)
        if self.troubles:
            raise self.troubles.pop(0)
        ends = None if self.lasts is None else asyncio.get_running_loop().time() + self.lasts
        return AccessToken(value=Secret(f"t{len(self.asked)}"), expires_at=ends)

    async def give_back(self, current: AccessToken) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        self.given_back.append(current.value.reveal())


@dataclass(slots=True)
class Reported:
    tokens: list[str] = field(default_factory=list)
    failures: list[WicError] = field(default_factory=list)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Unix time the time of the loop, and every pause the longest."""
    monkeypatch.setattr("wic.client.web.keeper.time.time", lambda: asyncio.get_running_loop().time())
    monkeypatch.setattr("wic.client.web.keeper.random.uniform", lambda _, most: most)


@pytest.fixture
def reported() -> Reported:
    return Reported()


@pytest.fixture
def keeper(reported: Reported) -> Callable[[Source], TokenKeeper]:
    settings = WebAuthorization(account="carol", waf="https://waf.ims.example")
    return lambda source: TokenKeeper(
        settings,
        on_token=lambda token: reported.tokens.append(token.value.reveal()),
        on_failed=reported.failures.append,
        source=source,
    )


async def test_no_request_before_the_first_caller(keeper, reported: Reported) -> None:
    source = Source()
    await keeper(source).close()
    assert (source.asked, source.given_back) == ([], [])


async def test_a_day_of_tokens(keeper, reported: Reported) -> None:
    source = Source(lasts=3600.0)
    kept = keeper(source)
    assert (await kept.token()).value == Secret("t1")
    await asyncio.sleep(86_000)
    assert [at for at, _ in source.asked] == [2880.0 * number for number in range(30)]
    assert reported.tokens == [f"t{number}" for number in range(2, 31)]
    assert (await kept.token()).value == Secret("t30")
    await kept.close()
    assert source.given_back == ["t30"]
    await asyncio.sleep(86_000)
    assert len(source.asked) == 30


async def test_callers_share_one_request(keeper) -> None:
    source = Source(takes=1.0)
    kept = keeper(source)
    tokens = await asyncio.gather(kept.token(), kept.token(), kept.renew())
    assert {token.value.reveal() for token in tokens} == {"t1"}
    await kept.token()
    assert len(source.asked) == 1
    await kept.close()


async def test_a_caller_that_gives_up_leaves_the_request_to_the_others(keeper) -> None:
    source = Source(takes=10.0)
    kept = keeper(source)
    first = asyncio.create_task(kept.token())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await kept.token()
    assert (await first).value == Secret("t1")
    await kept.close()


async def test_a_refused_token_is_replaced_at_once(keeper, reported: Reported) -> None:
    source = Source()
    kept = keeper(source)
    await kept.token()
    assert (await kept.renew()).value == Secret("t2")
    assert source.asked[1] == (0.0, "t1")
    assert reported.tokens == []  # the caller has it
    await asyncio.sleep(810)
    assert reported.tokens == ["t3"]  # one timer, set anew
    await kept.close()


async def test_a_token_without_an_end_is_kept(keeper, reported: Reported) -> None:
    source = Source(lasts=None)
    kept = keeper(source)
    await kept.token()
    await asyncio.sleep(10_000_000)
    assert (await kept.token()).value == Secret("t1")
    await kept.close()


async def test_failures_that_pass(keeper, reported: Reported, caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    kept = keeper(source)
    await kept.token()
    away = SignInFailed("busy", temporary=True, retry_after=20.0)
    source.troubles = [ConnectFailed("away"), ConnectFailed("away"), away]
    await asyncio.sleep(900)
    assert [at for at, _ in source.asked] == [0.0, 800.0, 801.0, 803.0, 823.0]
    assert reported.tokens == ["t5"]
    assert reported.failures == []
    assert "no new access token yet: away" in caplog.text
    await kept.close()


async def test_failures_until_the_token_expires(keeper, reported: Reported) -> None:
    source = Source()
    kept = keeper(source)
    await kept.token()
    source.troubles = [ConnectFailed("away") for _ in range(1000)]
    await asyncio.sleep(5000)
    assert [str(error) for error in reported.failures] == ["away"]
    assert source.asked[-1][0] < 1000
    assert max(later[0] - sooner[0] for sooner, later in zip(source.asked[1:], source.asked[2:], strict=False)) == 60
    with pytest.raises(ConnectFailed):
        await kept.token()  # the old one has ended
    source.troubles.clear()
    assert (await kept.token()).value.reveal()
    await kept.close()


async def test_a_retry_after_beyond_the_life_of_the_token(keeper, reported: Reported) -> None:
    source = Source()
    kept = keeper(source)
    await kept.token()
    source.troubles = [SignInFailed("busy", temporary=True, retry_after=86_400.0) for _ in range(1000)]
    await asyncio.sleep(1000)
    assert [at for at, _ in source.asked[:4]] == [0.0, 800.0, 900.0, 950.0]
    assert [str(error) for error in reported.failures] == ["busy"]
    await kept.close()


@pytest.mark.parametrize(
    "error", [SignInNeeded("x"), SignInFailed("x", error="lease_lost")], ids=lambda error: type(error).__name__
)
async def test_final_failures(keeper, reported: Reported, error: WicError) -> None:
    source = Source()
    kept = keeper(source)
    await kept.token()
    source.troubles = [error]
    await asyncio.sleep(999)
    assert reported.failures == [error]
    assert (await kept.token()).value == Secret("t1")  # as long as it lasts
    await kept.close()


async def test_a_first_failure_is_raised_to_the_caller(keeper, reported: Reported) -> None:
    source = Source(troubles=[SignInNeeded("x")])
    kept = keeper(source)
    with pytest.raises(SignInNeeded):
        await kept.token()
    assert reported.failures == []
    assert (await kept.token()).value == Secret("t2")
    await kept.close()


async def test_closing_waits_for_the_request_on_its_way(keeper) -> None:
    source = Source(takes=5.0)
    kept = keeper(source)
    asking = asyncio.create_task(kept.token())
    await asyncio.sleep(1.0)
    asking.cancel()
    await kept.close()
    assert source.given_back == ["t1"]
    assert asking.cancelled()
    await asyncio.sleep(10_000)
    assert len(source.asked) == 1


async def test_closing_while_a_token_is_replaced(keeper, reported: Reported) -> None:
    source = Source()
    kept = keeper(source)
    await kept.token()
    source.troubles = [ConnectFailed("away")]
    await asyncio.sleep(800.5)
    await kept.close()
    await asyncio.sleep(100)
    assert (reported.tokens, source.given_back) == ([], ["t1"])


async def test_nothing_is_borrowed_after_closing(keeper) -> None:
    source = Source()
    kept = keeper(source)
    await kept.token()
    await kept.close()
    for ask in (kept.renew, kept.token):
        with pytest.raises(LocalProtocolError, match="closed"):
            await ask()
    assert (len(source.asked), source.given_back) == (1, ["t1"])


async def test_a_lease_that_cannot_be_given_back_is_logged(keeper, caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    kept = keeper(source)
    await kept.token()
    source.troubles = [ConnectFailed("away")]
    with caplog.at_level(logging.WARNING):
        await kept.close()
    assert "the token was not given back: away" in caplog.text


async def test_very_short_lives_make_no_busy_loop(keeper, reported: Reported) -> None:
    source = Source(lasts=0.1)
    kept = keeper(source)
    await kept.token()
    await asyncio.sleep(10)
    assert len(source.asked) <= 11
    await kept.close()


async def test_a_clock_that_jumps_changes_no_timer(keeper, reported: Reported, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source()
    kept = keeper(source)
    await kept.token()
    monkeypatch.setattr("wic.client.web.keeper.time.time", lambda: -1e9)
    await asyncio.sleep(810)
    assert reported.tokens == ["t2"]
    monkeypatch.setattr("wic.client.web.keeper.time.time", lambda: 1e9)
    assert (await kept.token()).value == Secret("t3")  # by the clock as it is, the other one has expired
    await kept.close()


async def test_the_callbacks_are_optional() -> None:
    source = Source()
    kept = TokenKeeper(WebAuthorization(account="carol", waf="https://waf.ims.example"), source=source)
    await kept.token()
    await asyncio.sleep(900)
    source.troubles = [SignInNeeded("x")]
    await asyncio.sleep(800)
    assert len(source.asked) == 3
    await kept.close()


@pytest.mark.parametrize("replaced", [False, True], ids=["first", "replacement"])
@pytest.mark.parametrize("takes", [2.0, 9.0, 20.0, 80_000.0])
async def test_closing_waits_for_a_request_within_reason(keeper, replaced: bool, takes: float) -> None:
    """What it brings is given back; one that takes longer ends with the keeper, and leaves no task."""
    source = Source(takes=0.0 if replaced else takes)
    kept = keeper(source)
    asking = asyncio.create_task(kept.token())
    if replaced:
        await asking
        source.takes = takes
        await asyncio.sleep(799.9)
    await asyncio.sleep(0.2)
    began = asyncio.get_running_loop().time()
    await kept.close()
    assert asyncio.get_running_loop().time() - began <= 10.0
    assert asyncio.all_tasks() <= {asyncio.current_task(), asking}
    last = [f"t{len(source.asked)}"] if takes < 10.0 else ["t1"] if replaced else []
    assert source.given_back == last
    await asyncio.sleep(86_000)
    await kept.close()
    assert source.given_back == last
    await asyncio.gather(asking, return_exceptions=True)


async def test_a_closing_that_is_cancelled_ends_the_request(keeper) -> None:
    source = Source(takes=5.0)
    kept = keeper(source)
    asking = asyncio.create_task(kept.token())
    await asyncio.sleep(1.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await kept.close()
    await asyncio.gather(asking, return_exceptions=True)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert source.given_back == []
