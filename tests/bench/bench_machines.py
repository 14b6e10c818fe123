"""Cost of a request and its answer from endpoint to endpoint, without sockets.

`python tests/bench/bench_machines.py [--json]`. There is no peer here: those who have transactions have
them tied to sockets. Both ends run in one process and one core; messages are built, parsed, checked and
matched at each of them. Processor time; on UDP answered requests wait for Timer J.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from measuring import heading, table

from wic.sip.endpoint import Endpoint
from wic.sip.events import RequestReceived, ResponseReceived
from wic.sip.flow import Flow
from wic.sip.message import Request
from wic.sip.random_source import CountingSource

PAIRS = 20_000
RATE = 1_000
FLOWS = (
    Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.2", 5060)),
    Flow("WSS", ("10.0.0.1", 5060), ("10.0.0.2", 443), "1"),
)


class Pair:
    """Two endpoints, each the other's peer."""

    def __init__(self, there: Flow) -> None:
        self.there, self.back = there, Flow(there.transport, there.remote, there.local, there.id)
        self.client, self.server = (
            Endpoint(random_source=CountingSource("c")),
            Endpoint(random_source=CountingSource("s")),
        )
        self.now = 0.0

    def exchange(self, number: int) -> None:
        """Send one request, and answer it."""
        self.now = number / RATE
        lines = [
            ("From", "<sip:alice@ims.example>;tag=a"),
            ("To", "<sip:bob@ims.example>"),
            ("Call-ID", f"call{number}"),
            ("CSeq", "1 OPTIONS"),
        ]
        self.client.send_request(Request.build("OPTIONS", "sip:bob@ims.example", lines), self.there, now=self.now)
        for transmit in self.client.to_send():
            self.server.receive(transmit.data, self.back, now=self.now)
        asked = self.server.next_event()
        assert isinstance(asked, RequestReceived)
        self.server.reply(asked.transaction, 200, now=self.now)
        for transmit in self.server.to_send():
            self.client.receive(transmit.data, self.there, now=self.now)
        answered = self.client.next_event()
        assert isinstance(answered, ResponseReceived)
        for endpoint in (self.client, self.server):
            endpoint.handle_timeout(now=self.now)


def measure(flow: Flow) -> dict[str, int]:
    """Return the figures of one transport; the peak is that of the process so far."""
    pair = Pair(flow)
    begun = time.process_time()
    for number in range(PAIRS):
        pair.exchange(number)
    spent = time.process_time() - begun
    waiting = pair.client.counters.transactions + pair.server.counters.transactions
    for endpoint in (pair.client, pair.server):
        endpoint.handle_timeout(now=pair.now + 64)
    return {
        "pairs_per_second": round(PAIRS / spent),
        "microseconds_per_pair": round(spent / PAIRS * 1e6),
        "transactions_waiting_at_the_end": waiting,
        "left_after_64_t1": pair.client.counters.transactions + pair.server.counters.transactions,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> int:
    """Measure and print."""
    results = [measure(flow) for flow in reversed(FLOWS)]
    if "--json" in sys.argv[1:]:
        print(json.dumps(dict(zip((flow.transport for flow in reversed(FLOWS)), results, strict=True))))
    else:
        print(heading(__doc__))
        rows = [[name.replace("_", " "), *(f"{result[name]:,}" for result in results)] for name in results[0]]
        print(table(["", *(flow.transport for flow in reversed(FLOWS))], rows))
    return int(any(result["left_after_64_t1"] for result in results))


if __name__ == "__main__":
    sys.exit(main())
