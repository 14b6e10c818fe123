from __future__ import annotations

from types import SimpleNamespace

import pytest

from wic.client.events import RegistrationLost
from wic.errors import RegistrationFailed
from wic.sip.uri import Uri
from wic_cli.commands.register import tell

ALICE, WORK = Uri.parse("sip:alice@ims.example"), Uri.parse("sip:work@ims.example")
END = RegistrationFailed("403 Forbidden")


@pytest.mark.parametrize(
    ("event", "ended_by", "count"),
    [
        (RegistrationLost(ALICE, END, final=True), END, 0),
        (RegistrationLost(WORK, END, final=True), None, 1),
        (RegistrationLost(ALICE, RegistrationFailed("408"), final=False), None, 1),
    ],
)
def test_the_error_that_ends_the_command_is_printed_once(event, ended_by, count):
    said = []
    tell(SimpleNamespace(say=said.append), SimpleNamespace(ended_by=ended_by), event)
    assert len(said) == count
