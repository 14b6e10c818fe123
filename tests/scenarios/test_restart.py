"""Network after kill -9: acknowledged registrations are kept, and WICs reconnect by themselves."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from .conftest import open_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Network


def contacts(network: Network) -> dict[str, list[str]]:
    """Return the contacts of each subscriber, as the operator sees them."""
    return {each["impi"]: each["contacts"] for each in json.loads(network.subscriber("list", "--json"))}


@pytest.mark.timeout(60)  # four processes, and reconnections spread over seconds
def test_a_killed_network_keeps_its_registrations(own_network: Network, tmp_path: Path) -> None:
    with open_terminal(own_network, tmp_path) as first, open_terminal(own_network, tmp_path) as second:
        alice, guest = first.stay("alice"), second.stay("guest")
        before = contacts(own_network)
        assert (len(before["alice@ims.example"]), len(before["guest-1@ims.example"])) == (1, 1)
        port = own_network.port
        own_network.kill()
        assert contacts(own_network) == before
        own_network.start()
        assert own_network.port == port, "accounts stay true"
        for terminal in (first, second):
            terminal.tap.wait_for(200, "REGISTER", times=2)
        # RFC 5626 §4.2: the same instance and reg-id, so each has one binding as before; the lease outlived it too.
        assert contacts(own_network) == before
        # The sequence numbers went on from where they were: no challenge was out of range.
        again = [each for each in first.tap.sessions[-1].sent if each.method == "REGISTER"]
        assert not any("auts" in each.one("Authorization") for each in again)
        assert [first.end(alice, signal.SIGINT), second.end(guest, signal.SIGINT)] == [3, 3]
        assert not any(contacts(own_network).values())
        assert first.stderr.count("Reconnected to") == 2
