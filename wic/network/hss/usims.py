"""What the authentication centre knows of a USIM, and the vectors it makes (TS 33.102 §6.3.2, Annex C)."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from wic.auth.aka import DEFAULT_AMF, verify_auts
from wic.auth.aka_server import AuthenticationVector, make_vector
from wic.auth.keys import FUNCTION_SETS
from wic.auth.milenage import Milenage
from wic.auth.sequence import SequenceCounter
from wic.auth.tuak import Tuak, TuakOptions
from wic.errors import ConfigurationError
from wic.network.hss.identities import PublicIdentity, SubscriberProfile, make_profile
from wic.network.hss.subscribers import Subscribers, store_identities

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class UsimKeys:
    """The keys of a USIM.

    Raises:
        ConfigurationError: the function set is unknown, or a key has a wrong length.
    """

    functions: str = "milenage"
    """`milenage` or `tuak`."""
    k: bytes = field(repr=False)
    opc: bytes | None = field(default=None, repr=False)
    """OPc or TOPc."""
    op: bytes | None = field(default=None, repr=False)
    """OP or TOP, if `opc` is None."""
    amf: bytes = DEFAULT_AMF
    tuak: TuakOptions = field(default_factory=TuakOptions)
    """Lengths and iterations of TUAK."""

    def __post_init__(self) -> None:
        if len(self.amf) != 2:
            raise ConfigurationError(f"an AMF has 2 octets, not {len(self.amf)}")
        make_vector(self.algorithms(), 0, self.amf, bytes(16))  # a MAC that fits into no AUTN is refused here

    @classmethod
    def made_up(cls, functions: str = "milenage") -> UsimKeys:
        """Return keys that nobody can guess.

        Raises:
            ConfigurationError: the function set is unknown.
        """
        octets = 16 if functions == "milenage" else 32
        return cls(functions=functions, k=secrets.token_bytes(octets), opc=secrets.token_bytes(octets))

    def algorithms(self) -> Milenage | Tuak:
        """Return f1 to f5*."""
        if self.functions == "milenage":
            return Milenage(self.k, op=self.op, opc=self.opc)
        if self.functions == "tuak":
            return Tuak(self.k, top=self.op, topc=self.opc, options=self.tuak)
        raise ConfigurationError(f"{self.functions!r} is no function set; choose among {', '.join(FUNCTION_SETS)}")


class Usims(Subscribers):
    """The table of USIMs."""

    def add_usim(self, impi: str, impus: Sequence[str | PublicIdentity], usim: UsimKeys) -> SubscriberProfile:
        """Add a subscriber with a USIM, or give it these identities and keys; its SQN, password and bindings stay.

        Args:
            impi: private identity.
            impus: public identities, the default one first: SIP or tel URIs.
            usim: the keys.

        Raises:
            ConfigurationError: an identity is not of its form.
        """
        subscriber = make_profile(impi, impus)
        algorithms = usim.algorithms()
        opc = algorithms.opc if isinstance(algorithms, Milenage) else algorithms.topc
        with self.transaction() as db:
            store_identities(db, subscriber)
            db.execute(
                "INSERT INTO usim (impi, functions, k, opc, amf, settings, sqn) VALUES (?, ?, ?, ?, ?, ?, 0)"
                " ON CONFLICT (impi) DO UPDATE SET functions = excluded.functions, k = excluded.k,"
                " opc = excluded.opc, amf = excluded.amf, settings = excluded.settings",
                (impi, usim.functions, usim.k, opc, usim.amf, json.dumps(asdict(usim.tuak))),
            )
        return subscriber

    def remove_usim(self, impi: str) -> bool:
        """Take the USIM from a subscriber; return whether there was one."""
        with self.transaction() as db:
            return db.execute("DELETE FROM usim WHERE impi = ?", (impi,)).rowcount > 0

    def usim(self, impi: str) -> UsimKeys | None:
        """Return the keys of a subscriber's USIM."""
        row = self._db.execute("SELECT functions, k, opc, amf, settings FROM usim WHERE impi = ?", (impi,)).fetchone()
        if row is None:
            return None
        functions, k, opc, amf, settings = row
        return UsimKeys(functions=functions, k=k, opc=opc, amf=amf, tuak=TuakOptions(**json.loads(settings)))

    def has_usim(self, impi: str) -> bool:
        """Tell whether a subscriber may use AKA."""
        return self._db.execute("SELECT 1 FROM usim WHERE impi = ?", (impi,)).fetchone() is not None

    def next_vector(self, impi: str, rand: bytes) -> AuthenticationVector | None:
        """Make a vector with the next SQN, which is committed before the vector is returned.

        Args:
            impi: of the subscriber.
            rand: 16 octets of chance.

        Returns:
            None if the subscriber has no USIM.
        """
        usim = self.usim(impi)
        if usim is None:
            return None
        with self.transaction() as db:
            (sqn,) = db.execute("SELECT sqn FROM usim WHERE impi = ?", (impi,)).fetchone()
            counter = SequenceCounter(sqn).next()
            db.execute("UPDATE usim SET sqn = ? WHERE impi = ?", (counter.sqn, impi))
        return make_vector(usim.algorithms(), counter.sqn, usim.amf, rand)

    def resynchronise(self, impi: str, rand: bytes, auts: bytes) -> None:
        """Go on from where a USIM says that its sequence stands (TS 33.102 §6.3.5).

        Args:
            impi: of the subscriber.
            rand: of the challenge that the AUTS answers.
            auts: 14 octets.

        Raises:
            AutsRefused: the AUTS does not come from this subscriber's USIM.
        """
        usim = self.usim(impi)
        if usim is None:
            return
        sqn_ms = verify_auts(usim.algorithms(), rand, auts)
        with self.transaction() as db:
            (sqn,) = db.execute("SELECT sqn FROM usim WHERE impi = ?", (impi,)).fetchone()
            db.execute(
                "UPDATE usim SET sqn = ? WHERE impi = ?", (SequenceCounter(sqn).resynchronised(sqn_ms).sqn, impi)
            )
