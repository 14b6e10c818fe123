"""A server and a client of one user."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wic.auth import DigestAlgorithm, DigestClient, DigestCredentials, DigestVerifier, Secret, make_ha1
from wic.sip.message import Request, Response
from wic.sip.random_source import CountingSource

REALM = "ims.example"
USER = "alice@ims.example"
PASSWORD = Secret("correct horse")

MakeRequest = Callable[..., Request]


@pytest.fixture
def random_source() -> CountingSource:
    return CountingSource()


@pytest.fixture
def verifier(random_source: CountingSource) -> DigestVerifier:
    return DigestVerifier(REALM, key=b"k" * 16, random_source=random_source)


@pytest.fixture
def client(random_source: CountingSource) -> DigestClient:
    return DigestClient(DigestCredentials(username=USER, secret=PASSWORD), random_source=random_source)


@pytest.fixture
def lookup() -> Callable[[str, DigestAlgorithm], Secret | None]:
    """The lookup of an HSS."""
    return lambda username, algorithm: make_ha1(algorithm, USER, REALM, PASSWORD) if username == USER else None


@pytest.fixture
def register() -> Callable[[DigestClient], Request]:
    """Make a REGISTER with the credentials a client has."""

    def make(
        client: DigestClient, uri: str = "sip:ims.example", method: str = "REGISTER", body: bytes = b""
    ) -> Request:
        request = Request.build(method, uri, body=body)
        client.authorize(request)
        return request

    return make


@pytest.fixture
def challenge() -> Callable[..., Response]:
    """Make a 401 out of challenges of a verifier, or of texts."""

    def make(*values: object, status: int = 401, header: str = "WWW-Authenticate") -> Response:
        return Response.build(status, headers=[(header, value) for value in values])

    return make
