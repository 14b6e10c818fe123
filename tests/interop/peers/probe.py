"""OPTIONS probe of a core in raw SIP over UDP."""

from __future__ import annotations

import asyncio
import secrets
import socket

from .kamailio import DOMAIN

OPTIONS = """\
OPTIONS sip:{user}@{domain}{parameters} SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{token};rport
Max-Forwards: 70
From: <sip:probe@{domain}>;tag={token}
To: <sip:{user}@{domain}>
Call-ID: {token}@127.0.0.1
CSeq: 1 OPTIONS
Contact: <sip:probe@127.0.0.1:{port}>
Accept: application/sdp
Content-Length: 0

"""


async def options(address: str, user: str, parameters: str = "") -> int:
    """Ask `user` for its capabilities through the core at host:port.

    Returns:
        The status of the final answer.
    """
    return await asyncio.to_thread(_ask, address, user, parameters)


def _ask(address: str, user: str, parameters: str) -> int:
    host, port = address.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind(("127.0.0.1", 0))
        asking.settimeout(5)
        asking.connect((host, int(port)))
        port, token = asking.getsockname()[1], secrets.token_hex(8)
        text = OPTIONS.format(user=user, domain=DOMAIN, parameters=parameters, port=port, token=token)
        asking.send(text.replace("\n", "\r\n").encode())
        while (status := int(asking.recv(65535).split(b" ", 2)[1])) < 200:
            pass
        return status
