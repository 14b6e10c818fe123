"""An HSS with one subscriber."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wic.network.hss import Hss, make_profile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def hss(tmp_path: Path) -> Iterator[Hss]:
    """Database with alice, who has a SIP and a telephone identity and two password hashes."""
    with Hss(tmp_path / "hss.db", realm="ims.example") as database:
        database.add(
            make_profile("alice@ims.example", ["sip:alice@ims.example", "tel:+491234"]), {"MD5": "aa", "SHA-256": "bb"}
        )
        yield database
