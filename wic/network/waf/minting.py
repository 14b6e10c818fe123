"""From a consent to the answer of the token endpoint (RFC 6749 §5.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wic.network.waf.clients import REFRESH

if TYPE_CHECKING:
    from wic.network.waf.clients import OAuthClient
    from wic.network.waf.consents import Consent
    from wic.network.waf.core import WafCore
    from wic.network.waf.users import WebUser


def open_consent(core: WafCore, client: OAuthClient, user: WebUser, scope: str) -> Consent:
    """Write down what a user has allowed."""
    return core.store.consents.open(
        client=client.id,
        user=user.name,
        scope=scope,
        impi=user.impi,
        impus=user.impus,
        wwsf=client.wwsf,
        expires_at=core.now + core.options.lifetimes.grant,
    )


def mint(core: WafCore, client: OAuthClient, consent: Consent) -> dict[str, object]:
    """Return new tokens; within a transaction with what they are given for.

    The members `impi` and `impu` save the client from reading the token, which is not made for it.
    """
    lifetimes, now = core.options.lifetimes, core.now
    current = _with_current_identities(core, consent)
    lifetime = min(lifetimes.access, consent.expires_at - now)
    access_token = core.store.access_tokens.issue(
        current, issuer=core.issuer, audience=core.options.audience, scope=consent.scope, now=now, lifetime=lifetime
    )
    answer: dict[str, object] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": int(lifetime),
        "scope": consent.scope,
        "impi": current.impi,
        "impu": list(current.impus),
    }
    if consent.user is not None and REFRESH in client.grants:
        answer["refresh_token"] = core.store.refresh_tokens.issue(consent, expires_at=now + lifetimes.refresh)
    return answer


def _with_current_identities(core: WafCore, consent: Consent) -> Consent:
    """A user may have got other identities since."""
    user = None if consent.user is None else core.store.accounts.find(consent.user)
    return consent if user is None else replace(consent, impi=user.impi, impus=user.impus)
