"""HTTP requests to WAF and WWSF, and forged tokens."""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.parse
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING, Any

from wic.network.waf.store import WafStore
from wic.network.waf.tokens import Consent

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Network


def post(
    network: Network, url: str, authorization: str, form: dict[str, str] | None = None, method: str = "POST"
) -> Any:
    """Send a request to WAF or WWSF; return the JSON of the answer."""
    data = urllib.parse.urlencode(form or {}).encode()
    request = urllib.request.Request(url, data=data, headers={"Authorization": authorization}, method=method)
    context = ssl.create_default_context(cafile=network.ready["ca"])
    with closing(urllib.request.urlopen(request, context=context)) as answer:
        return json.loads(answer.read() or b"null")


def token_of(network: Network, name: str) -> str:
    """Get an access token as a bot does (RFC 6749 §4.4)."""
    account = network.accounts[name]
    secret = base64.b64encode(f"{account['client_id']}:{account['client_secret']}".encode()).decode()
    return post(network, f"{account['waf']}/token", f"Basic {secret}", {"grant_type": "client_credentials"})[
        "access_token"
    ]


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a JWT."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def forge(database: Path, issuer: str, *, audience: str = "sip:ims.example", ago: float = 0.0) -> str:
    """Issue a token for carol with the keys in a WAF's database; a new database makes another WAF."""
    now, is_another = time.time() - ago, not database.exists()
    with WafStore(database) as store:
        if is_another:
            store.keys.rotate(at=now)
        consent = Consent(
            client="carol-bot",
            user=None,
            scope="ims",
            impi="carol@ims.example",
            impus=("sip:carol@ims.example",),
            wwsf=None,
            expires_at=now + 86400,
        )
        store.consents.add(consent)
        return store.access_tokens.issue(consent, issuer=issuer, audience=audience, scope="ims", now=now, lifetime=3600)
