import pytest

from wic.sip.message import Request
from wic.sip.proxy.routing import (
    ProxyOptions,
    decrement_max_forwards,
    has_looped,
    loop_branch,
    loop_digest,
    next_hop_uri,
    take_own_routes,
)
from wic.sip.random_source import CountingSource
from wic.sip.uri import Uri

OPTIONS = ProxyOptions(own=frozenset({("p.example", 5060)}), served=frozenset({("ims.example", None)}))


def request(uri="sip:bob@example.com", *routes: str, **headers: object) -> Request:
    lines = [
        ("Via", "SIP/2.0/UDP a;branch=z9hG4bK1"),
        ("From", "<sip:a@h>;tag=1"),
        ("To", "<sip:b@h>"),
        ("Call-ID", "c"),
        ("CSeq", "1 INVITE"),
        *(("Route", route) for route in routes),
        *((name.replace("_", "-"), value) for name, value in headers.items()),
    ]
    return Request.build("INVITE", uri, lines)


@pytest.mark.parametrize(
    ("uri", "own"),
    [
        ("sip:p.example", True),
        ("sip:x@P.Example:5060;transport=tcp", True),
        ("sip:p.example:5070", False),
        ("sips:p.example", False),
        ("sip:ims.example", True),
        ("sip:IMS.example.", True),
        ("sip:ims.example:5060", False),
        ("sip:other.example", False),
        ("tel:+1", False),
    ],
)
def test_which_uris_are_own(uri, own) -> None:
    assert OPTIONS.is_own(Uri.parse(uri)) is own


@pytest.mark.parametrize(
    ("uri", "routes", "addressed"),
    [
        ("sip:p.example", (), True),
        ("sip:ims.example", (), True),
        ("sip:bob@ims.example", (), False),
        ("sip:p.example", ("<sip:next;lr>",), False),
        ("sip:other.example", (), False),
    ],
)
def test_a_request_for_the_proxy_itself(uri, routes, addressed) -> None:
    assert OPTIONS.is_addressed(request(uri, *routes)) is addressed


class TestRoutesThatLedHere:
    def test_they_are_taken_from_the_top(self) -> None:
        message = request("sip:b@h", "<sip:tok@p.example;lr>, <sip:p.example;lr;transport=tcp>", "<sip:next;lr>")
        assert [route.uri.user for route in take_own_routes(message, OPTIONS)] == ["tok", None]
        assert [route.uri.host for route in message.routes] == ["next"]

    def test_others_stay(self) -> None:
        message = request("sip:b@h", "<sip:next;lr>", "<sip:p.example;lr>")
        assert take_own_routes(message, OPTIONS) == ()
        assert len(message.routes) == 2
        assert take_own_routes(request(), OPTIONS) == ()

    def test_a_strict_routers_doing_is_undone(self) -> None:
        # RFC 3261 §16.4: our Record-Route value came as the Request-URI, the target is last in Route
        message = request("sip:tok@p.example;lr", "<sip:next;lr>", "<sip:b@h>")
        (taken,) = take_own_routes(message, OPTIONS)
        assert taken.uri.user == "tok"
        assert message.uri_text == "sip:b@h"
        assert [route.uri.host for route in message.routes] == ["next"]

    @pytest.mark.parametrize("uri", ["sip:p.example", "sip:ims.example", "sip:bob@ims.example;lr"])
    def test_our_own_domain_as_target_is_no_strict_router(self, uri: str) -> None:
        """RFC 3261 §16.4: only a value that this proxy may have written itself."""
        message = request(uri, "<sip:next;lr>")
        assert take_own_routes(message, OPTIONS) == ()
        assert message.uri_text == uri


@pytest.mark.parametrize(("before", "after"), [(None, 70), (70, 69), (1, 0)])
def test_a_hop_is_counted(before, after) -> None:
    message = request(**({} if before is None else {"Max_Forwards": before}))
    decrement_max_forwards(message)
    assert message.max_forwards == after


class TestTheNextHop:
    def test_it_is_the_request_uri_or_the_topmost_route(self) -> None:
        assert str(next_hop_uri(request())) == "sip:bob@example.com"
        assert next_hop_uri(request("sip:b@h", "<sip:n1;lr>", "<sip:n2;lr>")).host == "n1"

    def test_a_strict_router_takes_the_request_uri(self) -> None:
        message = request("sip:b@h", "<sip:n1>", "<sip:n2;lr>")
        assert next_hop_uri(message).host == "n1"
        assert message.uri_text == "sip:n1"
        assert [str(route) for route in message.routes] == ["<sip:n2;lr>", "<sip:b@h>"]

    def test_what_is_no_sip_uri_is_no_strict_router(self) -> None:
        message = request("sip:b@h", "<urn:x:y>")
        assert str(next_hop_uri(message)) == "urn:x:y"
        assert message.uri_text == "sip:b@h"


class TestLoops:
    def test_a_branch_with_the_same_end_is_a_loop(self) -> None:
        message = request()
        digest = loop_digest(message, "salt")
        branch = loop_branch(CountingSource(), digest)
        assert branch.startswith("z9hG4bK")
        assert not has_looped(message, digest)
        message.headers.add("Via", f"SIP/2.0/UDP p;branch={branch}")
        message.headers.add("Via", "SIP/2.0/UDP q")
        assert has_looped(message, digest)

    @pytest.mark.parametrize(
        "other",
        [
            request("sip:carol@example.com"),
            request("sip:bob@example.com", "<sip:n;lr>"),
            request(Proxy_Require="x"),
            request(Proxy_Authorization="Digest x=1"),
        ],
        ids=["uri", "route", "require", "credentials"],
    )
    def test_what_is_routed_by_something_else_is_none(self, other) -> None:
        assert loop_digest(other, "salt") != loop_digest(request(), "salt")

    def test_vias_play_no_part_and_proxies_differ(self) -> None:
        message = request()
        digest = loop_digest(message, "salt")
        message.headers.prepend("Via", "SIP/2.0/UDP z;branch=z9hG4bKz")
        assert loop_digest(message, "salt") == digest
        assert loop_digest(message, "pepper") != digest
