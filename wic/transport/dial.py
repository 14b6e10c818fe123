"""TCP sockets to a host, straight or through an HTTP proxy."""

from __future__ import annotations

import asyncio
import base64
import errno
import ipaddress
import os
import socket
from functools import lru_cache
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass

from wic.errors import ConfigurationError, ConnectFailed

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    _SocketAddress = tuple[str, int] | tuple[str, int, int, int]

_PROXY_ANSWER = 16 * 1024


async def open_socket(host: str, port: int) -> socket.socket:
    """Connect a TCP socket, trying each address of `host` in turn.

    Raises:
        ConnectFailed: unknown host, refused, unreachable.
    """
    loop = asyncio.get_running_loop()
    failure = f"{host} has no address"
    # In the order of the resolver (RFC 6724), one after the other: a race (RFC 8305) would cost a connection each time.
    for family, address in await _resolve(host, port):
        # asyncio switches Nagle's algorithm off only for sockets that name their protocol.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = _cannot_connect(host, port, error)
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise ConnectFailed(failure)


def environment_proxy(host: str, port: int, *, secure: bool) -> str | None:
    """Return the URL of the proxy that the environment names for a WebSocket server, if it names one.

    `wss_proxy` and `ws_proxy` go first, then `https_proxy` and `http_proxy`; `no_proxy` is honoured.
    """
    for scheme in ("wss", "https") if secure else ("ws", "http"):
        # The name in small letters decides, even if it is empty; urllib would read the whole environment each time.
        name = f"{scheme}_proxy"
        proxy = os.environ.get(name, os.environ.get(name.upper()))
        if proxy:
            return None if proxy_bypass(f"{host}:{port}") else proxy
    return None


async def open_tunnel(proxy: str, host: str, port: int) -> socket.socket:
    """Connect a TCP socket to `host` through an HTTP proxy (RFC 9110 §9.3.6, CONNECT).

    Raises:
        ConfigurationError: `proxy` is not the URL of an HTTP proxy.
        ConnectFailed: the proxy cannot be reached, or refuses.
    """
    url = urlsplit(proxy)
    if url.scheme != "http" or url.hostname is None:
        raise ConfigurationError(f"The proxy {_shown(url)} cannot be used; name one as http://host:port.")
    sock = await open_socket(url.hostname, url.port or 80)
    try:
        await _ask_for_tunnel(sock, url, host, port)
    except BaseException:
        sock.close()
        raise
    return sock


async def _ask_for_tunnel(sock: socket.socket, url: SplitResult, host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if url.username is not None:
        credentials = f"{unquote(url.username)}:{unquote(url.password or '')}"
        request += f"Proxy-Authorization: Basic {base64.b64encode(credentials.encode()).decode()}\r\n"
    await loop.sock_sendall(sock, f"{request}\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        chunk = await loop.sock_recv(sock, _PROXY_ANSWER - len(answer))
        if not chunk:
            raise ConnectFailed(f"The proxy {_shown(url)} did not answer as an HTTP proxy.")
        answer += chunk
    # RFC 9110 §9.3.6: a 2xx has no body, so that all that follows the header comes from the server behind the proxy.
    # A TLS or WebSocket server waits for the client's first words: octets here would be the proxy's own.
    status = answer.split(b"\r\n", 1)[0].split()
    if len(status) < 2 or not status[0].startswith(b"HTTP/1.") or not answer.endswith(b"\r\n\r\n"):
        raise ConnectFailed(f"The proxy {_shown(url)} did not answer as an HTTP proxy.")
    if not status[1].startswith(b"2"):
        code = status[1].decode(errors="replace")
        raise ConnectFailed(f"The proxy {_shown(url)} refused to connect to {target}: HTTP {code}.")


@lru_cache(maxsize=64)
def _literal_family(host: str) -> socket.AddressFamily | None:
    """Return the family of an address; None for a name."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    return socket.AF_INET6 if version == 6 else socket.AF_INET


async def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, _SocketAddress]]:
    family = _literal_family(host)
    if family is not None:  # without a thread of the resolver
        return [(family, (host, port))]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConnectFailed(f"The host {host} is not known.") from None
    return [(family, cast("_SocketAddress", address)) for family, _, _, _, address in found]


def _cannot_connect(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return f"{host} refuses connections to port {port}; nothing listens there."
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL):
        return f"{host} cannot be reached from here."
    return f"Connecting to {host} port {port} failed: {error.strerror or error}."


def _shown(url: SplitResult) -> str:
    """Show a proxy's URL without its credentials."""
    host = url.hostname or ""
    return f"{url.scheme}://{host}:{url.port}" if url.port else f"{url.scheme}://{host}"
