"""Trusted-node authentication at the S-CSCF (TS 33.203 Annex U, TS 24.371 §6.4.2, §A.3.2 step 6)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wic.network.scscf.attempt import Passed
from wic.network.scscf.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Container

    from wic.network.hss import Hss
    from wic.network.scscf.attempt import Attempt

_log = logging.getLogger(__name__)


class TrustedNodeScheme:
    """Believes the eP-CSCF, if whoever authorized the user is not barred.

    Args:
        hss: knows which entities may vouch for a subscriber.
        barred: values of `authorization-entity` that may vouch for nobody.
    """

    def __init__(self, hss: Hss, *, barred: Container[str] = ()) -> None:
        self._hss = hss
        self._barred = barred

    def authenticate(self, attempt: Attempt) -> Passed:
        """Check who vouches for the user; see `Authentication`."""
        entity = None if attempt.credentials is None else attempt.credentials.get("authorization-entity")
        impi = attempt.subscriber.impi
        if entity and (entity in self._barred or not self._hss.may_authorize(impi, entity)):
            _log.warning("%s may not vouch for %s", entity, impi)
            raise Refused(403, "Authorization Entity Barred")
        return Passed()
