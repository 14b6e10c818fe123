"""HSS: who the subscribers are, how they prove it, and where they are registered (TS 23.228 §4.5.4).

One SQLite file in WAL mode. Whatever a method has returned from survives `kill -9`: every change is one
transaction that is committed before the method returns. (A power cut may lose the last commits, never the file.)
"""

from wic.network.hss.bindings import StoredBinding
from wic.network.hss.hss import Hss
from wic.network.hss.identities import PublicIdentity, SubscriberProfile, canonical
from wic.network.hss.instances import Instance
from wic.network.hss.migrations import MIGRATIONS
from wic.network.hss.operator_commands import CommandAction, CommandOutcome, OperatorCommand
from wic.network.hss.subscribers import ALGORITHMS
from wic.network.hss.usims import UsimKeys

__all__ = [
    "ALGORITHMS",
    "MIGRATIONS",
    "CommandAction",
    "CommandOutcome",
    "Hss",
    "Instance",
    "OperatorCommand",
    "PublicIdentity",
    "StoredBinding",
    "SubscriberProfile",
    "UsimKeys",
    "canonical",
]
