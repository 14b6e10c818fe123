"""What a client sends: bounded, and each parameter once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from wic.network.web.answers import Refusal

    Refuse = Callable[[str], Refusal]

MAX_BODY = 16 * 1024
"""Longest body, in bytes."""
MAX_QUERY = 4096
"""Longest query, in characters."""
MAX_FIELDS = 32
BODY_TIMEOUT = 10.0
"""Seconds in which the body must have come."""
FORM = "application/x-www-form-urlencoded"


async def read_form(request: web.Request, refuse: Refuse) -> dict[str, str]:
    """Return the parameters of a form; those without a value are left out (RFC 6749 §3.2).

    Args:
        request: the request.
        refuse: makes the error that is raised, from what is wrong.
    """
    if request.content_type != FORM:
        raise refuse(f"send the parameters as {FORM}")
    return parse_parameters(await _read_body(request, refuse), refuse)


def read_query(request: web.Request, refuse: Refuse) -> dict[str, str]:
    """Return the parameters of the query; those without a value are left out (RFC 6749 §3.1)."""
    raw = request.rel_url.raw_query_string
    if len(raw) > MAX_QUERY:
        raise refuse("the query is too long")
    return parse_parameters(raw.encode(), refuse)


async def _read_body(request: web.Request, refuse: Refuse) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    raise refuse("the body is too long")
    except TimeoutError:
        raise refuse("the body did not come in time") from None
    return bytes(body)


def parse_parameters(raw: bytes, refuse: Refuse) -> dict[str, str]:
    """Return form-encoded parameters; those without a value are left out."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS, separator="&"
        )
    except ValueError:
        raise refuse("the parameters are malformed or too many") from None
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise refuse("a parameter is given twice")
    return {name: value for name, value in parameters.items() if value}
