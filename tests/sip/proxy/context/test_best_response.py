import pytest

from wic.sip.message import Response
from wic.sip.proxy.context import best_response, merge_challenges


@pytest.mark.parametrize(
    ("statuses", "chosen"),
    [
        ([404, 486], 404),
        ([503, 302, 404], 302),
        ([302, 603, 404], 603),
        ([500, 404], 404),
        ([404, 407, 486], 407),
        ([486, 415, 420, 484], 415),
        ([407, 401], 401),
        ([408, 480], 480),
        ([487, 486], 486),
        ([503, 504], 504),
        ([408], 408),
    ],
)
def test_the_best_response(statuses, chosen) -> None:
    # RFC 3261 §16.7 step 6
    assert best_response([Response.build(status) for status in statuses]).status == chosen


def test_challenges_are_collected() -> None:
    first = Response.build(407, headers=[("Proxy-Authenticate", "Digest realm=a")])
    second = Response.build(401, headers=[("WWW-Authenticate", "Digest realm=b")])
    third = Response.build(407, headers=[("Proxy-Authenticate", "Digest realm=c")])
    other = Response.build(404, headers=[("WWW-Authenticate", "Digest realm=d")])
    merge_challenges(first, [first, second, other, third])
    assert first.headers.get_all("Proxy-Authenticate") == ["Digest realm=a", "Digest realm=c"]
    assert first.headers.get_all("WWW-Authenticate") == ["Digest realm=b"]
    merge_challenges(other, [first, other])
    assert len(other.headers.get_all("WWW-Authenticate")) == 1
