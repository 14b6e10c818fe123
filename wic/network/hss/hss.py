"""HSS: the subscriber database as one object."""

from __future__ import annotations

from wic.network.hss.operator_commands import OperatorCommands
from wic.network.hss.registration_data import RegistrationData
from wic.network.hss.subscriber_data import SubscriberData


class Hss(SubscriberData, RegistrationData, OperatorCommands):
    """Subscriber database in one file, as a context manager; each base class has some of its tables.

    Args:
        path: the file; made with mode 0600 if it is missing.
        realm: the home network's domain, which goes into H(A1).

    Raises:
        ConfigurationError: the file cannot be opened, is no database or was written by a newer version.
    """
