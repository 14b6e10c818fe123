"""Which of several final responses goes back (RFC 3261 §16.7 step 6 and 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wic.sip.message import Response

# RFC 3261 §16.7 step 6: of the 4xx those that tell the caller how to do better.
_HELPFUL = (401, 407, 415, 420, 484)
_CHALLENGES = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}
# They say that somebody did not answer; any other response of the class says more.
_EMPTY_HANDED = (408, 487, 503)


def best(responses: Sequence[Response]) -> Response:
    """Return the response to forward: a 6xx if there is one, else the best of the lowest class."""
    return min(responses, key=_rank)


def _rank(response: Response) -> tuple[int, int, int]:
    status = response.status
    family = 0 if status >= 600 else status // 100
    if status in _HELPFUL:
        return (family, 0, _HELPFUL.index(status))
    return (family, 2 if status in _EMPTY_HANDED else 1, 0)


def merge_challenges(chosen: Response, responses: Sequence[Response]) -> None:
    """Add the challenges of the other 401 and 407 responses to a chosen one (RFC 3261 §16.7 step 7)."""
    if chosen.status not in _CHALLENGES:
        return
    for other in responses:
        if other is not chosen and other.status in _CHALLENGES:
            chosen.headers.copy_from(other.headers, *_CHALLENGES.values())
