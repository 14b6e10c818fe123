"""What the operator of an S-CSCF can choose."""

from __future__ import annotations

from dataclasses import dataclass

from wic.auth.aka import AKA_ALGORITHMS


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrarOptions:
    """What a registrar grants, and what it asks for; times in seconds."""

    min_expires: int = 60
    """Shorter registrations get 423, unless a trusted node asks for them: a token's life ends when it ends."""
    max_expires: int = 600_000
    """Longest registration, and the one for those who do not ask (TS 24.229 §5.1.1.2.1)."""
    max_bindings: int = 16
    """Bindings of one implicit registration set at a time."""
    challenge_every: int | None = None
    """Challenge every Nth REGISTER; 1 challenges every one, None only those that an operator orders, or that neither a
    TLS association nor an answer to the last challenge protects."""
    answer_within: float = 240.0
    """How long a challenge of AKA waits for its answer: the timer reg-await-auth (TS 24.229 §7.8)."""
    aka_algorithms: tuple[str, ...] = tuple(algorithm.name for algorithm in AKA_ALGORITHMS)
    """Those a UE may ask for; one that asks for another gets AKAv1-MD5."""
    refuse_unknown_algorithms: bool = False
    """Whether it gets 403 instead."""
    barred_entities: tuple[str, ...] = ()
    """Authorization entities (WAFs of third parties) that may vouch for nobody (TS 24.371 §A.3.2 step 6)."""
