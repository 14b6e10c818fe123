from __future__ import annotations

import errno

import pytest

from wic.errors import ConfigurationError
from wic.transport.listener import SocketListener, cannot_listen


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EADDRINUSE, "Port 443 on 127.0.0.1 is taken; choose another one."),
        (errno.EADDRNOTAVAIL, "127.0.0.1 is not an address of this machine; choose one that is."),
        (None, "127.0.0.1 is not an address of this machine; choose one that is."),
        (errno.EACCES, "Listening on port 443 of 127.0.0.1 is not allowed; choose a port above 1023."),
        (errno.EMFILE, "Cannot listen on 127.0.0.1 port 443: Too many open files."),
    ],
)
def test_an_address_that_cannot_be_used_is_told_in_one_sentence(number, words):
    assert cannot_listen("127.0.0.1", 443, OSError(*[number] * (number is not None), "Too many open files")) == words


def test_a_free_port_is_not_named() -> None:
    error = OSError(errno.EMFILE, "Too many open files")
    assert cannot_listen("127.0.0.1", 0, error) == "Cannot listen on 127.0.0.1: Too many open files."


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
async def test_what_is_not_a_host_name_cannot_be_listened_on(host) -> None:
    with pytest.raises(ConfigurationError, match=f"^{host} is not an address of this machine; choose one that is.$"):
        await SocketListener.open(host, 0, lambda _: pytest.fail("no link"), max_connections=1, backlog=1)
