"""Requests of a resource server or a WWSF to an authorization server, whose metadata are kept for an hour."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from wic.errors import ConnectFailed, RemoteProtocolError
from wic.network.tokens.errors import WafUnreachable
from wic.oauth.metadata import metadata_url, read_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wic.oauth.http import JsonClient, JsonReply
    from wic.oauth.metadata import AuthorizationServer, OAuthEndpoint

METADATA_MAX_AGE = 3600.0
"""Seconds for which metadata are valid."""
TIMEOUT = 5.0
"""Seconds for a request: a SIP request waits for its answer."""


class AuthorizationServerClient:
    """Client of one authorization server.

    The server that cannot be reached, answers something else than JSON or names no such endpoint is one and the same to
    the callers: each of its methods raises `WafUnreachable` then.

    Args:
        issuer: the server's issuer URL.
        http: what requests are sent with; it belongs to the caller.
    """

    def __init__(self, issuer: str, http: JsonClient) -> None:
        self.issuer = issuer
        self._http = http
        self._metadata: AuthorizationServer | None = None
        self._fetched_at = 0.0

    async def url_of(self, endpoint: OAuthEndpoint, *, now: float) -> str:
        """Return the URL of an endpoint, from the metadata (RFC 8414)."""
        with _unreachable():
            # A clock that was set back makes the metadata old as well.
            if self._metadata is None or not 0 <= now - self._fetched_at < METADATA_MAX_AGE:
                document = await self.get(metadata_url(self.issuer))  # RFC 8414 §3.1
                metadata = read_metadata(document, self.issuer)  # RFC 8414 §3.3: the issuer is compared
                if metadata.issuer != self.issuer:  # tokens name it exactly so, slash at the end included
                    raise WafUnreachable(f"{self.issuer} calls itself {metadata.issuer} in its metadata")
                self._metadata, self._fetched_at = metadata, now
            return self._metadata.url_of(endpoint)

    async def get(self, url: str) -> Mapping[str, object]:
        """Fetch a document."""
        with _unreachable():
            reply = await self._http.get(url)
        if not reply.ok:
            raise WafUnreachable(f"{url} answers {reply.status}")
        return reply.document

    async def post(
        self, url: str, form: Mapping[str, str], *, authorization: str, ignore_content: bool = False
    ) -> JsonReply:
        """Send a form; return the answer, which may be an error of OAuth."""
        with _unreachable():
            return await self._http.post(url, form, authorization=authorization, ignore_content=ignore_content)


@contextmanager
def _unreachable() -> Iterator[None]:
    try:
        yield
    except (ConnectFailed, RemoteProtocolError) as error:
        raise WafUnreachable(str(error)) from error
