"""Python's own HTTP client, which shares no line with ours, answers our challenges."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import AbstractDigestAuthHandler, HTTPPasswordMgrWithDefaultRealm
from urllib.request import Request as HttpRequest

import pytest

from wic.auth import AuthOutcome, DigestAlgorithm, DigestVerifier, Secret
from wic.sip.message import Request
from wic.sip.random_source import CountingSource

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(("password", "outcome"), [("correct horse", AuthOutcome.OK), ("battery", AuthOutcome.WRONG)])
def test_urllib_answers_our_challenge(
    password: str, outcome: AuthOutcome, lookup: Callable[[str, DigestAlgorithm], Secret | None]
) -> None:
    verifier = DigestVerifier("ims.example", key=b"k" * 16, random_source=CountingSource(), algorithms=("MD5",))
    (challenge,) = (dict(value.params.items()) for value in verifier.make_challenges(now=0))
    passwords = HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, "http://ims.example/", "alice@ims.example", password)
    answer = AbstractDigestAuthHandler(passwords).get_authorization(HttpRequest("http://ims.example/a"), challenge)
    request = Request.build("GET", "/a", [("Authorization", f"Digest {answer}")])
    assert verifier.verify(request, lookup, now=1).outcome is outcome
