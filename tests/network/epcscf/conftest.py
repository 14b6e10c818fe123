"""A network whose eP-CSCF waits for WICs that have lost their connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.auth.secret import Secret
from wic.network import ImsNetwork, NetworkOptions
from wic.network.scscf.options import RegistrarOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PASSWORD = "correct horse"


@pytest.fixture
async def ims(tmp_path: Path) -> AsyncIterator[ImsNetwork]:
    options = NetworkOptions(directory=tmp_path / "ims", registrar=RegistrarOptions(min_expires=10), grace=30)
    async with ImsNetwork(options) as network:
        for user in ("alice", "bob"):
            network.add_subscriber(user, password=Secret(PASSWORD))
        yield network


@pytest.fixture
def time_passes(ims: ImsNetwork):
    """Let the eP-CSCF believe that so many seconds have passed."""

    def pass_(seconds: float) -> None:
        driver = ims.epcscf.node.driver
        ims.epcscf._survival.handle_timeout(now=driver.now + seconds)
        driver.pump()

    return pass_
