"""Who the client is (RFC 6749 §2.3)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from wic.network.waf.errors import invalid_client, invalid_request, too_many
from wic.network.web.address import origin_of

if TYPE_CHECKING:
    from aiohttp import web

    from wic.network.waf.clients import OAuthClient
    from wic.network.waf.core import WafCore

MAX_CREDENTIALS = 1024
METHODS = ("client_secret_basic", "client_secret_post")
"""How a confidential client may prove who it is."""


def authenticate_client(core: WafCore, request: web.Request, form: dict[str, str]) -> OAuthClient:
    """Return the client that sends a request; a public one needs to say no more than its name.

    Raises:
        JsonRefusal: nobody knows it, it could not prove it, or somebody has guessed too often.
    """
    by_header = "Authorization" in request.headers
    client_id, secret = _from_header(request) if by_header else (form.get("client_id"), form.get("client_secret"))
    if client_id is None:
        raise invalid_request("client_id is missing")
    if by_header and ("client_secret" in form or form.get("client_id", client_id) != client_id):
        raise invalid_request("the client says who it is in two ways (RFC 6749 §2.3)")
    client = core.store.clients.find(client_id)
    if client is not None and not client.confidential and secret is None:
        return client
    _check_secret(core, request, client_id, secret)
    assert client is not None, "it has a secret"
    return client


def authenticate_confidential(core: WafCore, request: web.Request, form: dict[str, str]) -> OAuthClient:
    """Return the client that sends a request, which has to be a confidential one.

    Raises:
        JsonRefusal: it is not, or as above.
    """
    client = authenticate_client(core, request, form)
    if not client.confidential:
        raise invalid_client("only a client with a secret may ask this")
    return client


def _check_secret(core: WafCore, request: web.Request, client_id: str, secret: str | None) -> None:
    # Counted for each address apart: a stranger must not be able to lock out the eP-CSCF or the WWSF.
    name = f"client {client_id[:MAX_CREDENTIALS]} {origin_of(request)}"
    wait = core.guard.wait(name, None, now=core.now)
    if wait:
        raise too_many(wait)
    if secret is None or not core.store.clients.knows_secret(client_id, secret):
        raise invalid_client("there is no such client, or its secret is another")
    core.guard.succeeded(name, None, forgive=True)


def _from_header(request: web.Request) -> tuple[str, str]:
    """Read client_secret_basic; both parts are form-encoded first (RFC 6749 §2.3.1)."""
    scheme, _, encoded = request.headers["Authorization"].partition(" ")
    try:
        if scheme.lower() != "basic" or len(encoded) > MAX_CREDENTIALS:
            raise ValueError
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError
    except (binascii.Error, ValueError):
        raise invalid_client("the Authorization header is no Basic one") from None
    return unquote_plus(client_id), unquote_plus(secret)
