"""HSS: subscriber profiles, their credentials, and their bindings (TS 23.002 §4.1.1.1).

One SQLite file in WAL mode, with permanent data, which the operator provisions, and temporary data, which the S-CSCF
stores. Everything that a method has returned from survives `kill -9`: every change is one transaction that is committed
before the method returns. (A power cut may lose the last commits, never the file.)
"""

from wic.network.hss.hss import Hss
from wic.network.hss.operator_commands import CommandAction, CommandOutcome, OperatorCommand
from wic.network.hss.profile import PublicIdentity, SubscriberProfile, identities_of, make_profile
from wic.network.hss.registration_data import StoredBinding, UeInstance
from wic.network.hss.schema import MIGRATIONS
from wic.network.hss.subscriber_data import DIGEST_ALGORITHMS, UsimKeys, make_hashes

__all__ = [
    "DIGEST_ALGORITHMS",
    "MIGRATIONS",
    "CommandAction",
    "CommandOutcome",
    "Hss",
    "OperatorCommand",
    "PublicIdentity",
    "StoredBinding",
    "SubscriberProfile",
    "UeInstance",
    "UsimKeys",
    "identities_of",
    "make_hashes",
    "make_profile",
]
