"""The HSS's database as one object."""

from __future__ import annotations

from wic.network.hss.bindings import Bindings
from wic.network.hss.entities import AuthorizationEntities
from wic.network.hss.instances import Instances
from wic.network.hss.operator_commands import OperatorCommands
from wic.network.hss.usims import Usims


class Hss(Usims, AuthorizationEntities, Bindings, Instances, OperatorCommands):
    """The subscriber database in one file; each base class keeps some of its tables.

    Args:
        path: the file; made with mode 0600 if it is missing.
        realm: the home network's domain, which goes into H(A1).

    Raises:
        ConfigurationError: the file cannot be opened, is no database or was written by a newer version.
    """
