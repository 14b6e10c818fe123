"""Smallest registrar over WSS, for benches: Digest with MD5, which every client supports.

usage: python registrar.py CERTIFICATE [EXPIRES], or for UDP python registrar.py --udp; prints its port, and ends with
its standard input.
"""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from wic.auth.digest_server import AuthOutcome, DigestVerifier
from wic.auth.secret import Secret
from wic.sip.endpoint import Endpoint, EndpointOptions
from wic.sip.events import RequestReceived
from wic.transport.datagram import open_udp
from wic.transport.driver import Driver, SystemRandomSource
from wic.transport.tls import server_context
from wic.transport.websocket import serve_websocket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wic.auth.digest import DigestAlgorithm
    from wic.sip.events import Event

REALM, PASSWORD = "ims.example", "secret"


def ha1(username: str, _: DigestAlgorithm) -> Secret:
    return Secret(hashlib.md5(f"{username}:{REALM}:{PASSWORD}".encode()).hexdigest())


class Registrar:
    """Registrar that accepts any user with the password, and stores no bindings."""

    def __init__(self, expires: int) -> None:
        random_source = SystemRandomSource()
        self._expires = expires
        self._endpoint = Endpoint(random_source=random_source, options=EndpointOptions(extensions=frozenset({"path"})))
        self._verifier = DigestVerifier(REALM, key=b"k" * 16, random_source=random_source, algorithms=("MD5",))
        self.driver = Driver(self._endpoint, on_event=self._on_event)

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, RequestReceived):
            return
        now = self.driver.now
        verdict = self._verifier.verify(event.request, ha1, now=now)
        if verdict.outcome is AuthOutcome.OK:
            contact = event.request.headers.get("Contact") or ""
            headers: list[tuple[str, object]] = [("Contact", f"{contact};expires={self._expires}"), ("Date", "now")]
            self._endpoint.reply(event.transaction, 200, now=now, headers=headers)
        else:
            challenges = self._verifier.make_challenges(now=now, stale=verdict.stale)
            headers = [("WWW-Authenticate", challenge) for challenge in challenges]
            self._endpoint.reply(event.transaction, 401, now=now, headers=headers)


@contextmanager
def registrar(expires: int = 600) -> Iterator[tuple[str, str]]:
    """Run one in a process of its own, and give its URL and the file with its trust anchor."""
    with tempfile.TemporaryDirectory() as name:
        authority = trustme.CA()
        ca, certificate = Path(name) / "ca.pem", Path(name) / "server.pem"
        authority.cert_pem.write_to_path(ca)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
        command = [sys.executable, __file__, str(certificate), str(expires)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            yield f"wss://127.0.0.1:{int(process.stdout.readline())}/", str(ca)
            process.stdin.close()


@contextmanager
def core() -> Iterator[str]:
    """Run one over UDP in a process of its own, and give its URI."""
    command = [sys.executable, __file__, "--udp"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"sip:127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


async def serve_udp() -> None:
    registrar = Registrar(expires=600)
    port = await open_udp("127.0.0.1", 0, handler=registrar.driver)
    registrar.driver.attach_socket(port)
    print(port.address[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await registrar.driver.close()


async def main() -> None:
    if sys.argv[1] == "--udp":
        await serve_udp()
        return
    registrar = Registrar(int(sys.argv[2]) if len(sys.argv) > 2 else 600)
    context = server_context(certificate=Path(sys.argv[1]))
    listener = await serve_websocket("127.0.0.1", 0, handler=registrar.driver, ssl_context=context)
    print(listener.address[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await listener.close()


if __name__ == "__main__":
    asyncio.run(main())
