"""Public keys of an issuer: fetched when they are needed, kept, and fetched anew, with a limit."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from joserfc.jwk import ECKey

from wic.auth.secret import Secret
from wic.network.tokens import TokenFault, TokenInvalid, TokenValidator, TrustedIssuer, WafUnreachable
from wic.oauth.http import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_800_000_000.0


async def accepted(validator: TokenValidator, token: str, *, now: float = NOW) -> bool:
    try:
        await validator.validate(Secret(token), now=now)
    except TokenInvalid as error:
        return error.reason is not TokenFault.SIGNATURE
    return True


async def test_keys_are_fetched_once(issuer: Any, validator: TokenValidator) -> None:
    answers = await asyncio.gather(*(accepted(validator, issuer.token(jti=str(n))) for n in range(20)))
    assert all(answers)
    assert issuer.requests == ["metadata", "jwks"]


async def test_a_configured_jwks_uri_needs_no_metadata(
    issuer: Any, make_validator: Callable[..., TokenValidator]
) -> None:
    assert await accepted(make_validator(jwks_uri=f"{issuer.url}/jwks"), issuer.token())
    assert issuer.requests == ["jwks"]


async def test_a_new_key_is_found(issuer: Any, validator: TokenValidator) -> None:
    assert await accepted(validator, issuer.token())
    new = ECKey.generate_key("P-256")
    issuer.keys.insert(0, issuer.public(new, "key-2"))
    assert await accepted(validator, issuer.token(header={"kid": "key-2"}, key=new), now=NOW + 11)
    assert await accepted(validator, issuer.token(), now=NOW + 11)
    assert issuer.requests.count("jwks") == 2


@pytest.mark.parametrize("kid", ["key-1", None], ids=["the same kid", "no kid"])
@pytest.mark.parametrize("kept", [False, True], ids=["replaced", "added"])
async def test_a_key_that_took_the_place_of_another_is_found(
    issuer: Any, validator: TokenValidator, kid: str | None, kept: bool
) -> None:
    assert await accepted(validator, issuer.token(header={"kid": kid}))
    new = ECKey.generate_key("P-256")
    issuer.keys = [*(issuer.keys if kept else []), issuer.public(new, "key-1")]
    assert await accepted(validator, issuer.token(header={"kid": kid}, key=new), now=NOW + 60)
    assert await accepted(validator, issuer.token(header={"kid": kid}), now=NOW + 60) is kept
    assert issuer.requests.count("jwks") == 2


@pytest.mark.parametrize("kid", ["key-1", None])
async def test_forged_signatures_do_not_become_requests(
    issuer: Any, validator: TokenValidator, kid: str | None
) -> None:
    """One fetch for each interval, for all of them together."""
    forger = ECKey.generate_key("P-256")

    async def forge(at: float) -> None:
        tokens = [issuer.token(header={"kid": kid}, key=forger, jti=str(number)) for number in range(25)]
        answers = await asyncio.gather(*(accepted(validator, token, now=at) for token in tokens))
        assert not any(answers)

    assert await accepted(validator, issuer.token())
    await forge(NOW + 1)
    assert issuer.requests.count("jwks") == 1
    await forge(NOW + 11)
    await forge(NOW + 20)
    assert issuer.requests.count("jwks") == 2
    assert await accepted(validator, issuer.token(), now=NOW + 20)


async def test_keys_that_cannot_be_fetched_anew_stay(issuer: Any, validator: TokenValidator) -> None:
    assert await accepted(validator, issuer.token())
    issuer.raw = web.Response(status=503)
    assert not await accepted(validator, issuer.token(key=ECKey.generate_key("P-256")), now=NOW + 60)
    assert await accepted(validator, issuer.token(), now=NOW + 60)


async def test_unknown_key_names_do_not_become_requests(issuer: Any, validator: TokenValidator) -> None:
    for number in range(50):
        assert not await accepted(validator, issuer.token(header={"kid": f"invented-{number}"}), now=NOW + number / 10)
    assert issuer.requests.count("jwks") == 1
    assert not await accepted(validator, issuer.token(header={"kid": "invented"}), now=NOW + 11)
    assert issuer.requests.count("jwks") == 2


async def test_a_withdrawn_key_stops_counting(issuer: Any, validator: TokenValidator) -> None:
    token = issuer.token(exp=NOW + 9000)
    assert await accepted(validator, token)
    issuer.keys = [issuer.public(ECKey.generate_key("P-256"), "key-2")]
    assert await accepted(validator, token, now=NOW + 3599)
    assert not await accepted(validator, token, now=NOW + 3601)


async def test_old_keys_count_while_no_others_can_be_fetched(issuer: Any, validator: TokenValidator) -> None:
    token = issuer.token(exp=NOW + 9000)
    assert await accepted(validator, token)
    issuer.raw = web.Response(status=503)
    assert await accepted(validator, token, now=NOW + 3601)
    assert await accepted(validator, token, now=NOW + 3602)


async def test_a_clock_that_is_set_back_does_not_stop_the_keys(issuer: Any, validator: TokenValidator) -> None:
    assert await accepted(validator, issuer.token())
    assert await accepted(validator, issuer.token(iat=NOW - 5000), now=NOW - 4000)


async def test_no_keys_at_all(issuer: Any, validator: TokenValidator) -> None:
    issuer.raw = web.Response(status=503)
    with pytest.raises(WafUnreachable, match="answers 503"):
        await accepted(validator, issuer.token())
    with pytest.raises(WafUnreachable, match="a moment ago"):
        await accepted(validator, issuer.token(), now=NOW + 1)
    issuer.raw = None
    assert await accepted(validator, issuer.token(), now=NOW + 11)


@pytest.mark.parametrize(
    "answer",
    [
        {"body": b"no json"},
        {"body": b"[]"},
        {"body": b"[" * 100_000},
        {"body": b"{}"},
        {"body": b'{"keys": {}}'},
        {"body": b" " * (MAX_BODY + 1)},
        {"status": 302, "headers": {"Location": "/jwks"}},
        {"body": gzip.compress(b'{"keys": []}'), "headers": {"Content-Encoding": "gzip"}},
    ],
    ids=range(8),
)
async def test_malformed_key_sets(issuer: Any, validator: TokenValidator, answer: dict[str, Any]) -> None:
    issuer.raw = web.Response(**answer)
    with pytest.raises(WafUnreachable):
        await accepted(validator, issuer.token())
    assert issuer.requests == ["metadata", "jwks"]


@pytest.mark.parametrize(
    "entry",
    [
        7,
        {},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "EC", "crv": "P-256", "x": "!", "y": 7},
    ],
)
async def test_malformed_keys_are_skipped(issuer: Any, validator: TokenValidator, entry: object) -> None:
    issuer.keys.insert(0, entry)
    assert await accepted(validator, issuer.token())


async def test_a_published_private_key_does_not_count(issuer: Any, validator: TokenValidator) -> None:
    issuer.keys = [{**issuer.key.as_dict(private=True), "kid": "key-1"}]
    assert not await accepted(validator, issuer.token())


@pytest.mark.parametrize(
    "change",
    [{"issuer": "https://evil.example"}, {"issuer": None}, {"jwks_uri": "http://127.0.0.1/jwks"}, {"jwks_uri": 7}],
)
async def test_metadata_that_cannot_be_used(issuer: Any, validator: TokenValidator, change: dict[str, object]) -> None:
    issuer.metadata |= change
    with pytest.raises(WafUnreachable, match="metadata"):
        await accepted(validator, issuer.token())


async def test_a_server_that_is_not_trusted_gives_no_keys(issuer: Any) -> None:
    validator = TokenValidator([TrustedIssuer(issuer=issuer.url, audience="sip:ims.example")])
    with pytest.raises(WafUnreachable, match="certificate"):
        await accepted(validator, issuer.token())
    await validator.close()
