import pytest

from wic.sip.headers.address import NameAddr
from wic.sip.routing import is_loose, port_of, route
from wic.sip.uri import Uri

TARGET = Uri.parse("sip:bob@10.0.0.2")


def hops(*texts: str) -> tuple[NameAddr, ...]:
    return tuple(NameAddr.parse(text) for text in texts)


def test_without_routes_the_target_is_all() -> None:
    assert route(TARGET, ()) == (TARGET, ())


def test_loose_routers_leave_the_request_uri_alone() -> None:
    route_set = hops("<sip:p1;lr>", "<sip:p2>")
    assert is_loose(route_set[0].uri)
    assert route(TARGET, route_set) == (TARGET, route_set)


def test_a_strict_router_takes_the_request_uri() -> None:
    uri, routes = route(TARGET, hops("<sip:p1;transport=udp;method=BYE?Subject=x>", "<sip:p2;lr>"))
    assert str(uri) == "sip:p1;transport=udp"
    assert [str(hop) for hop in routes] == ["<sip:p2;lr>", "<sip:bob@10.0.0.2>"]


@pytest.mark.parametrize(
    ("uri", "port"),
    [
        ("sip:h", 5060),
        ("sips:h", 5061),
        ("sip:h:7000", 7000),
        ("sip:h;transport=ws", 80),
        ("sips:h;transport=ws", 443),
        ("sip:h;transport=tcp", 5060),
        ("tel:+1", 5060),
    ],
)
def test_ports(uri, port) -> None:
    assert port_of(Uri.parse(uri)) == port
