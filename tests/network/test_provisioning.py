"""The subscribers of a directory, beside what else its user keeps there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.network import ImsNetwork, NetworkOptions
from wic.network.enrolment import SubscriberIdentities
from wic.network.provisioning import Provisioning

if TYPE_CHECKING:
    from pathlib import Path

WORK = '[accounts.work]\nserver = "wss://pcscf.work.example/"\nimpi = "me@work.example"\ninsecure = true\n\n'


async def test_an_account_of_another_network_may_come_first(tmp_path: Path) -> None:
    async with ImsNetwork(NetworkOptions(directory=tmp_path, web=False)) as ims:
        server = ims.wss_url
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(WORK + accounts.read_text("utf-8"), "utf-8")
    with Provisioning(tmp_path) as provisioning:
        assert provisioning.add(SubscriberIdentities(name="dora")).impi == "dora@ims.example"
        dora = provisioning.accounts.get("dora") or {}
        assert (dora["server"], dora["impi"], dora["ca"]) == (server, "dora@ims.example", "ca.pem")
    assert accounts.read_text("utf-8").startswith(WORK)
    async with ImsNetwork(NetworkOptions(directory=tmp_path, web=False)) as ims:
        assert (ims.accounts.get("dora") or {})["server"] == ims.wss_url
    assert accounts.read_text("utf-8").startswith(WORK)
