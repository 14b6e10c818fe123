"""The eP-CSCF as a server: its end."""

from __future__ import annotations

import asyncio


async def test_a_close_that_is_cancelled_ends_the_tasks(edge, monkeypatch) -> None:
    """The wait for the listener is not the only one."""
    begun = asyncio.Event()

    async def wait_for_connections() -> None:
        begun.set()
        await asyncio.sleep(3600.0)

    monkeypatch.setattr(edge.epcscf._listener, "close", wait_for_connections)
    task = edge.epcscf._context.tasks.start(asyncio.sleep(3600.0))
    closing = asyncio.create_task(edge.epcscf.close())
    await begun.wait()
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert task.cancelled()
    monkeypatch.undo()
