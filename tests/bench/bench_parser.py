"""REGISTER requests a second that one core parses, beside sipmessage in the same run.

`python tests/bench/bench_parser.py [--json]`. Every message is another one, so that nothing is read from a
cache of values; what counts is processor time, and the best of several rounds.

What is judged is how many times as fast as sipmessage it is, measured by turns in the same run.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import sipmessage
from measuring import Ratio, heading, installed, judge, table

from wic.sip.parser import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wic.sip.message import Message

MESSAGES = 2_000
ROUNDS = 15
PROMISES = {"parse": (1.5, 1.2), "parse and read eleven headers": (2.3, 1.8)}
"""Goal and limit of the ratio to sipmessage's rate."""


def register(number: int) -> bytes:
    """Return the REGISTER of one WIC of many."""
    return (
        "REGISTER sip:ims.example SIP/2.0\r\n"
        f"Via: SIP/2.0/WSS df7jal{number:06}.invalid;branch=z9hG4bK56sdasks{number:06};rport;keep\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:alice{number}@ims.example>;tag=asdyka{number:06}\r\n"
        f"To: <sip:alice{number}@ims.example>\r\n"
        f"Call-ID: 3848276298220188511@{number:06}\r\n"
        f"CSeq: {number + 1} REGISTER\r\n"
        f"Contact: <sip:alice{number}@df7jal{number:06}.invalid;transport=ws>;reg-id=1"
        f';+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-{number:012}>"\r\n'
        "Expires: 600000\r\n"
        "Supported: path, gruu, outbound\r\n"
        f'Authorization: Digest username="alice{number}@ims.example", realm="ims.example", '
        f'nonce="{number:032x}", uri="sip:ims.example", response="{number:064x}", algorithm=SHA-256, '
        f'qop=auth, nc=00000001, cnonce="{number:016x}"\r\n'
        "Allow: INVITE,ACK,CANCEL,BYE,OPTIONS\r\n"
        "User-Agent: wic\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def read(message: Message) -> tuple[object, ...]:
    """Read eleven headers as typed values."""
    return (
        message.via,
        message.from_,
        message.to,
        message.call_id,
        message.cseq,
        message.contacts,
        message.max_forwards,
        message.expires,
        message.supported,
        message.auth("Authorization"),
        message.content_length,
    )


def read_peer(message: Any) -> tuple[object, ...]:
    """Read the same headers by sipmessage."""
    return (
        message.via,
        message.from_address,
        message.to_address,
        message.call_id,
        message.cseq,
        message.contact,
        message.max_forwards,
        message.expires,
        message.supported,
        message.authorization,
        message.content_length,
    )


def rates(works: Sequence[Callable[[bytes], object]], messages: list[bytes]) -> list[int]:
    """Return how many messages a second of processor time each of `works` takes, best of the rounds.

    They take turns, so that other load on the machine disturbs all of them alike.
    """
    best = [0.0] * len(works)
    for _ in range(ROUNDS):
        for index, work in enumerate(works):
            begun = time.process_time()
            for data in messages:
                work(data)
            best[index] = max(best[index], len(messages) / (time.process_time() - begun))
    return [round(rate) for rate in best]


def main() -> int:
    """Measure, print, and compare with the floors."""
    messages = [register(number) for number in range(MESSAGES)]
    works: dict[str, tuple[Callable[[bytes], object], Callable[[bytes], object]]] = {
        "parse": (parse, sipmessage.Message.parse),
        "parse and read eleven headers": (
            lambda data: read(parse(data)),
            lambda data: read_peer(sipmessage.Message.parse(data)),
        ),
    }
    figures = {}
    for name, contestants in works.items():
        wic, peer = rates(contestants, messages)
        figures[name] = {"wic": wic, "sipmessage": peer, "ratio": round(wic / peer, 2)}
    as_json = "--json" in sys.argv[1:]
    if as_json:
        print(json.dumps({"messages_per_second": figures}))
    else:
        print(heading(__doc__, installed("sipmessage")))
        head = ["REGISTER, messages/s", "wic", "sipmessage", "ratio"]
        print(table(head, [[name, *(f"{value:,}" for value in figure.values())] for name, figure in figures.items()]))
    ratios = [Ratio(f"{name}, wic / sipmessage", figure["ratio"], *PROMISES[name]) for name, figure in figures.items()]
    return judge(ratios, show=not as_json)


if __name__ == "__main__":
    sys.exit(main())
