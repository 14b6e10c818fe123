"""The network as a whole: addresses, restarts, and what it leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import fields, replace

import pytest

from tests.support.ports import six_free_ports
from wic.accounts.accounts_file import AccountsFile
from wic.auth.secret import Secret
from wic.errors import ConfigurationError, LocalProtocolError
from wic.network import ImsNetwork, NetworkOptions
from wic.network.directory import Ports

PASSWORD = "correct horse"


@pytest.mark.parametrize("limits", [{"web": True}])
async def test_ready_says_where_it_listens(ims):
    ready = ims.ready()
    assert ready["ready"] is True
    assert ready["wss"] == ims.wss_url == f"wss://127.0.0.1:{ims.epcscf.port}/"
    assert ready["sip"] == ims.sip_uri
    assert (ready["wwsf"], ready["waf"]) == (ims.web.wwsf.url, ims.web.waf.url)
    assert ready["accounts"] == str(ims.accounts_path)
    assert ready["ca"] == str(ims.ca_path)
    assert json.loads(json.dumps(ready)) == ready


async def test_accounts_are_written_once_and_follow_the_port(tmp_path):
    options = NetworkOptions(directory=tmp_path)
    async with ImsNetwork(options) as ims:
        first = dict(ims.accounts.get("bob"))
        assert first["server"] == ims.wss_url
        assert ims.accounts_path.stat().st_mode & 0o777 == 0o600
    async with ImsNetwork(NetworkOptions(directory=tmp_path, insecure=True)) as ims:
        again = dict(ims.accounts.get("bob"))
        assert again["server"].startswith("ws://")
        assert again["password"] == first["password"]
        assert "ca" not in again
        assert ims.ready()["ca"] is None


@pytest.mark.parametrize("turns", [1, 3, 5, 6, 8, 10, 12])
async def test_a_network_whose_closing_is_cancelled_leaves_no_file_and_no_port_open(turns):
    def opened():
        return {
            os.readlink(f"/proc/self/fd/{each}")
            for each in os.listdir("/proc/self/fd")
            if os.path.lexists(f"/proc/self/fd/{each}")
        }

    before = opened()
    ims = ImsNetwork()
    await ims.__aenter__()
    closing = asyncio.create_task(ims.__aexit__(None, None, None))
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    await asyncio.sleep(0)  # asyncio closes sockets in its next turn
    assert opened() <= before


async def test_lost_database_gets_its_users_back_from_the_accounts(tmp_path):
    async with ImsNetwork(NetworkOptions(directory=tmp_path, web=False)) as ims:
        password = ims.accounts.get("bob")["password"]
        before = ims.hss.ha1("bob@ims.example", "MD5")
    for file in tmp_path.glob("hss.sqlite*"):
        file.unlink()
    async with ImsNetwork(NetworkOptions(directory=tmp_path, web=False)) as ims:
        assert ims.accounts.get("bob")["password"] == password
        assert ims.hss.ha1("bob@ims.example", "MD5") == before


async def test_an_epcscf_that_does_not_subscribe(tmp_path, make_raw):
    async with ImsNetwork(NetworkOptions(directory=tmp_path, reg_event=False, web=False)) as ims:
        ims.add_subscriber("alice", password=Secret(PASSWORD))
        await (await make_raw("alice", ims.ready())).registered()
        assert ims.epcscf.registrations == 1
        assert len(ims.epcscf.watcher) == 0


async def test_a_port_base_gives_fixed_ports_and_a_taken_one_is_named(tmp_path):
    base = six_free_ports()
    async with ImsNetwork(NetworkOptions(port_base=base)) as ims:
        assert ims.wss_url == f"wss://127.0.0.1:{base}/"
        assert ims.sip_uri == f"sip:127.0.0.1:{base + 2}"
        assert ims.ready()["waf"] == f"https://127.0.0.1:{base + 4}"
        assert ims.ready()["wwsf"] == f"https://127.0.0.1:{base + 5}"
        with pytest.raises(ConfigurationError, match=rf"Port {base + 3} on 127.0.0.1 is taken"):
            async with ImsNetwork(NetworkOptions(port_base=base)):
                pass
    with pytest.raises(ConfigurationError, match="port base 70000"):
        async with ImsNetwork(NetworkOptions(port_base=70000)):
            pass


@pytest.mark.parametrize("entity", [each.name for each in fields(Ports)])
async def test_ports_are_remembered_unless_they_are_taken(tmp_path, entity):
    options = NetworkOptions(directory=tmp_path)
    async with ImsNetwork(replace(options, port_base=six_free_ports())) as ims:
        url = ims.wss_url
    async with ImsNetwork(options) as ims:
        assert ims.wss_url == url
    with socket.socket() as taken:
        port = getattr(Ports.remembered(tmp_path), entity)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        async with ImsNetwork(options):
            assert getattr(Ports.remembered(tmp_path), entity) != port


async def test_another_fault_than_a_taken_port_is_not_answered_by_other_ports(tmp_path):
    """A peer at a port of the network itself would be one of another network when this one moved away from it."""
    options = NetworkOptions(directory=tmp_path, web=False)
    async with ImsNetwork(options):
        ports = Ports.remembered(tmp_path)
    with pytest.raises(ConfigurationError, match="is this network itself"):
        async with ImsNetwork(replace(options, peers=(f"other.example=sip:127.0.0.1:{ports.scscf}",))):
            pass
    assert Ports.remembered(tmp_path) == ports


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_a_network_on_all_addresses_names_one_that_others_reach(host, monkeypatch):
    async with ImsNetwork(NetworkOptions(host=host, name="127.0.0.1")) as ims:
        assert ims.wss_url == f"wss://127.0.0.1:{ims.epcscf.port}/"
        assert ims.web.waf.url.startswith("https://127.0.0.1:")
    async with ImsNetwork(NetworkOptions(host=host, web=False)) as ims:
        assert "//0.0.0.0" not in ims.wss_url
        assert "//[::]" not in ims.wss_url

    def no_route(remote):
        raise ConfigurationError(f"there is no way to {remote}")

    monkeypatch.setattr("wic.network.node.local_address", no_route)
    async with ImsNetwork(NetworkOptions(host=host, web=False)) as ims:
        assert ims.wss_url == f"wss://127.0.0.1:{ims.epcscf.port}/"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"core": "not a uri"}, "not a SIP URI"),
        ({"core": "tel:+1"}, "not a SIP URI"),
        ({"core": "sips:127.0.0.1"}, "UDP or TCP"),
        ({"core": "sip:no-such-host.invalid"}, "not known"),
        ({"host": "192.0.2.1"}, "192.0.2.1"),
        ({"host": "192.0.2.1", "web": False}, "not an address of this machine"),
        ({"subscribers": ("al ice",)}, "'al ice' is not a name"),
    ],
)
async def test_wrong_options_are_one_sentence(options, message):
    with pytest.raises(ConfigurationError, match=message):
        async with ImsNetwork(NetworkOptions(**options)):
            pass


async def test_a_directory_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="directory"):
        async with ImsNetwork(NetworkOptions(directory=tmp_path / "file")):
            pass


async def test_a_directory_is_for_one_network_at_a_time(tmp_path):
    options = NetworkOptions(directory=tmp_path, insecure=True)
    async with ImsNetwork(options) as first:
        before = first.accounts_path.read_text()
        with pytest.raises(ConfigurationError, match=r"a network already runs in .*: stop it first"):
            async with ImsNetwork(options):
                pass
        assert first.accounts_path.read_text() == before
    async with ImsNetwork(options) as second:
        assert second.accounts_path.read_text() == before


async def test_nothing_is_left_behind(tmp_path):
    def sockets() -> int:
        return len(os.listdir("/proc/self/fd"))

    async with ImsNetwork():
        pass
    before, tasks = sockets(), len(asyncio.all_tasks())
    for _ in range(2):
        async with ImsNetwork():
            pass
    assert sockets() == before
    assert len(asyncio.all_tasks()) == tasks


async def test_a_subscriber_may_be_held_to_one_algorithm(ims, ue):
    ims.add_subscriber("alice", password=Secret(PASSWORD), tel="tel:+491", algorithm="SHA-256")
    assert ims.hss.algorithms("alice@ims.example") == {"SHA-256"}
    alice = await ue("alice", register=False)
    alice.send(alice.register())
    challenges = alice.headers(await alice.expect("SIP/2.0 401"), "WWW-Authenticate")
    offered = [alice.parameter(each, "algorithm") for each in challenges if each.startswith("Digest")]
    assert offered == ["SHA-256"]
    await ue("alice")


SERVER = """
import asyncio, json, pathlib, sys
from wic.auth.secret import Secret
from wic.network import ImsNetwork, NetworkOptions

async def main():
    options = NetworkOptions(directory=pathlib.Path(sys.argv[1]), port_base=int(sys.argv[3]), web=False)
    async with ImsNetwork(options) as ims:
        for user in ("alice", "bob"):
            ims.add_subscriber(user, password=Secret(sys.argv[2]))
        print(json.dumps(ims.ready()), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def start_server(directory, port_base: int) -> tuple[subprocess.Popen[str], dict[str, str]]:
    process = subprocess.Popen(  # noqa: ASYNC220 - a server of its own, to be killed
        [sys.executable, "-c", SERVER, str(directory), PASSWORD, str(port_base)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, json.loads(await asyncio.to_thread(process.stdout.readline))


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.timeout(60)  # two processes import everything
async def test_kill_9_and_restart(tmp_path, make_raw):
    """Subscribers and bindings are there again; a binding whose connection is gone is found out and removed.

    Its Path names the port of the killed eP-CSCF: if the next one had another, the S-CSCF would hear nothing from there.
    """
    base = six_free_ports()
    process, ready = await start_server(tmp_path, base)
    try:
        bob = await make_raw("bob", ready)
        await bob.registered()
    finally:
        kill(process)
    await bob.ended.wait()
    process, ready = await start_server(tmp_path, base)
    try:
        with_bindings = AccountsFile(tmp_path / "accounts.toml")
        assert with_bindings.get("bob")["server"] == ready["wss"]
        alice = await make_raw("alice", ready)
        await alice.registered()
        for number in range(2):
            alice.send(alice.request("OPTIONS", "sip:bob@ims.example", call_id=f"o{number}"))
            await alice.expect("SIP/2.0 480")
        await bob.close()
        again = await make_raw("bob", ready)
        await again.registered()
        alice.send(alice.request("OPTIONS", "sip:bob@ims.example", call_id="o9"))
        again.send(again.respond(await again.expect("OPTIONS"), "200 OK"))
        await alice.expect("SIP/2.0 200")
    finally:
        kill(process)


async def test_a_network_that_was_not_entered_has_no_parts():
    with pytest.raises(LocalProtocolError, match="async with"):
        ImsNetwork().ready()


async def test_a_network_that_cannot_open_closes_what_it_has_opened(tmp_path):
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    async with ImsNetwork():
        pass
    before, tasks = descriptors(), len(asyncio.all_tasks())
    for options in ({"host": "192.0.2.1"}, {"subscribers": ("al ice",)}, {"directory": tmp_path / "f", "web": False}):
        (tmp_path / "f").write_text("")
        with pytest.raises(ConfigurationError):
            async with ImsNetwork(NetworkOptions(**options)):
                pass
    assert descriptors() == before
    assert len(asyncio.all_tasks()) == tasks
