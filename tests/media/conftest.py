"""Transports on loopback and a way to measure tones."""

from __future__ import annotations

import asyncio
import math
from array import array
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from wic.media import Certificate, MediaTransport, MediaTransportOptions, PlainRtp, PortRange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

Pair = tuple[MediaTransport, MediaTransport]


@pytest.fixture(scope="session")
def certificates() -> tuple[Certificate, Certificate]:
    return Certificate.generate(), Certificate.generate()


@pytest.fixture
def options() -> MediaTransportOptions:
    return MediaTransportOptions(addresses=("127.0.0.1",))


@pytest_asyncio.fixture
async def connect_pair(
    certificates: tuple[Certificate, Certificate], options: MediaTransportOptions
) -> AsyncIterator[Callable[..., Awaitable[Pair]]]:
    """Gives a function that makes two transports connected with each other; all are closed in the end."""
    made: list[MediaTransport] = []

    async def connect(options: MediaTransportOptions = options) -> Pair:
        one, other = (MediaTransport(certificate, options) for certificate in certificates)
        made.extend((one, other))
        offer, answer = await one.gather(), await other.gather()
        await asyncio.gather(
            one.connect(answer, controlling=True, dtls_role="passive"),
            other.connect(offer, controlling=False, dtls_role="active"),
        )
        return one, other

    yield connect
    await asyncio.gather(*(transport.close() for transport in made))


@pytest_asyncio.fixture
async def plain_pair() -> AsyncIterator[tuple[PlainRtp, PlainRtp]]:
    ports = PortRange(42000, 42999)
    one, other = PlainRtp("127.0.0.1", ports=ports), PlainRtp("127.0.0.1", ports=ports)
    one.connect(other.description)
    other.connect(one.description)
    yield one, other
    await one.close()
    await other.close()


@pytest.fixture
def tone_level() -> Callable[[bytes, int, float], float]:
    """Gives a Goertzel filter: the peak of the sine of so many hertz in 16-bit samples, in dBFS."""

    def measure(samples: bytes, rate: int, hz: float) -> float:
        values = array("h", samples)
        turn = 2 * math.cos(2 * math.pi * hz / rate)
        last = before = 0.0
        for value in values:
            last, before = value + turn * last - before, last
        power = max(last * last + before * before - turn * last * before, 1e-9)
        return 20 * math.log10(max(2 * math.sqrt(power) / len(values), 1e-9) / 32767)

    return measure


@pytest.fixture
def sine() -> Callable[..., bytes]:
    """Gives 16-bit samples of a sine."""

    def make(hz: float, rate: int, seconds: float, level: float = -12.0, channels: int = 1) -> bytes:
        peak = 32767 * 10 ** (level / 20)
        samples = (round(peak * math.sin(2 * math.pi * hz * n / rate)) for n in range(int(rate * seconds)))
        return array("h", (sample for sample in samples for _ in range(channels))).tobytes()

    return make


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Gives a wait for a condition that the loop brings about; the test's own timeout bounds it."""

    async def wait(holds: Callable[[], object]) -> None:
        while not holds():  # noqa: ASYNC110 - sockets and aiortc have no event to wait for
            await asyncio.sleep(0.005)

    return wait
