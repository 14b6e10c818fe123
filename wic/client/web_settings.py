"""What an account says of its access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from wic.auth.bearer import BearerForm
from wic.client.settings import secret_keys
from wic.client.web import PoolAccess, WebAuthorization
from wic.errors import ConfigurationError

if TYPE_CHECKING:
    from enum import Enum

    from wic.client.settings import Settings

    _Choice = TypeVar("_Choice", bound=Enum)

__all__ = ["WEB_KEYS", "read_web"]

WEB_KEYS = frozenset(
    {"waf", "wwsf", "client_id", "bearer_form", "bearer_in", "authz_servers", "pool", "scope"}
) | secret_keys("client_secret", "token")
_EVERYWHERE = {"all": True, "register": False}


def read_web(settings: Settings) -> WebAuthorization:
    """Read how an account comes to its access tokens.

    Raises:
        ConfigurationError: something is missing or cannot work.
    """
    where = settings.text("bearer_in", "all")
    if where not in _EVERYWHERE:
        raise ConfigurationError(
            f'Account {settings.name!r}: \'bearer_in\' must be "all" or "register", not {where!r}.'
        )
    return WebAuthorization(
        account=settings.name,
        waf=settings.text("waf"),
        wwsf=settings.text("wwsf"),
        client_id=settings.text("client_id"),
        client_secret=settings.secret("client_secret"),
        token=settings.secret("token"),
        form=_choice(settings, "bearer_form", BearerForm) or BearerForm.RFC8898,
        everywhere=_EVERYWHERE[where],
        trusted_servers=settings.texts("authz_servers"),
        pool=_choice(settings, "pool", PoolAccess),
        scope=settings.text("scope", "ims"),
        ca=settings.file("ca"),
        insecure=settings.flag("insecure"),
    )


def _choice(settings: Settings, key: str, kind: type[_Choice]) -> _Choice | None:
    value = settings.text(key)
    if not value:
        return None
    try:
        return kind(value)
    except ValueError:
        known = " or ".join(f'"{each.value}"' for each in kind)
        raise ConfigurationError(f"Account {settings.name!r}: {key!r} must be {known}, not {value!r}.") from None
