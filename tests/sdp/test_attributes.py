from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wic.sdp.attributes import (
    Fingerprint,
    Fmtp,
    MediaDirection,
    RtcpAddress,
    Rtpmap,
    Setup,
    ThreeGe2ae,
    address_type,
    parse_number,
    parse_tls_id,
)
from wic.sdp.errors import SdpRefused


@pytest.mark.parametrize("text", ["", "-1", "65536", "1e3", "٣", "9" * 40, " 1"])
def test_numbers_out_of_range_or_no_numbers_are_refused(text: str) -> None:
    with pytest.raises(SdpRefused, match="port must be a number from 0 to 65535"):
        parse_number(text, name="port", high=65535)


@pytest.mark.parametrize(
    ("direction", "sends", "receives", "reverse"),
    [
        (MediaDirection.SENDRECV, True, True, MediaDirection.SENDRECV),
        (MediaDirection.SENDONLY, True, False, MediaDirection.RECVONLY),
        (MediaDirection.RECVONLY, False, True, MediaDirection.SENDONLY),
        (MediaDirection.INACTIVE, False, False, MediaDirection.INACTIVE),
    ],
)
def test_direction(direction: MediaDirection, sends: bool, receives: bool, reverse: MediaDirection) -> None:
    assert (direction.sends, direction.receives, direction.reversed) == (sends, receives, reverse)


def test_setup() -> None:
    assert Setup.parse(" ActPass ") is Setup.ACTPASS
    with pytest.raises(SdpRefused, match="names no role"):
        Setup.parse("both")


@pytest.mark.parametrize(
    ("text", "indicator"),
    [("requested", ThreeGe2ae.REQUESTED), ("Applied", ThreeGe2ae.APPLIED), ("later", None), ("", None)],
)
def test_unknown_indicators_of_3ge2ae_are_ignored(text: str, indicator: ThreeGe2ae | None) -> None:
    assert ThreeGe2ae.parse(text) is indicator


def test_fingerprints_compare_in_any_case() -> None:
    assert Fingerprint.parse("SHA-256 ab:cd") == Fingerprint("sha-256", "AB:CD")


@pytest.mark.parametrize("text", ["", "sha-256", "sha-256 AB:C", "sha-256 AB CD", "sha-256 AB:" + "CD:" * 300 + "EF"])
def test_broken_fingerprints_are_refused(text: str) -> None:
    with pytest.raises(SdpRefused, match="fingerprint"):
        Fingerprint.parse(text)


@given(
    st.builds(
        Rtpmap,
        st.integers(0, 127),
        st.from_regex(r"[A-Za-z0-9.-]{1,20}", fullmatch=True),
        st.integers(1, 2**31 - 1),
        st.integers(1, 255),
    )
)
def test_rtpmap_round_trip(value: Rtpmap) -> None:
    assert Rtpmap.parse(str(value)) == value


@pytest.mark.parametrize(
    "text", ["", "0", "0 PCMU", "0 /8000", "128 PCMU/8000", "0 PCMU/0", "0 PCMU/8000/1/2", "x y/1"]
)
def test_broken_rtpmaps_are_refused(text: str) -> None:
    with pytest.raises(SdpRefused):
        Rtpmap.parse(text)


def test_fmtp() -> None:
    value = Fmtp.parse("97 mode-change-capability=2; max-red=220;octet-align")
    assert (value.payload_type, value.get("MAX-RED"), value.get("octet-align"), value.get("crc")) == (
        97,
        "220",
        "",
        None,
    )
    assert str(value) == "97 mode-change-capability=2; max-red=220;octet-align"
    with pytest.raises(SdpRefused):
        Fmtp.parse("mode-set=1")


def test_rtcp_address() -> None:
    assert RtcpAddress.parse("53020") == RtcpAddress(53020)
    assert str(RtcpAddress.parse("53020 IN IP6 2001:db8::1")) == "53020 IN IP6 2001:db8::1"
    assert str(RtcpAddress(9)) == "9"
    with pytest.raises(SdpRefused):
        RtcpAddress.parse("")


def test_address_type() -> None:
    assert (address_type("192.0.2.1"), address_type("::1"), address_type("host.invalid")) == ("IP4", "IP6", "IP4")


def test_tls_id() -> None:
    assert parse_tls_id(" " + "a+/-_" * 4 + " ") == "a+/-_" * 4
    for text in ("a" * 19, "a" * 256, "ä" * 20):
        with pytest.raises(SdpRefused):
            parse_tls_id(text)
