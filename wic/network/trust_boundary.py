"""Header fields that must not cross the boundary of the trust domain (TS 24.229 §4.4, RFC 3325 §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.errors import MalformedHeader

if TYPE_CHECKING:
    from wic.sip.message import Message

_NETWORK_ONLY = (
    "P-Charging-Vector",  # RFC 7315 §4.6
    "P-Charging-Function-Addresses",  # RFC 7315 §4.5
    "P-Visited-Network-ID",  # RFC 7315 §4.3
    "P-User-Database",  # RFC 4457
    "P-Served-User",  # RFC 5502
    "P-Profile-Key",  # RFC 5002
    "P-Private-Network-Indication",  # RFC 7316
    "P-Refused-URI-List",  # RFC 5318
    # the rest is defined by 3GPP itself: TS 24.229 §7.2
    "Relayed-Charge",
    "Restoration-Info",
    "Resource-Share",
    "Priority-Share",
    "Attestation-Info",
    "Origination-Id",
    "Cellular-Network-Info",
    "Service-Interact-Info",
)
"""Header fields for use within the network: removed in both directions."""
_ACCESS_INFO = "P-Access-Network-Info"  # RFC 7315 §4.4
_EARLY_MEDIA = "P-Early-Media"

_ASSERTED_BY_NETWORK = (
    "P-Asserted-Identity",  # RFC 3325 §9.1
    "P-Asserted-Service",  # RFC 6050
    "P-Associated-URI",  # RFC 7315 §4.1
    "P-Called-Party-ID",  # RFC 7315 §4.2
    "Feature-Caps",  # RFC 6809
    "History-Info",  # RFC 7044
    "Response-Source",
    "Additional-Identity",
)
"""Header fields that only the network may write: removed from messages that come from outside."""


def clean_from_outside(message: Message) -> None:
    """Remove the header fields that a message from outside must not have."""
    remove_all(message, (*_NETWORK_ONLY, *_ASSERTED_BY_NETWORK))
    # RFC 5009 §2, §8.1: the trust domain authorizes early media; a UE only says that it supports the header field.
    if any(value.strip().lower() != "supported" for value in message.headers.get_all(_EARLY_MEDIA)):
        message.headers.remove(_EARLY_MEDIA)
    _keep_own_access_info(message)


def clean_to_outside(message: Message) -> None:
    """Remove the header fields that must not leave the network."""
    # RFC 7315 §6.4: the location of one user is not for the other.
    # RFC 3325 §9.2, RFC 6050 §4.2: what a user prefers is for the user's own proxy.
    remove_all(message, (*_NETWORK_ONLY, _ACCESS_INFO, "P-Preferred-Identity", "P-Preferred-Service"))
    # RFC 3325 §7: with "Privacy: id" the identity does not leave the trust domain.
    privacy = {word.strip().lower() for value in message.headers.get_all("Privacy") for word in value.split(";")}
    if "id" in privacy:
        message.headers.remove("P-Asserted-Identity")


def remove_all(message: Message, names: tuple[str, ...]) -> None:
    """Remove header fields; those that are missing are ignored."""
    for name in names:
        if name in message.headers:
            message.headers.remove(name)


def _keep_own_access_info(message: Message) -> None:
    """Remove access network information that claims to be provided by the network (TS 24.229 §4.4.3, RFC 7315 §4.4.2)."""
    if _ACCESS_INFO not in message.headers:
        return
    try:
        values = message.headers.values(_ACCESS_INFO)
    except MalformedHeader:
        values = []  # what cannot be read cannot be trusted
    message.headers.remove(_ACCESS_INFO)
    for value in values:
        if not any(part.strip().lower() == "network-provided" for part in value.split(";")):
            message.headers.add(_ACCESS_INFO, value)
