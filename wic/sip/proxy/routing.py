"""Header fields that route a request, as a proxy reads and writes them (RFC 3261 §16.3, §16.4, §16.6)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2s
from typing import TYPE_CHECKING

from wic.sip.methods import INITIAL_MAX_FORWARDS
from wic.sip.random_source import MAGIC_COOKIE
from wic.sip.routing import is_loose, port_of, route

if TYPE_CHECKING:
    from wic.sip.headers.address import NameAddr
    from wic.sip.message import Request
    from wic.sip.random_source import RandomSource
    from wic.sip.uri import Uri


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyOptions:
    """Addresses that mean a proxy, and what it supports where a request is for itself."""

    own: frozenset[tuple[str, int | None]]
    """Hosts (lower case) and ports of the SIP URIs that mean this proxy; None: a URI without a port."""
    served: frozenset[tuple[str, int | None]] = frozenset()
    """Those that mean it in a Route of others, such as its domain; it never writes them into a Record-Route."""
    extensions: tuple[str, ...] = ()
    """Option tags that it supports in a request for itself (RFC 3261 §8.2.2.3)."""
    capabilities: tuple[tuple[str, object], ...] = ()
    """Header fields of its answer to OPTIONS, besides Supported (RFC 3261 §11.2)."""

    def is_own(self, uri: Uri) -> bool:
        """Tell whether a URI in a Route means this proxy."""
        return _is_one_of(uri, self.own) or _is_one_of(uri, self.served)

    def is_addressed(self, request: Request) -> bool:
        """Tell whether a request goes to the proxy itself, once the Route values that led here are off."""
        return self.is_own(request.uri) and not request.uri.user and not request.routes

    def has_written(self, uri: Uri) -> bool:
        """Tell whether a URI may be a value that this proxy has written into a Record-Route."""
        return is_loose(uri) and _is_one_of(uri, self.own)


def _is_one_of(uri: Uri, known: frozenset[tuple[str, int | None]]) -> bool:
    host = uri.host.lower().removesuffix(".")  # RFC 3261 §25.1 allows the dot of the root
    return uri.is_sip and ((host, uri.port) in known or (host, port_of(uri)) in known)


def take_own_routes(request: Request, options: ProxyOptions) -> tuple[NameAddr, ...]:
    """Undo what a strict router did, and take the Route values that have led here (RFC 3261 §16.4).

    Returns:
        The values taken, topmost first: a proxy that writes tokens into its Record-Route or Path finds them there.

    Raises:
        MalformedHeader: Request-URI or Route cannot be read.
    """
    taken = []
    routes = request.routes
    uri = request.uri
    if routes and options.has_written(uri):
        # A strict router has put our Record-Route value here and the real target last.
        taken.append(routes[-1].with_uri(uri))
        request.uri = routes[-1].uri
        routes = routes[:-1]
        write_routes(request, routes)
    while request.routes and options.is_own(request.routes[0].uri):  # §16.4: the proxy itself
        taken.append(request.routes[0])
        request.headers.remove_first("Route")
    return tuple(taken)


def decrement_max_forwards(request: Request) -> None:
    """Decrement Max-Forwards, or begin it (RFC 3261 §16.6 step 3)."""
    left = request.max_forwards
    request.headers.set("Max-Forwards", INITIAL_MAX_FORWARDS if left is None else left - 1)


def next_hop_uri(request: Request) -> Uri:
    """Return the URI of the next hop; a strict router there gets the request as it wants it (RFC 3261 §16.6 step 6, 7).

    Raises:
        MalformedHeader: Request-URI or Route cannot be read.
    """
    routes = request.routes
    if not routes:
        return request.uri
    if is_loose(routes[0].uri) or not routes[0].uri.is_sip:  # §16.6 step 7
        return routes[0].uri
    request.uri, rest = route(request.uri, routes)
    write_routes(request, rest)
    return request.uri


def write_routes(request: Request, routes: tuple[NameAddr, ...]) -> None:
    """Replace all Route values."""
    request.headers.remove("Route")
    for hop in reversed(routes):
        request.headers.prepend("Route", hop)


def loop_digest(request: Request, salt: str) -> str:
    """Return a digest of all that routing depends on (RFC 3261 §16.6 step 8, RFC 5393 §4.2).

    Args:
        request: the request as it came.
        salt: differs from proxy to proxy.
    """
    headers = request.headers
    parts = [salt, request.method, request.uri_text, request.call_id, str(request.cseq.number)]
    parts += [request.from_.tag or "", request.to.tag or ""]
    for name in ("Route", "Proxy-Require", "Proxy-Authorization"):
        parts += [name, *headers.get_all(name)]
    return blake2s("\n".join(parts).encode(), digest_size=8).hexdigest()


def loop_branch(random_source: RandomSource, digest: str) -> str:
    """Return a new branch that carries a loop digest."""
    return f"{MAGIC_COOKIE}{random_source.hex(12)}.{digest}"


def has_looped(request: Request, digest: str) -> bool:
    """Tell whether this proxy has forwarded the same request to the same end before (RFC 3261 §16.3 step 4)."""
    # What other elements wrote into their Via is not the concern of this one, so that only the text is searched.
    return any(f".{digest}" in line for line in request.headers.get_all("Via"))
