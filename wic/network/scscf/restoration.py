"""What an S-CSCF says to a user whose registration it does not have (TS 24.229 §5.1.2A.1.6, TS 23.380 §4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wic.sip.ims3gpp import IMS_3GPP

if TYPE_CHECKING:
    from wic.sip.uri import Uri

RESTORATION_BODY = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<ims-3gpp version="1"><alternative-service><type>restoration</type><reason/>'
    b"<action>initial-registration</action></alternative-service></ims-3gpp>\n"
)
"""Asks the UE to register anew (TS 24.229 §7.6)."""


def restoration_headers(service_route: Uri) -> list[tuple[str, object]]:
    """Return the header fields of the 504: a UE believes it only from whom it knows by the Service-Route."""
    return [("P-Asserted-Identity", f"<{service_route}>"), ("Content-Type", IMS_3GPP)]
