from __future__ import annotations

import pytest

from wic.client.call import CallProgress
from wic.errors import CallFailed


async def test_waiting_fails_when_the_call_ends_first():
    progress = CallProgress()
    progress.over = True
    with pytest.raises(CallFailed, match="has ended"):
        await progress.reach(lambda: False)
    await progress.reach(lambda: True)
