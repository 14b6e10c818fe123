"""Validation of access tokens (RFC 9068 §4, RFC 8725, RFC 7662)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from joserfc.jwk import ECKey, OKPKey, RSAKey

from wic.auth.secret import Secret
from wic.errors import AuthenticationFailed, ConfigurationError
from wic.network.tokens import (
    Authorization,
    Introspection,
    TokenFault,
    TokenInvalid,
    TokenValidator,
    TrustedIssuer,
    WafUnreachable,
)

if TYPE_CHECKING:
    from collections.abc import Callable


NOW = 1_800_000_000.0


def encode(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


async def refused(validator: TokenValidator, token: str, *, now: float = NOW) -> TokenFault:
    with pytest.raises(TokenInvalid) as caught:
        await validator.validate(Secret(token), now=now)
    assert len(token) < 20 or token not in str(caught.value)
    assert isinstance(caught.value, AuthenticationFailed)
    return caught.value.reason


async def test_a_good_token(issuer: Any, make_validator: Callable[..., TokenValidator]) -> None:
    validator = make_validator(third_party=True)
    assert await validator.validate(Secret(issuer.token(wwsf="wwsf")), now=NOW) == Authorization(
        impi="carol@ims.example",
        impus=("sip:carol@ims.example", "tel:+4930123"),
        issuer=issuer.url,
        wwsf="wwsf",
        scope=frozenset({"ims"}),
        expires_at=NOW + 3600,
        jti="token-1",
        subject="carol",
        client_id="wic",
        third_party=True,
    )


async def test_a_token_without_a_wwsf(issuer: Any, validator: TokenValidator) -> None:
    authorization = await validator.validate(Secret(issuer.token()), now=NOW)
    assert authorization.wwsf is None
    assert authorization.third_party is False


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"aud": "sip:other.example"}, TokenFault.AUDIENCE),
        ({"aud": None}, TokenFault.AUDIENCE),
        ({"aud": ["sip:other.example", 7]}, TokenFault.AUDIENCE),
        ({"scope": "mail"}, TokenFault.SCOPE),
        ({"scope": None}, TokenFault.SCOPE),
        ({"scope": 7}, TokenFault.MALFORMED),
        ({"scope": "imsx not-ims"}, TokenFault.SCOPE),
        ({"exp": NOW - 31}, TokenFault.EXPIRED),
        ({"iat": NOW + 31}, TokenFault.EXPIRED),
        ({"nbf": NOW + 31}, TokenFault.EXPIRED),
        ({"exp": None}, TokenFault.MALFORMED),
        ({"exp": "tomorrow"}, TokenFault.MALFORMED),
        ({"exp": True}, TokenFault.MALFORMED),
        ({"exp": 1e300}, TokenFault.MALFORMED),
        ({"exp": float("nan")}, TokenFault.MALFORMED),
        ({"iat": None}, TokenFault.MALFORMED),
        ({"nbf": -1}, TokenFault.MALFORMED),
        ({"impi": None}, TokenFault.MALFORMED),
        ({"impi": ""}, TokenFault.MALFORMED),
        ({"impi": ["a"]}, TokenFault.MALFORMED),
        ({"impi": "\ud800@ims.example"}, TokenFault.MALFORMED),
        ({"other": ["\udcff"]}, TokenFault.MALFORMED),
        ({"impi": "a\r\nVia: x"}, TokenFault.MALFORMED),
        ({"impi": "a" * 513}, TokenFault.MALFORMED),
        ({"impu": None}, TokenFault.MALFORMED),
        ({"impu": []}, TokenFault.MALFORMED),
        ({"impu": ["mailto:carol@ims.example"]}, TokenFault.MALFORMED),
        ({"impu": ["sip:carol@ims.example\r\n"]}, TokenFault.MALFORMED),
        ({"impu": ["sip:" + "a" * 513]}, TokenFault.MALFORMED),
        ({"impu": [7]}, TokenFault.MALFORMED),
        ({"impu": ["sip:a@b"] * 65}, TokenFault.MALFORMED),
        ({"jti": None}, TokenFault.MALFORMED),
        ({"sub": None}, TokenFault.MALFORMED),
        ({"client_id": None}, TokenFault.MALFORMED),
        ({"wwsf": 7}, TokenFault.MALFORMED),
        ({"iss": "https://evil.example"}, TokenFault.ISSUER),
        ({"iss": None}, TokenFault.MALFORMED),
    ],
)
async def test_claims_that_allow_nothing(
    issuer: Any, validator: TokenValidator, changes: dict[str, object], fault: TokenFault
) -> None:
    assert await refused(validator, issuer.token(**changes)) is fault


async def test_clocks_may_differ_by_the_leeway(issuer: Any, validator: TokenValidator) -> None:
    late = issuer.token(exp=NOW - 29, iat=NOW + 29, nbf=NOW + 29)
    assert (await validator.validate(Secret(late), now=NOW)).expires_at == NOW - 29


async def test_one_audience_of_several_is_enough(issuer: Any, validator: TokenValidator) -> None:
    assert await validator.validate(Secret(issuer.token(aud=["https://a.example", "sip:ims.example"])), now=NOW)


async def test_a_single_public_identity_may_be_a_string(issuer: Any, validator: TokenValidator) -> None:
    authorization = await validator.validate(Secret(issuer.token(impu="sip:carol@ims.example")), now=NOW)
    assert authorization.impus == ("sip:carol@ims.example",)


@pytest.mark.parametrize("typ", ["AT+JWT", "application/at+jwt"])
async def test_the_type_may_be_written_in_two_ways(issuer: Any, validator: TokenValidator, typ: str) -> None:
    assert await validator.validate(Secret(issuer.token(header={"typ": typ})), now=NOW)


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"typ": 7},
        {"crit": ["b64"], "b64": True},
        {"kid": 7},
        {"kid": "k" * 257},
    ],
)
async def test_other_kinds_of_jwt_are_no_access_tokens(
    issuer: Any, validator: TokenValidator, header: dict[str, object]
) -> None:
    good = issuer.token().split(".")
    fields = {"alg": "ES256", "typ": "at+jwt", "kid": "key-1", **header}
    forged = encode({name: value for name, value in fields.items() if value is not None})
    assert await refused(validator, ".".join([forged, *good[1:]])) is TokenFault.MALFORMED


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "nOnE", "HS256", "HS512", "ES256K", "PS256", "RSA-OAEP", 7, None]
)
async def test_algorithms_that_are_not_allowed(issuer: Any, validator: TokenValidator, algorithm: object) -> None:
    claims = encode(issuer.claims())
    token = f"{encode({'alg': algorithm, 'typ': 'at+jwt', 'kid': 'key-1'})}.{claims}."
    assert await refused(validator, token) is TokenFault.ALGORITHM
    assert issuer.requests == []  # nothing was fetched for it


async def test_a_public_key_is_not_used_as_a_shared_secret(issuer: Any, validator: TokenValidator) -> None:
    """CVE-2015-9235 and the like: HMAC with the text of the public key."""
    body = f"{encode({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'key-1'})}.{encode(issuer.claims())}"
    for secret in (issuer.key.as_pem(private=False), json.dumps(issuer.keys[0]).encode()):
        signature = encode(hmac.new(secret, body.encode(), hashlib.sha256).digest())
        assert await refused(validator, f"{body}.{signature}") is TokenFault.ALGORITHM


async def test_another_key_with_the_name_of_a_known_one(issuer: Any, validator: TokenValidator) -> None:
    assert await refused(validator, issuer.token(key=ECKey.generate_key("P-256"))) is TokenFault.SIGNATURE


async def test_keys_in_the_token_are_not_used(issuer: Any, validator: TokenValidator) -> None:
    foreign = ECKey.generate_key("P-256")
    header = {"jwk": issuer.public(foreign, "key-1"), "jku": "https://evil.example/jwks", "kid": "key-1"}
    assert await refused(validator, issuer.token(header=header, key=foreign)) is TokenFault.SIGNATURE


@pytest.mark.parametrize("kid", ["../../etc/passwd", "key-1' OR 1=1 --", "https://evil.example/jwks", "", "key-1\0"])
async def test_names_of_keys_are_only_compared(issuer: Any, validator: TokenValidator, kid: str) -> None:
    assert await refused(validator, issuer.token(header={"kid": kid})) is TokenFault.SIGNATURE
    assert issuer.requests == ["metadata", "jwks"]


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "é.é.é",
        "A" * 1_000_000,
        ".".join(["A" * 400_000] * 3),
        f"{encode([1])}.{encode({})}.x",
        f"{encode({'alg': 'ES256'})}.{encode(7)}.x",
        f"{encode(b'[' * 3000)}.{encode({})}.x",
        f"{encode({'alg': 'ES256'})}.{encode(b'[' * 3000)}.x",
        f"{encode({'alg': 'ES256'})}!.{encode({})}.x",
        f"{encode(bytes([0xFF, 0xFE]))}.{encode({})}.x",
    ],
    ids=range(15),
)
async def test_malformed_tokens(issuer: Any, validator: TokenValidator, token: str) -> None:
    assert await refused(validator, token) is TokenFault.MALFORMED
    assert issuer.requests == []


async def test_a_changed_claim_breaks_the_signature(issuer: Any, validator: TokenValidator) -> None:
    header, _, signature = issuer.token().split(".")
    forged = f"{header}.{encode(issuer.claims(impi='bob@ims.example'))}.{signature}"
    assert await refused(validator, forged) is TokenFault.SIGNATURE


@pytest.mark.parametrize("signature", ["", "AAAA", "A" * 86, "!"])
async def test_malformed_signatures(issuer: Any, validator: TokenValidator, signature: str) -> None:
    body = issuer.token().rpartition(".")[0]
    assert await refused(validator, f"{body}.{signature}") is TokenFault.SIGNATURE


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", RSAKey.generate_key(2048)),
        ("EdDSA", OKPKey.generate_key("Ed25519")),
        ("Ed25519", OKPKey.generate_key("Ed25519")),
    ],
)
async def test_other_algorithms_that_are_allowed(
    issuer: Any, validator: TokenValidator, algorithm: str, key: Any
) -> None:
    issuer.keys.append(issuer.public(key, "key-2", alg=algorithm, use="sig"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # our tokens are made with joserfc as well
        token = issuer.token(header={"alg": algorithm, "kid": "key-2"}, key=key)
    assert (await validator.validate(Secret(token), now=NOW)).impi == "carol@ims.example"


async def test_a_key_is_used_for_its_own_algorithm_only(issuer: Any, validator: TokenValidator) -> None:
    """RFC 8725 §3.1."""
    rsa = RSAKey.generate_key(2048)
    issuer.keys = [issuer.public(rsa, "key-1", alg="PS256"), issuer.public(issuer.key, "key-1", use="enc")]
    assert await refused(validator, issuer.token(header={"alg": "RS256"}, key=rsa)) is TokenFault.SIGNATURE
    assert await refused(validator, issuer.token()) is TokenFault.SIGNATURE


async def test_small_rsa_keys_and_other_curves_do_not_count(issuer: Any, validator: TokenValidator) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small, other = RSAKey.generate_key(1024), ECKey.generate_key("P-384")
        issuer.keys = [issuer.public(small, "key-1"), issuer.public(other, "key-2")]
        weak = issuer.token(header={"alg": "RS256"}, key=small)
    assert await refused(validator, weak) is TokenFault.SIGNATURE
    assert await refused(validator, issuer.token(header={"kid": "key-2"})) is TokenFault.SIGNATURE


async def test_a_token_without_kid_means_the_only_fitting_key(issuer: Any, validator: TokenValidator) -> None:
    issuer.keys.append(issuer.public(OKPKey.generate_key("Ed25519"), "key-2"))
    assert await validator.validate(Secret(issuer.token(header={"kid": None})), now=NOW)


async def test_a_token_without_kid_and_several_keys(issuer: Any, validator: TokenValidator) -> None:
    """RFC 7515 §6: during a rotation there are two; the one that has made the signature counts."""
    issuer.keys.insert(0, issuer.public(ECKey.generate_key("P-256"), "key-2"))
    assert await validator.validate(Secret(issuer.token(header={"kid": None})), now=NOW)
    forged = issuer.token(header={"kid": None}, key=ECKey.generate_key("P-256"))
    assert await refused(validator, forged) is TokenFault.SIGNATURE


@pytest.mark.parametrize("url", ["http://waf.example", "waf.example", ""])
def test_a_waf_is_reached_by_https(url: str) -> None:
    with pytest.raises(ConfigurationError, match="https"):
        TrustedIssuer(issuer=url, audience="sip:ims.example")


EPCSCF = Introspection(client_id="ep:cscf", client_secret=Secret("a secret & more"))


@pytest.fixture
def asking(make_validator: Callable[..., TokenValidator]) -> TokenValidator:
    return make_validator(introspection=EPCSCF)


async def test_a_good_token_is_introspected(issuer: Any, asking: TokenValidator) -> None:
    token = issuer.token()
    assert (await asking.validate(Secret(token), now=NOW)).impi == "carol@ims.example"
    credentials, form = issuer.asked
    assert form == {"token": token, "token_type_hint": "access_token"}
    assert base64.b64decode(credentials.removeprefix("Basic ")) == b"ep%3Acscf:a+secret+%26+more"
    await asking.validate(Secret(token), now=NOW)
    assert issuer.requests == ["metadata", "jwks", "introspect", "introspect"]


@pytest.mark.parametrize("answer", [{"active": False}, {}, {"active": "true"}, {"active": 1}])
async def test_a_revoked_token(issuer: Any, asking: TokenValidator, answer: dict[str, object]) -> None:
    issuer.introspection = answer
    with pytest.raises(TokenInvalid) as caught:
        await asking.validate(Secret(issuer.token()), now=NOW)
    assert caught.value.reason is TokenFault.REVOKED


async def test_a_bad_token_is_not_introspected(issuer: Any, asking: TokenValidator) -> None:
    with pytest.raises(TokenInvalid):
        await asking.validate(Secret(issuer.token(aud="sip:other.example")), now=NOW)
    assert "introspect" not in issuer.requests


@pytest.mark.parametrize("answer", [{"status": 401, "body": b"{}"}, {"body": b"yes"}], ids=["refused", "no JSON"])
async def test_introspection_without_a_usable_answer(
    issuer: Any, asking: TokenValidator, answer: dict[str, Any]
) -> None:
    await asking.validate(Secret(issuer.token()), now=NOW)
    issuer.raw = web.Response(**answer)
    with pytest.raises(WafUnreachable):
        await asking.validate(Secret(issuer.token()), now=NOW)


async def test_a_configured_introspection_url(issuer: Any, make_validator: Callable[..., TokenValidator]) -> None:
    told = Introspection(client_id="a", client_secret=Secret("b"), url=f"{issuer.url}/introspect")
    validator = make_validator(introspection=told, jwks_uri=f"{issuer.url}/jwks")
    await validator.validate(Secret(issuer.token()), now=NOW)
    assert issuer.requests == ["jwks", "introspect"]


@pytest.fixture
def reading(make_validator: Callable[..., TokenValidator]) -> TokenValidator:
    """Validator for a WAF with opaque tokens."""
    return make_validator(introspection=replace(EPCSCF, references=True), third_party=True)


async def test_an_opaque_token(issuer: Any, reading: TokenValidator) -> None:
    issuer.introspection = {"active": True, **issuer.claims(iss=None, iat=None, jti=None)}
    found = await reading.validate(Secret("ory_at_x.7nQ-y"), now=NOW)
    assert (found.impi, found.impus[1], found.subject) == ("carol@ims.example", "tel:+4930123", "carol")
    assert (found.issuer, found.third_party, found.expires_at) == (issuer.url, True, NOW + 3600)
    assert issuer.requests == ["metadata", "introspect"]
    assert issuer.asked[1]["token"] == "ory_at_x.7nQ-y"
    assert (await reading.validate(Secret(issuer.token()), now=NOW)).impi == found.impi  # JWTs count as well


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"active": False}, TokenFault.REVOKED),
        ({"iss": "https://other.example"}, TokenFault.ISSUER),
        ({"aud": "sip:other.example"}, TokenFault.AUDIENCE),
        ({"aud": None}, TokenFault.AUDIENCE),
        ({"scope": "mail"}, TokenFault.SCOPE),
        ({"exp": NOW - 60}, TokenFault.EXPIRED),
        ({"exp": None}, TokenFault.MALFORMED),
        ({"impi": None}, TokenFault.MALFORMED),
        ({"impu": "carol"}, TokenFault.MALFORMED),
    ],
)
async def test_the_answer_about_an_opaque_token_is_checked_like_a_jwt(
    issuer: Any, reading: TokenValidator, said: dict[str, object], reason: TokenFault
) -> None:
    issuer.introspection = {"active": True, **issuer.claims(**said)}
    with pytest.raises(TokenInvalid) as caught:
        await reading.validate(Secret("reference"), now=NOW)
    assert caught.value.reason is reason


async def test_times_of_an_opaque_token_may_be_texts(issuer: Any, reading: TokenValidator) -> None:
    issuer.introspection = {"active": True, **issuer.claims(exp=str(int(NOW) + 60), iat=str(int(NOW)))}
    assert (await reading.validate(Secret("reference"), now=NOW)).expires_at == NOW + 60


@pytest.mark.parametrize("token", ["x" * 8193, "réference"])
async def test_malformed_opaque_tokens_are_not_introspected(issuer: Any, reading: TokenValidator, token: str) -> None:
    with pytest.raises(TokenInvalid):
        await reading.validate(Secret(token), now=NOW)
    assert issuer.requests == []


async def test_opaque_tokens_are_sent_only_to_the_waf_that_issues_them(issuer: Any, asking: TokenValidator) -> None:
    with pytest.raises(TokenInvalid) as caught:
        await asking.validate(Secret("reference"), now=NOW)
    assert caught.value.reason is TokenFault.MALFORMED
    assert issuer.requests == []
    readers = [
        TrustedIssuer(issuer=f"https://{name}", audience="sip:a", introspection=replace(EPCSCF, references=True))
        for name in ("one.example", "two.example")
    ]
    with pytest.raises(ConfigurationError, match="cannot both"):
        TokenValidator(readers)


def test_the_secret_is_not_shown() -> None:
    assert "a secret" not in repr(EPCSCF)
