"""The smallest registrar over WSS, for benches: Digest with MD5, because that is what every client can do.

usage: python registrar.py CERTIFICATE; prints its port, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wic.auth.secret import Secret
from wic.auth.server import DigestVerifier, Outcome
from wic.sip.endpoint import Endpoint
from wic.sip.events import RequestReceived
from wic.transport.driver import Driver
from wic.transport.tls import server_context
from wic.transport.tokens import RandomTokens
from wic.transport.websocket import serve_websocket

if TYPE_CHECKING:
    from wic.auth.digest import DigestAlgorithm
    from wic.sip.events import Event

REALM, PASSWORD = "ims.example", "secret"


def ha1(username: str, _: DigestAlgorithm) -> Secret:
    return Secret(hashlib.md5(f"{username}:{REALM}:{PASSWORD}".encode()).hexdigest())


class Registrar:
    """Lets in everybody who knows the password, and forgets them at once."""

    def __init__(self) -> None:
        tokens = RandomTokens()
        self._endpoint = Endpoint(tokens=tokens)
        self._verifier = DigestVerifier(REALM, key=b"k" * 16, tokens=tokens, algorithms=("MD5",))
        self.driver = Driver(self._endpoint, on_event=self._on_event)

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, RequestReceived):
            return
        now = self.driver.now
        verdict = self._verifier.verify(event.request, ha1, now=now)
        if verdict.outcome is Outcome.OK:
            contact = event.request.headers.get("Contact") or ""
            headers: list[tuple[str, object]] = [("Contact", f"{contact};expires=600"), ("Date", "now")]
            self._endpoint.reply(event.transaction, 200, now=now, headers=headers)
        else:
            challenges = self._verifier.make_challenges(now=now, stale=verdict.stale)
            headers = [("WWW-Authenticate", challenge) for challenge in challenges]
            self._endpoint.reply(event.transaction, 401, now=now, headers=headers)


async def main() -> None:
    registrar = Registrar()
    context = server_context(certificate=Path(sys.argv[1]))
    listener = await serve_websocket("127.0.0.1", 0, handler=registrar.driver, ssl_context=context)
    print(listener.address[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await listener.close()


if __name__ == "__main__":
    asyncio.run(main())
