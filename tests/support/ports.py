"""Ports that stay the test's own while no process listens on them, as between two runs of a server."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST, LAST = 20_000, 30_000
"""Below the ephemeral ports, of which the system gives one to any program that connects."""
SIX = 6


def six_free_ports() -> int:
    """Return the first of six consecutive ports; other workers of the test run begin to search elsewhere."""
    first = FIRST + os.getpid() % 1000 * SIX
    return next(base for base in range(first, LAST, SIX) if all(is_free(base + number) for number in range(SIX)))


def is_free(port: int) -> bool:
    """Whether a port of 127.0.0.1 can be bound, for TCP and for UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


@contextmanager
def refusing_port() -> Iterator[int]:
    """Hold a port that refuses connections: it is bound, so that no other program listens there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
