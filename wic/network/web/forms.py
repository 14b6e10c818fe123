"""Parameters of requests: bounded, and each given once (RFC 6749 §3.1, §3.2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from wic.network.web.responses import HttpError

    ErrorMaker: TypeAlias = Callable[[str], HttpError]

MAX_BODY = 16 * 1024
"""Longest body, in bytes."""
MAX_QUERY = 4096
"""Longest query, in characters."""
MAX_FIELDS = 32
BODY_TIMEOUT = 10.0
"""Seconds in which the body must have come."""
FORM = "application/x-www-form-urlencoded"


async def read_form(request: web.Request, bad_request: ErrorMaker) -> dict[str, str]:
    """Return the parameters of a form; those without a value are left out (RFC 6749 §3.2).

    Args:
        request: the request.
        bad_request: makes the error that is raised, from the text that says what is wrong.
    """
    if request.content_type != FORM:  # RFC 6749 §3.2, Appendix B
        raise bad_request(f"send the parameters as {FORM}")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):  # a body that drips would hold its connection for ever
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    raise bad_request("the body is too long")
    except TimeoutError:
        raise bad_request("the body did not come in time") from None
    return parse_parameters(bytes(body), bad_request)


def read_query(request: web.Request, bad_request: ErrorMaker) -> dict[str, str]:
    """Return the parameters of the query; those without a value are left out (RFC 6749 §3.1)."""
    raw = request.rel_url.raw_query_string
    if len(raw) > MAX_QUERY:
        raise bad_request("the query is too long")
    return parse_parameters(raw.encode(), bad_request)


def parse_parameters(raw: bytes, bad_request: ErrorMaker) -> dict[str, str]:
    """Return form-encoded parameters; those without a value are left out."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS, separator="&"
        )
    except ValueError:
        raise bad_request("the parameters are malformed or too many") from None
    parameters = dict(pairs)
    # RFC 6749 §3.1: two values for one name may be read differently by two programs.
    if len(parameters) != len(pairs):
        raise bad_request("a parameter is given twice")
    return {name: value for name, value in parameters.items() if value}  # RFC 6749 §3.1: empty counts as omitted
