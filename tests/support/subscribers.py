"""Subscribers of an HSS, for tests of what is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.network.hss import DIGEST_ALGORITHMS, make_hashes, make_profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wic.auth.secret import Secret
    from wic.network.hss import Hss, PublicIdentity, SubscriberProfile


def add_with_password(
    hss: Hss,
    impi: str,
    impus: Iterable[str | PublicIdentity],
    password: Secret,
    *,
    algorithms: Sequence[str] = DIGEST_ALGORITHMS,
) -> SubscriberProfile:
    """Add a subscriber with a password, or replace its identities and password."""
    profile = make_profile(impi, impus)
    hss.add(profile, make_hashes(impi, hss.realm, password, algorithms=algorithms))
    return profile
