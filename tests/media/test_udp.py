from __future__ import annotations

import asyncio
import socket

import pytest

from tests.support.ports import six_free_ports
from wic.errors import ConfigurationError, MediaFailed
from wic.media.udp import Address, PortRange, UdpPort


def ignore(_data: bytes, _address: Address) -> None:
    pass


async def test_carries_datagrams_with_their_source() -> None:
    got: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()
    one = UdpPort.bind("127.0.0.1", 0, ignore)
    other = UdpPort.bind("127.0.0.1", 0, lambda data, address: got.put_nowait((data, address)))
    one.sendto(b"hello", other.address)
    one.sendto(b"", other.address)
    assert await got.get() == (b"hello", one.address)
    assert await got.get() == (b"", one.address)
    one.close()
    other.close()


async def test_ipv6() -> None:
    got: asyncio.Queue[Address] = asyncio.Queue()
    port = UdpPort.bind("::1", 0, lambda _data, address: got.put_nowait(address))
    port.sendto(b"x", port.address)
    assert await got.get() == port.address
    port.close()


async def test_a_datagram_that_the_kernel_refuses_is_counted() -> None:
    port = UdpPort.bind("127.0.0.1", 0, ignore)
    port.sendto(bytes(70000), port.address)
    assert port.unsent == 1
    port.close()


async def test_closing_frees_the_port_and_says_so() -> None:
    closed = asyncio.Event()
    port = UdpPort.bind("127.0.0.1", 0, ignore, closed.set)
    port.close()
    port.close()
    assert port.closed
    await closed.wait()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(port.address)


async def test_an_error_of_an_earlier_packet_does_not_reach_the_handler() -> None:
    got: list[bytes] = []
    port = UdpPort.bind("127.0.0.1", 0, lambda data, _address: got.append(data))
    port._readable()  # nothing to read
    assert got == []
    port.close()


async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(OSError, match="Cannot assign"):
        UdpPort.bind("198.51.100.1", 0, ignore)


async def test_pairs_are_even_and_odd_and_handed_out_in_turn() -> None:
    base = six_free_ports()
    ports = PortRange(base + 1, base + 6)
    assert len(ports) == 2
    first = ports.bind_pair("127.0.0.1", ignore, ignore)
    second = ports.bind_pair("127.0.0.1", ignore, ignore)
    assert [port.address[1] for port in (*first, *second)] == [base + 2, base + 3, base + 4, base + 5]
    with pytest.raises(MediaFailed, match="all 2 RTP port pairs"):
        ports.bind_pair("127.0.0.1", ignore, ignore)
    for port in first:
        port.close()
    third = ports.bind_pair("127.0.0.1", ignore, ignore)
    assert third[0].address[1] == base + 2
    for port in (*second, *third):
        port.close()


async def test_a_pair_needs_both_ports() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        base = six_free_ports()
        taken.bind(("127.0.0.1", base + 1))
        pair = PortRange(base, base + 3).bind_pair("127.0.0.1", ignore, ignore)
    assert pair[0].address[1] == base + 2
    for port in pair:
        port.close()


async def test_a_host_that_is_not_this_machine_has_no_ports() -> None:
    with pytest.raises(MediaFailed, match="cannot bind"):
        PortRange().bind_pair("198.51.100.1", ignore, ignore)


@pytest.mark.parametrize(("first", "last"), [(0, 10), (10, 10), (60000, 70000), (11, 12)])
def test_a_range_must_hold_a_pair(first: int, last: int) -> None:
    with pytest.raises(ConfigurationError, match="port"):
        PortRange(first, last)
