"""Web origins that may connect."""

from __future__ import annotations

import re

import pytest

from wic.errors import HandshakeRejected
from wic.network.epcscf.options import EPcscfOptions
from wic.network.epcscf.origins import allowed_origins
from wic.transport.websocket import WebSocketOptions, connect_websocket


def lets_in(options: EPcscfOptions, origin: str | None) -> bool:
    allowed = allowed_origins(options)
    return allowed is None or any(
        each == origin or (isinstance(each, re.Pattern) and origin is not None and each.fullmatch(origin) is not None)
        for each in allowed
    )


@pytest.mark.parametrize(
    ("options", "origin", "expected"),
    [
        ({}, None, True),
        ({"native_clients": False}, None, False),
        ({}, "https://127.0.0.1", True),
        ({}, "http://127.0.0.1:8080", True),
        ({}, "https://localhost:8080", True),
        ({}, "https://127.0.0.1.evil.example", False),
        ({}, "https://127a0.0.1", False),
        ({}, "https://evil.example", False),
        ({}, "null", False),
        ({"origins": ("https://wwsf.example:8443",)}, "https://wwsf.example:8443", True),
        ({"origins": ("https://wwsf.example:8443",)}, "https://wwsf.example:9", False),
        ({"host": "::1"}, "https://[::1]:8080", True),
        ({"host": "192.0.2.1"}, "https://localhost:8080", False),
        ({"host": "epcscf.example"}, "https://EPCSCF.example:8080", True),
        ({"host": "epcscf.example"}, "https://localhost", False),
        ({"host": "0.0.0.0"}, "https://0.0.0.0", False),
        ({"host": "0.0.0.0", "name": "192.0.2.7"}, "https://192.0.2.7:8081", True),
        ({"host": "0.0.0.0"}, None, True),
        ({"origins": None, "native_clients": False}, "https://evil.example", True),
    ],
)
def test_origins_that_are_let_in(options, origin, expected):
    assert lets_in(EPcscfOptions(**options), origin) is expected


class SilentHandler:
    def opened(self, connection):
        pass

    def received(self, flow, data):
        pass

    def closed(self, flow, end):
        pass


async def test_a_foreign_page_is_refused_at_the_handshake(make_edge):
    edge = await make_edge(secure=False, origins=("https://wwsf.example",))

    async def connect(origin):
        return await connect_websocket(
            edge.epcscf.url, handler=SilentHandler(), options=WebSocketOptions(origin=origin, proxy=False)
        )

    with pytest.raises(HandshakeRejected, match="403"):
        await connect("https://evil.example")
    for origin in (None, "https://wwsf.example", "http://127.0.0.1:1234"):
        connection = await connect(origin)
        await connection.close()
