"""kill -9 for the network: what it has acknowledged is kept, and WICs come back by themselves."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from .conftest import open_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Network


def contacts(network: Network) -> dict[str, list[str]]:
    """Where the subscribers are registered, as the operator sees it."""
    return {each["impi"]: each["contacts"] for each in json.loads(network.subscriber("list", "--json"))}


def test_a_killed_network_goes_on_where_it_was(own_network: Network, tmp_path: Path) -> None:
    with open_terminal(own_network, tmp_path) as terminal:
        alice = terminal.stay("alice")
        before = contacts(own_network)
        assert len(before["alice@ims.example"]) == 1
        port = own_network.port
        own_network.kill()
        assert contacts(own_network) == before
        own_network.start()
        assert own_network.port == port, "accounts stay true"
        terminal.tap.wait_for(200, "REGISTER", times=2)
        assert contacts(own_network).keys() == before.keys()
        assert len(contacts(own_network)["alice@ims.example"]) == 1, "RFC 5626: the same instance and reg-id"
        second = terminal.tap.sessions[-1].sent
        # The sequence numbers went on from where they were: no challenge was out of range.
        assert not any("auts" in each.one("Authorization") for each in second if each.method == "REGISTER")
        assert terminal.end(alice, signal.SIGINT) == 3
        assert contacts(own_network)["alice@ims.example"] == []
        assert "Connected again to" in terminal.said
