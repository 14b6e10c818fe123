"""Header fields that must not cross the boundary of the trust domain (TS 24.229 §4.4, RFC 3325 §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.errors import MalformedHeader

if TYPE_CHECKING:
    from wic.sip.message import Message

_NETWORK_ONLY = (
    "P-Charging-Vector",
    "P-Charging-Function-Addresses",
    "P-Visited-Network-ID",
    "P-User-Database",
    "P-Served-User",
    "P-Profile-Key",
    "P-Private-Network-Indication",
    "P-Refused-URI-List",
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
_ACCESS_INFO = "P-Access-Network-Info"

_ASSERTED_BY_NETWORK = (
    "P-Asserted-Identity",
    "P-Asserted-Service",
    "P-Associated-URI",
    "P-Called-Party-ID",
    "P-Early-Media-Authorization",
    "Feature-Caps",
    "History-Info",
    "Response-Source",
    "Additional-Identity",
)
"""Header fields that only the network may write: removed from messages that come from outside."""


def clean_from_outside(message: Message) -> None:
    """Remove the header fields that a message from outside must not have."""
    remove_all(message, (*_NETWORK_ONLY, *_ASSERTED_BY_NETWORK))
    _keep_own_access_info(message)


def clean_to_outside(message: Message) -> None:
    """Remove the header fields that must not leave the network."""
    # RFC 7315 §5.4: the location of one user is not for the other.
    remove_all(message, (*_NETWORK_ONLY, _ACCESS_INFO))
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
    """Remove access network information that claims to be provided by the network (TS 24.229 §4.4.3, RFC 7315 §5.4)."""
    if _ACCESS_INFO not in message.headers:
        return
    try:
        values = message.headers.values(_ACCESS_INFO)
    except MalformedHeader:
        values = []
    message.headers.remove(_ACCESS_INFO)
    for value in values:
        if not any(part.strip().lower() == "network-provided" for part in value.split(";")):
            message.headers.add(_ACCESS_INFO, value)
