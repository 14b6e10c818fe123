"""HSS: the subscriber database as one object."""

from __future__ import annotations

from wic.network.hss.operator_commands import OperatorCommands
from wic.network.hss.registration_data import RegistrationData
from wic.network.hss.subscriber_data import SubscriberData


class Hss(SubscriberData, RegistrationData, OperatorCommands):
    """Subscriber database in one file, as a context manager: `SubscriberData` opens it, each base has some tables."""
