"""Clients of one account at the same time: each is a device of its own."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from wic.client import Client
from wic.client.instances import Instances

OWN = "urn:uuid:6f7f2f3c-5a0e-4d0b-9c0e-2d8f7c1f3a22"

HOLDER = """
import sys
from pathlib import Path
from wic.client.instances import Instances
print(Instances(Path(sys.argv[1])).take(sys.argv[2]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "instances.lock"


@pytest.fixture
def holder(path):
    """Start a process that takes an instance; return it, and what it has got."""
    started = []

    def start():
        command = [sys.executable, "-c", HOLDER, str(path), OWN]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_the_first_has_the_own_one_and_the_others_a_row(path):
    instances = Instances(path)
    first, second, third = (instances.take(OWN) for _ in range(3))
    assert first == OWN
    assert len({first, second, third}) == 3
    instances.give_back(second)
    assert instances.take(OWN) == second
    instances.give_back(first)
    assert instances.take(OWN) == OWN
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_row_is_the_same_at_every_start(path):
    """RFC 5626 §4.1."""
    row = [instances.take(OWN) for instances in [Instances(path)] for _ in range(4)]
    others = [instances.take(OWN) for instances in [Instances(path.with_name("other.lock"))] for _ in range(4)]
    assert row == others


def test_other_accounts_have_rows_of_their_own(path):
    instances = Instances(path)
    other = OWN.replace("6f7f", "1f7f")
    assert len({instances.take(each) for each in (OWN, other, OWN, other)}) == 4


def test_another_process_has_the_next_one(path, holder):
    process, first = holder()
    assert first == OWN
    _, second = holder()
    assert second != OWN
    own = Instances(path)
    third = own.take(OWN)
    assert third not in (first, second)
    process.kill()  # the lock ends with its process
    process.wait()
    assert own.take(OWN) == OWN


@pytest.mark.parametrize("fault", ["no directory", "no locks", "not writable"])
def test_without_locks_clients_of_this_process_still_differ(path, monkeypatch, fault):
    if fault == "no directory":
        path.parent.write_text("a file")
    elif fault == "no locks":
        error = OSError(errno.ENOLCK, "No locks available")

        def refuse(*_):
            raise error

        monkeypatch.setattr("fcntl.lockf", refuse)
    else:
        monkeypatch.setattr("os.open", lambda *_: (_ for _ in ()).throw(PermissionError(errno.EACCES, "denied")))
    instances = Instances(path)
    first, second = instances.take(OWN), instances.take(OWN)
    assert first == OWN != second
    instances.give_back(first)
    assert instances.take(OWN) == OWN


def test_a_user_without_a_home_directory(monkeypatch):
    """As in a container that runs as any user."""
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda _: (_ for _ in ()).throw(KeyError("no such user")))
    instances = Instances()
    assert instances.take(OWN) == OWN != instances.take(OWN)


def test_clients_in_several_threads_differ(path, monkeypatch):
    """The lock is taken without the lock of the interpreter."""
    meeting, lockf = threading.Barrier(2), fcntl.lockf

    def meet(*args):
        with suppress(threading.BrokenBarrierError):
            meeting.wait(0.5)
        lockf(*args)

    monkeypatch.setattr("fcntl.lockf", meet)
    instances = Instances(path)
    with ThreadPoolExecutor(2) as threads:
        assert len(set(threads.map(instances.take, [OWN, OWN]))) == 2


def test_beyond_the_row_each_still_has_its_own(path):
    instances = Instances(path)
    taken = [instances.take(OWN) for _ in range(300)]
    assert len(set(taken)) == 300


async def test_two_clients_of_one_account_are_registered_both(home):
    account = home.account("alice")
    first, second = home.client("alice"), home.client("alice")
    async with first:
        async with second:
            assert len(home.contacts["alice"]) == 2
            assert first.account.instance == account.instance != second.account.instance
            assert first.is_connected
        assert len(home.contacts["alice"]) == 1
    async with home.client("alice") as again:
        assert again.account.instance == account.instance


async def test_a_client_that_cannot_be_opened_leaves_its_instance(home):
    home.register_status = 403
    account = home.account("alice")
    for _ in range(2):
        with pytest.raises(Exception, match="403"):
            await home.client("alice").__aenter__()
    home.register_status = 200
    async with home.client("alice") as client:
        assert client.account.instance == account.instance


async def test_an_instance_that_the_user_has_chosen_is_used_as_it_is(home):
    account = home.account("alice", instance=OWN)
    clients = [Client(account, replace(home.client("alice").options)) for _ in range(2)]
    assert account.instance != account.derived_instance
    async with clients[0], clients[1]:
        assert {client.account.instance for client in clients} == {OWN}
        assert len(home.contacts["alice"]) == 1
