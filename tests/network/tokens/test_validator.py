"""What makes a token good, and everything that does not (RFC 9068 §4, RFC 8725)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from wic.auth.secret import Secret
from wic.errors import AuthenticationFailed, ConfigurationError
from wic.network.tokens import Authorization, TokenFault, TokenInvalid, TokenValidator, TrustedIssuer

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


async def test_a_good_token_says_who_may_use_what(issuer: Any, make_validator: Callable[..., TokenValidator]) -> None:
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


async def test_without_a_wwsf_there_is_none(issuer: Any, validator: TokenValidator) -> None:
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


async def test_clocks_may_differ_a_little(issuer: Any, validator: TokenValidator) -> None:
    late = issuer.token(exp=NOW - 29, iat=NOW + 29, nbf=NOW + 29)
    assert (await validator.validate(Secret(late), now=NOW)).expires_at == NOW - 29


async def test_one_audience_of_several_is_enough(issuer: Any, validator: TokenValidator) -> None:
    assert await validator.validate(Secret(issuer.token(aud=["https://a.example", "sip:ims.example"])), now=NOW)


async def test_one_public_identity_need_not_be_a_list(issuer: Any, validator: TokenValidator) -> None:
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


async def test_a_public_key_is_no_shared_secret(issuer: Any, validator: TokenValidator) -> None:
    """CVE-2015-9235 and its kin: HMAC with the text of the public key."""
    body = f"{encode({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'key-1'})}.{encode(issuer.claims())}"
    for secret in (issuer.key.as_pem(private=False), json.dumps(issuer.keys[0]).encode()):
        signature = encode(hmac.new(secret, body.encode(), hashlib.sha256).digest())
        assert await refused(validator, f"{body}.{signature}") is TokenFault.ALGORITHM


async def test_a_foreign_key_with_the_name_of_a_known_one(issuer: Any, validator: TokenValidator) -> None:
    assert await refused(validator, issuer.token(key=ECKey.generate_key("P-256"))) is TokenFault.SIGNATURE


async def test_keys_that_a_token_brings_along_are_not_used(issuer: Any, validator: TokenValidator) -> None:
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
async def test_what_is_no_token(issuer: Any, validator: TokenValidator, token: str) -> None:
    assert await refused(validator, token) is TokenFault.MALFORMED
    assert issuer.requests == []


async def test_a_changed_claim_breaks_the_signature(issuer: Any, validator: TokenValidator) -> None:
    header, _, signature = issuer.token().split(".")
    forged = f"{header}.{encode(issuer.claims(impi='bob@ims.example'))}.{signature}"
    assert await refused(validator, forged) is TokenFault.SIGNATURE


@pytest.mark.parametrize("signature", ["", "AAAA", "A" * 86, "!"])
async def test_signatures_that_are_none(issuer: Any, validator: TokenValidator, signature: str) -> None:
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


async def test_without_a_name_the_only_fitting_key_is_meant(issuer: Any, validator: TokenValidator) -> None:
    issuer.keys.append(issuer.public(OKPKey.generate_key("Ed25519"), "key-2"))
    assert await validator.validate(Secret(issuer.token(header={"kid": None})), now=NOW)


async def test_without_a_name_several_keys_are_none(issuer: Any, validator: TokenValidator) -> None:
    issuer.keys.append(issuer.public(ECKey.generate_key("P-256"), "key-2"))
    assert await refused(validator, issuer.token(header={"kid": None})) is TokenFault.SIGNATURE


@pytest.mark.parametrize("url", ["http://waf.example", "waf.example", ""])
def test_a_waf_is_reached_by_https(url: str) -> None:
    with pytest.raises(ConfigurationError, match="https"):
        TrustedIssuer(issuer=url, audience="sip:ims.example")
