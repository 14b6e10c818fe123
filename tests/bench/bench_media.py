"""100 two-way G.711 calls at a time from one process: CPU, memory and loss, beside stock aiortc.

`python tests/bench/bench_media.py [--calls N] [--seconds S] [--json]`. Every row is a process of its own that
holds both ends of its calls, so 100 calls are 200 endpoints. CPU is user and system time of that process:

- wic: transports and streams of `wic.media`, DTLS-SRTP, RTCP and statistics. There are no sinks, so nothing is decoded.
- wic, decoding: the same, and both ends decode what they hear through the jitter buffer, as aiortc always does.
- wic clients: as many pairs of registered `wic.Client`, through an IMS network in another process. Its eIMS-AGW
  relays every packet twice: DTLS-SRTP to plain RTP, and back.
- aiortc: `RTCPeerConnection` with `AudioStreamTrack` and `MediaBlackhole`. Fewer calls, as 100 are too many for it.
- pump: the floor that pylibsrtp and sockets leave to Python, without ICE, DTLS, RTCP and statistics.

The CPU of a packet and memory are judged as multiples of wic's, lost packets as a share.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from ims import network
from measuring import Ratio, cpu_seconds, heading, installed, judge, resident_bytes, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

AT_ONCE = 5
SETTLING = 1.0
"""Seconds between the last set-up and the measurement."""
ON_THE_WAY = 0.2
"""Seconds after which the last packet sent has come."""


WIC = ("wic", "wic, decoding", "wic clients")
"""Parts that count lost packets."""
LOST = 1.0
"""Most packets lost, of a thousand: none is lost unless other programs take the processor for so long that sockets fill."""


class Meter:
    """CPU and memory of this process."""

    def __init__(self) -> None:
        self._memory = resident_bytes()
        self.start()

    def start(self) -> None:
        self._cpu, self._began = cpu_seconds(), time.monotonic()

    def cpu_ms(self, count: int) -> float:
        return 1000 * (cpu_seconds() - self._cpu) / count

    def percent(self, calls: int) -> float:
        return 100 * (cpu_seconds() - self._cpu) / (time.monotonic() - self._began) / calls

    def memory_kb(self, count: int) -> float:
        return (resident_bytes() - self._memory) / 1024 / count


def in_turns(items: list[T]) -> Iterator[list[T]]:
    """Yield the items in groups that begin together."""
    for first in range(0, len(items), AT_ONCE):
        yield items[first : first + AT_ONCE]


def counted(reports: Iterable[Any]) -> dict[str, float]:
    """Sum up the reports of streams."""
    known = list(reports)
    return {
        "sent": sum(report.sent for report in known),
        "received": sum(report.received for report in known),
        "lost": sum(report.lost for report in known),
        "jitter_ms": max(report.jitter_ms for report in known),
    }


async def wic_calls(calls: int, seconds: float, *, decoding: bool = False) -> dict[str, float]:
    from wic.media import AudioStream, Certificate, Count, MediaTransport, MediaTransportOptions, PcmSink, Tone
    from wic.sdp.codecs import PCMU

    certificates = Certificate.generate(), Certificate.generate()
    options = MediaTransportOptions(addresses=("127.0.0.1",))
    meter = Meter()
    pairs = [tuple(MediaTransport(certificate, options) for certificate in certificates) for _ in range(calls)]

    async def connect(one: MediaTransport, other: MediaTransport) -> None:
        offer, answer = await one.gather(), await other.gather()
        await asyncio.gather(
            one.connect(answer, controlling=True, dtls_role="passive"),
            other.connect(offer, controlling=False, dtls_role="active"),
        )

    for some in in_turns(pairs):
        await asyncio.gather(*(connect(*pair) for pair in some))
    setup = meter.cpu_ms(2 * calls)
    sink = PcmSink if decoding else Count
    streams = [AudioStream(transport, PCMU, Tone(440), [sink()]) for pair in pairs for transport in pair]
    for stream in streams:
        stream.start()
    await asyncio.sleep(SETTLING)
    meter.start()
    before = sum(stream.report().received for stream in streams)
    await asyncio.sleep(seconds)
    percent, received = meter.percent(calls), sum(stream.report().received for stream in streams) - before
    memory = meter.memory_kb(2 * calls)
    await asyncio.sleep(ON_THE_WAY)
    figures = counted(stream.report() for stream in streams)
    for stream in streams:
        stream.stop()
    await asyncio.gather(*(transport.close() for pair in pairs for transport in pair))
    return figures | {
        "setup_ms": setup,
        "memory_kb": memory,
        "percent": percent,
        "packets_per_second": received / seconds / len(streams),
    }


async def wic_decoding(calls: int, seconds: float) -> dict[str, float]:
    return await wic_calls(calls, seconds, decoding=True)


async def wic_clients(calls: int, seconds: float) -> dict[str, float]:
    from wic import Account, Client, ClientOptions, Tone
    from wic.sdp.codecs import PCMU

    names = [f"{side}{number}" for side in ("caller", "called") for number in range(calls)]
    options = ClientOptions(codecs=(PCMU,))

    async def answer(client: Client) -> None:
        call = await anext(client.incoming())
        await call.answer(audio=Tone(880))

    async def make_call(caller: Client, called: Client) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(answer(called))
            call = await caller.call(called.account.impu, audio=Tone(440), data=False)
            await call.answered(timeout=30)

    with network(*names) as ims:
        clients = [Client(Account.load(name, ims.accounts), options) for name in names]
        async with AsyncExitStack() as registered:
            for some in in_turns(clients):
                await asyncio.gather(*(registered.enter_async_context(client) for client in some))
            meter = Meter()
            for pairs in in_turns(list(zip(clients[:calls], clients[calls:], strict=True))):
                await asyncio.gather(*(make_call(*pair) for pair in pairs))
            setup, ends = meter.cpu_ms(2 * calls), [client.calls[0] for client in clients]
            await asyncio.sleep(SETTLING)
            before = counted(end.report().media[0] for end in ends)
            network_cpu = ims.cpu_seconds()
            meter.start()
            await asyncio.sleep(seconds)
            percent, network_cpu = meter.percent(calls), ims.cpu_seconds() - network_cpu
            after, memory = counted(end.report().media[0] for end in ends), meter.memory_kb(2 * calls)
            await asyncio.sleep(ON_THE_WAY)
            figures = counted(end.report().media[0] for end in ends)
    return figures | {
        "setup_ms": setup,
        "memory_kb": memory,
        "percent": percent,
        "network_percent": 100 * network_cpu / seconds / calls,
        "packets_per_second": (after["received"] - before["received"]) / seconds / len(ends),
    }


async def aiortc_calls(calls: int, seconds: float) -> dict[str, float]:
    from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender
    from aiortc.contrib.media import MediaBlackhole
    from aiortc.mediastreams import AudioStreamTrack

    pcmu = [codec for codec in RTCRtpSender.getCapabilities("audio").codecs if codec.mimeType == "audio/PCMU"]
    sinks: list[MediaBlackhole] = []

    def endpoint() -> RTCPeerConnection:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        sink = MediaBlackhole()
        sinks.append(sink)
        peer.on("track", sink.addTrack)
        return peer

    async def connect(one: RTCPeerConnection, other: RTCPeerConnection) -> None:
        connected = [asyncio.Event(), asyncio.Event()]
        for peer, event in zip((one, other), connected, strict=True):
            peer.on("connectionstatechange", lambda p=peer, e=event: p.connectionState == "connected" and e.set())
        one.addTrack(AudioStreamTrack())
        one.getTransceivers()[0].setCodecPreferences(pcmu)
        await one.setLocalDescription(await one.createOffer())
        await other.setRemoteDescription(one.localDescription)
        other.addTrack(AudioStreamTrack())
        await other.setLocalDescription(await other.createAnswer())
        await one.setRemoteDescription(other.localDescription)
        await asyncio.gather(*(event.wait() for event in connected))

    meter = Meter()
    pairs = [(endpoint(), endpoint()) for _ in range(calls)]
    # Its calls send from the moment they are connected; measured on the first few, that hardly shows.
    for pair in pairs[:AT_ONCE]:
        await connect(*pair)
    setup = meter.cpu_ms(2 * min(calls, AT_ONCE))
    for pair in pairs[AT_ONCE:]:
        await connect(*pair)
    await asyncio.gather(*(sink.start() for sink in sinks))
    await asyncio.sleep(SETTLING)
    before = await _aiortc_received(pairs)
    meter.start()
    await asyncio.sleep(seconds)
    percent, received = meter.percent(calls), await _aiortc_received(pairs) - before
    memory = meter.memory_kb(2 * calls)
    await asyncio.gather(*(peer.close() for pair in pairs for peer in pair))
    return {
        "setup_ms": setup,
        "memory_kb": memory,
        "percent": percent,
        "packets_per_second": received / seconds / (2 * calls),
    }


async def _aiortc_received(pairs: list) -> int:  # type: ignore[type-arg]
    received = 0
    for pair in pairs:
        for peer in pair:
            for report in (await peer.getStats()).values():
                received += report.packetsReceived if report.type == "inbound-rtp" else 0
    return received


async def pump_calls(calls: int, seconds: float) -> dict[str, float]:
    import pylibsrtp

    loop = asyncio.get_running_loop()
    received = 0

    def bound() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.bind(("127.0.0.1", 0))
        return made

    def session(kind: int) -> pylibsrtp.Session:
        return pylibsrtp.Session(pylibsrtp.Policy(key=bytes(30), ssrc_type=kind))

    def reader(sock: socket.socket) -> None:
        srtp = session(pylibsrtp.Policy.SSRC_ANY_INBOUND)

        def readable() -> None:
            nonlocal received
            srtp.unprotect(sock.recv(2048))
            received += 1

        loop.add_reader(sock, readable)

    senders = []
    sockets: list[socket.socket] = []
    for number in range(calls):
        ends = bound(), bound()
        sockets += ends
        for end, other in (ends, ends[::-1]):
            reader(end)
            ssrc = (2 * number + (end is ends[0])).to_bytes(4, "big")
            senders.append((end, session(pylibsrtp.Policy.SSRC_ANY_OUTBOUND), other.getsockname(), ssrc))
    meter, began = Meter(), loop.time()
    beats = int(seconds / 0.02)
    payload = bytes(160)
    for beat in range(beats):
        for end, srtp, address, ssrc in senders:
            header = b"\x80\x00" + beat.to_bytes(2, "big") + (160 * beat).to_bytes(4, "big") + ssrc
            end.sendto(srtp.protect(header + payload), address)
        await asyncio.sleep(max(0.0, began + 0.02 * (beat + 1) - loop.time()))
    percent = meter.percent(calls)
    for sock in sockets:
        loop.remove_reader(sock)
        sock.close()
    return {"percent": percent, "packets_per_second": received / seconds / (2 * calls)}


PARTS: dict[str, Callable[[int, float], Any]] = {
    "wic": wic_calls,
    "wic, decoding": wic_decoding,
    "wic clients": wic_clients,
    "aiortc": aiortc_calls,
    "pump": pump_calls,
}


def run_part(name: str, calls: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", name, "--calls", str(calls), "--seconds", str(seconds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return {"calls": calls, **json.loads(done.stdout)}


def show(results: dict[str, dict[str, float]], ratios: dict[str, float]) -> None:
    formats = {
        "calls": "{:.0f}",
        "percent": "{:.3f} %",
        "network_percent": "{:.3f} %",
        "setup_ms": "{:.1f} ms",
        "memory_kb": "{:.0f} kB",
        "packets_per_second": "{:.1f}",
        "lost": "{:.0f}",
    }
    head = ["", "calls", "CPU per call", "of the network", "set-up per end", "memory per end", "packets/s", "lost"]
    rows = [
        [name, *(form.format(result[key]) if key in result else "-" for key, form in formats.items())]
        for name, result in results.items()
    ]
    print(table(head, rows))
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--aiortc-calls", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        gc.freeze()
        print(json.dumps(asyncio.run(PARTS[arguments.part](arguments.calls, arguments.seconds))))
        return 0
    if not arguments.json:
        print(heading(__doc__, installed("aiortc", "aioice", "pylibsrtp")))
    results = {
        name: run_part(name, arguments.aiortc_calls if name == "aiortc" else arguments.calls, arguments.seconds)
        for name in PARTS
    }
    wic, aiortc = results["wic"], results["aiortc"]
    # A call that gets less of the processor than it needs sends fewer packets: what each costs is comparable.
    per_packet = {name: result["percent"] / result["packets_per_second"] for name, result in results.items()}
    ratios = {
        "cpu_aiortc_to_wic": per_packet["aiortc"] / per_packet["wic"],
        "cpu_aiortc_to_wic_decoding": per_packet["aiortc"] / per_packet["wic, decoding"],
        "cpu_aiortc_to_wic_clients": per_packet["aiortc"] / per_packet["wic clients"],
        "cpu_wic_to_pump": per_packet["wic"] / per_packet["pump"],
        "setup_aiortc_to_wic": aiortc["setup_ms"] / wic["setup_ms"],
        "memory_aiortc_to_wic": aiortc["memory_kb"] / wic["memory_kb"],
    }
    if arguments.json:
        print(json.dumps({"results": results, "ratios": ratios}))
    else:
        show(results, ratios)
    received = sum(results[name]["received"] for name in WIC)
    judged = [
        Ratio("CPU of a packet, aiortc / wic", ratios["cpu_aiortc_to_wic"], 15.0, 4.0),
        Ratio("CPU of a packet, aiortc / wic, decoding", ratios["cpu_aiortc_to_wic_decoding"], 12.0, 3.5),
        Ratio("memory, aiortc / wic", ratios["memory_aiortc_to_wic"], 6.0, 4.0),
        Ratio("packets lost, of a thousand", 1000 * sum(results[name]["lost"] for name in WIC) / received, 0.0, LOST),
    ]
    return judge(judged, show=not arguments.json)


if __name__ == "__main__":
    sys.exit(main())
