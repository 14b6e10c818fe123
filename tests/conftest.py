"""What tests of every package can use.

`@pytest.mark.virtual_time` runs an asynchronous test on a clock that jumps to the next timer; it is for
flows in memory only.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from wic.transport.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    LoopFactories = dict[str, Callable[[], asyncio.AbstractEventLoop]]


# How long an example takes says something about the machine, not about the code.
settings.register_profile("wic", deadline=None)
settings.register_profile("soak", deadline=None, max_examples=2000)
settings.load_profile("wic")


@pytest.fixture(scope="session", autouse=True)
def _no_fsync() -> Iterator[None]:
    """Wait for no disk: what a test kills is a process, whose files the operating system still has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let USIMs and tokens of tests leave the user's own state alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _hangups_count() -> Iterator[None]:
    """Let programs that tests start heed a hangup, also where the tests run under nohup: a handler does not outlive exec."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
    yield
    signal.signal(signal.SIGHUP, before)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "virtual_time: the clock jumps to the next timer")


def pytest_asyncio_loop_factories(item: pytest.Item) -> LoopFactories:
    if item.get_closest_marker("virtual_time") is not None:
        return {"virtual": VirtualTimeLoop}
    return {"system": asyncio.new_event_loop}
