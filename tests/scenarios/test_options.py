"""Options of `wic network up` that differ from the defaults."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING
from urllib.error import HTTPError

import pytest

from .conftest import run_network
from .web import post, token_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Network, Terminal

WORDS = (
    *("--name", "localhost"),
    *("--origin", "https://wwsf.example:8081", "--origin", "https://shop.example"),
    *("--integrity-protected", "tls-yes"),
    *("--guests", "2", "--leases-each", "1", "--sign-in-only"),
)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with run_network(tmp_path_factory.mktemp("options"), *WORDS) as running:
        yield running


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://wwsf.example:8081", 101),
        ("https://shop.example", 101),
        ("https://localhost:1234", 101),
        ("https://wwsf.example", 403),
        ("https://evil.example", 403),
    ],
)
def test_pages_of_a_listed_origin_may_connect(network: Network, origin: str, status: int) -> None:
    head = [
        "GET / HTTP/1.1",
        f"Host: localhost:{network.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: sip",
        f"Origin: {origin}",
    ]
    context = ssl.create_default_context(cafile=network.ready["ca"])
    with (
        socket.create_connection(("127.0.0.1", network.port), timeout=10) as tcp,
        context.wrap_socket(tcp, server_hostname="localhost") as tls,
    ):
        tls.sendall("\r\n".join([*head, "", ""]).encode())
        assert tls.recv(12) == f"HTTP/1.1 {status}".encode()


def test_integrity_protected_can_be_chosen(network: Network, terminal: Terminal) -> None:
    """The value of TS 24.229 §7.2A.2 instead of that of TS 24.371 §6.4.1.2 c); the S-CSCF accepts both."""
    run = terminal.register("bob")
    assert run.code == 0, run.stderr
    values = [each.credentials()[1].get("integrity-protected") for each in run.mw_registers]
    assert values == [None, '"tls-pending"', '"tls-yes"']


def refusal(network: Network, url: str, authorization: str) -> int:
    with pytest.raises(HTTPError) as refused:
        post(network, url, authorization)
    with refused.value as error:
        return error.code


def test_leases_can_be_limited_to_signed_in_users(network: Network) -> None:
    pool = f"{network.ready['wwsf']}/pool/lease"
    assert refusal(network, pool, "") == 401
    authorization = f"Bearer {token_of(network, 'carol')}"
    lease = post(network, pool, authorization)["lease"]
    assert refusal(network, pool, authorization) == 429
    post(network, f"{pool}/{lease}", authorization, method="DELETE")
    assert network.accounts["guest"]["pool"] == "signed-in"


def test_addresses_use_the_name_of_the_host(network: Network) -> None:
    for url in (network.ready["wss"], network.ready["wwsf"], network.ready["waf"]):
        assert "://localhost:" in url
    assert network.accounts["bob"]["server"] == network.ready["wss"]
