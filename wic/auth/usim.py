"""A USIM: the interface that a card reader can stand behind, and one of software (TS 33.102 §6.3.3)."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from wic.auth.aka import AUTN, DEFAULT_AMF, EPS_AMF, RAND, Autn, make_auts, xor
from wic.auth.sequence import Freshness, SequenceArray, SequenceRules
from wic.errors import ConfigurationError, LocalProtocolError, NetworkNotTrusted, SequenceOutOfRange

if TYPE_CHECKING:
    from collections.abc import Callable

    from wic.auth.aka import AkaFunctions

_VERSION = 1  # of the stored form
_DEFAULT_RULES = SequenceRules()


class MacFailure(NetworkNotTrusted):
    """The MAC of an AUTN is wrong; the message says what to look at."""


class SynchronisationFailure(SequenceOutOfRange):
    """The SQN of an AUTN is not fresh; the message says why.

    Attributes:
        auts: what tells the network where the USIM's sequence stands, 14 octets.
    """

    def __init__(self, message: str, *, auts: bytes) -> None:
        super().__init__(message)
        self.auts = bytes(auts)  # card readers give lists of octets


@dataclass(frozen=True, slots=True)
class AkaResult:
    """Answer of a USIM to a right challenge."""

    res: bytes = field(repr=False)
    """4 to 16 octets."""
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)


class Usim(Protocol):
    """A USIM: software, or a card behind a reader."""

    def authenticate(self, rand: bytes, autn: bytes) -> AkaResult:
        """Check a challenge of the network and answer it; takes as long as a card takes.

        Args:
            rand: 16 octets.
            autn: 16 octets.

        Raises:
            MacFailure: the challenge was not made with K.
            SynchronisationFailure: its SQN was used before, or is out of range.
            UsimFailed: there is no answer, because the card or its reader is not there. A client takes any other
                exception of a USIM that is plugged in for this one.
        """


@dataclass(frozen=True, slots=True)
class UsimState:
    """Memory of a USIM, without which it would accept a challenge twice.

    >>> UsimState.from_json(UsimState(SequenceArray().accepted(0x47)).to_json()).sequence.sqn_ms
    71
    """

    sequence: SequenceArray = field(default_factory=SequenceArray)

    def to_json(self) -> str:
        """Return the state as one line of JSON; nothing in it is secret."""
        used = {str(ind): seq for ind, seq in enumerate(self.sequence.entries) if seq}
        return json.dumps({"version": _VERSION, "indices": len(self.sequence.entries), "seq": used})

    @classmethod
    def from_json(cls, text: str) -> UsimState:
        """Read a state.

        Raises:
            ConfigurationError: the text is no state that `to_json` wrote.
        """
        try:
            document = json.loads(text)
            if document["version"] != _VERSION or not 1 <= document["indices"] <= 2**16:
                raise ValueError("another version")
            entries = [0] * document["indices"]
            for ind, seq in document["seq"].items():
                entries[_index(ind)] = int(seq)
            return cls(SequenceArray(tuple(entries)))
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ConfigurationError(
                "the stored state of the USIM cannot be read; remove it, and the network will be asked to resynchronise"
            ) from error


class SoftUsim:
    """A USIM of software."""

    def __init__(
        self,
        functions: AkaFunctions,
        *,
        state: UsimState | None = None,
        on_change: Callable[[UsimState], None] | None = None,
        amf: bytes | None = None,
        rules: SequenceRules = _DEFAULT_RULES,
    ) -> None:
        """Insert the USIM.

        Args:
            functions: with the subscriber's keys.
            state: of an earlier run; None for a new USIM.
            on_change: called with each new state, which has to be stored when it returns: only
                then is the challenge answered. `authenticate` passes its exceptions on.
            amf: the AMF that the network is expected to use; only error messages need it.
            rules: parameters of the sequence numbers.

        Raises:
            ConfigurationError: the functions make a MAC that an AUTN cannot hold.
        """
        if functions.mac_octets != 8:
            raise ConfigurationError(f"an AUTN holds a MAC of 64 bits, not {8 * functions.mac_octets}")
        self._functions = functions
        self._state = state or UsimState()
        self._on_change = on_change
        self._amf = amf
        self._rules = rules

    @property
    def state(self) -> UsimState:
        """Its memory."""
        return self._state

    def authenticate(self, rand: bytes, autn: bytes) -> AkaResult:
        """Check a challenge of the network and answer it.

        Raises:
            MacFailure: the challenge was made with other keys.
            SynchronisationFailure: its SQN was used before, or is out of range.
            LocalProtocolError: `rand` or `autn` has not 16 octets.
        """
        if len(rand) != RAND or len(autn) != AUTN:
            raise LocalProtocolError(f"RAND and AUTN have {RAND} and {AUTN} octets")
        functions = self._functions
        concealed, amf, mac = Autn.split(autn)
        res, ck, ik, ak = functions.f2345(rand)
        sqn = xor(concealed, ak)
        # TS 33.102 §6.3.3: the MAC first, so that only a network that knows K learns about the sequence.
        if not hmac.compare_digest(functions.f1(rand, sqn, amf), mac):
            raise MacFailure(explain_mac(functions, rand, autn, expected_amf=self._amf))
        self._use(rand, int.from_bytes(sqn))
        return AkaResult(res, ck, ik)

    def _use(self, rand: bytes, sqn: int) -> None:
        sequence = self._state.sequence
        found = sequence.judge(sqn, self._rules)
        if found is not Freshness.FRESH:
            auts = make_auts(self._functions, rand, sequence.sqn_ms)
            raise SynchronisationFailure(explain_sequence(sequence, sqn, found), auts=auts)
        # Stored before it is answered: a USIM that forgot would take the same challenge again.
        state = UsimState(sequence.accepted(sqn))
        if self._on_change is not None:
            self._on_change(state)
        self._state = state

    def __repr__(self) -> str:
        return f"SoftUsim({self._functions.name}, SQN_MS {self._state.sequence.sqn_ms:012x})"


def _index(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("no index")
    return int(text)


def explain_mac(functions: AkaFunctions, rand: bytes, autn: bytes, *, expected_amf: bytes | None = None) -> str:
    """Return what the user should check when the MAC of an AUTN is wrong; no key is in the text."""
    amf = Autn.split(autn).amf
    for mixed_up, others in functions.mistaken():
        if _fits(others, rand, autn, amf):
            return f"the network's MAC fits if {mixed_up}: correct that in the account"
    for tried in dict.fromkeys((expected_amf or DEFAULT_AMF, DEFAULT_AMF, EPS_AMF)):
        if _fits(functions, rand, autn, tried):
            return (
                f"K and {functions.operator_value} fit, but the network made its MAC with the AMF {tried.hex()}"
                f" and sends {amf.hex()}: correct the AMF in the network"
            )
    name = functions.operator_value
    advice = (
        f"the network's MAC does not fit K and {name}: compare first K and then {name} with the network's,"
        f" and see that it uses {functions.name} for this subscriber"
    )
    if expected_amf is None or amf == expected_amf:
        return advice
    # TS 33.102 Annex H: the first bit of the AMF tells vectors for EPS from others.
    eps = " (a vector for EPS)" if (amf[0] ^ expected_amf[0]) & amf[0] & 0x80 else ""
    return f"{advice}; its AMF is {amf.hex()}{eps}, the account's {expected_amf.hex()}"


def _fits(functions: AkaFunctions, rand: bytes, autn: bytes, amf: bytes) -> bool:
    concealed, _, mac = Autn.split(autn)
    sqn = xor(concealed, functions.f2345(rand)[3])
    return hmac.compare_digest(functions.f1(rand, sqn, amf), mac)


def explain_sequence(sequence: SequenceArray, sqn: int, found: Freshness) -> str:
    """Return what the user should check when a SQN is not fresh; K and OP are right then."""
    numbers = f"the network's SQN {sqn:012x} is {found.value} (SQN_MS of the USIM is {sequence.sqn_ms:012x})"
    if found is Freshness.USED:
        return (
            f"{numbers}: the network repeats a challenge, its sequence was set back, or another USIM with the"
            " same K has been in use"
        )
    return f"{numbers}: the network's sequence has jumped, or the stored state of this USIM is an old one"
