"""Media: what a two-way G.711 call and its set-up cost, beside stock aiortc and a bare pump.

Every figure comes from a process of its own that holds both ends of its calls, so 100 calls are
200 endpoints. CPU is user and system time of that process; the pump is the floor that pylibsrtp
and sockets leave to Python: no ICE, no DTLS, no RTCP, no statistics.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import time

CONNECTS_AT_ONCE = 5


def cpu() -> float:
    times = os.times()
    return times.user + times.system


def resident_kb() -> float:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


async def wic_calls(calls: int, seconds: float) -> dict[str, float]:
    from wic.media import AudioStream, Certificate, Count, MediaTransport, MediaTransportOptions, Tone
    from wic.sdp.codecs import PCMU

    certificates = Certificate.generate(), Certificate.generate()
    options = MediaTransportOptions(addresses=("127.0.0.1",))
    memory = resident_kb()
    pairs = [tuple(MediaTransport(certificate, options) for certificate in certificates) for _ in range(calls)]

    async def connect(one: MediaTransport, other: MediaTransport) -> None:
        offer, answer = await one.gather(), await other.gather()
        await asyncio.gather(
            one.connect(answer, controlling=True, dtls_role="passive"),
            other.connect(offer, controlling=False, dtls_role="active"),
        )

    start = cpu()
    for first in range(0, calls, CONNECTS_AT_ONCE):
        await asyncio.gather(*(connect(*pair) for pair in pairs[first : first + CONNECTS_AT_ONCE]))
    setup = cpu() - start
    streams = [AudioStream(transport, PCMU, Tone(440), [Count()]) for pair in pairs for transport in pair]
    for stream in streams:
        stream.start()
    await asyncio.sleep(1.0)
    spent, began = cpu(), time.monotonic()
    await asyncio.sleep(seconds)
    spent, elapsed = cpu() - spent, time.monotonic() - began
    memory = resident_kb() - memory
    sent = sum(stream.report().sent for stream in streams)
    await asyncio.sleep(0.2)
    reports = [stream.report() for stream in streams]
    for stream in streams:
        stream.stop()
    await asyncio.gather(*(transport.close() for pair in pairs for transport in pair))
    return {
        "calls": calls,
        "setup_ms": 1000 * setup / (2 * calls),
        "memory_kb": memory / (2 * calls),
        "percent": 100 * spent / elapsed / calls,
        "sent": sent,
        "lost": sum(report.lost for report in reports),
        "packets_per_second": sent / (elapsed + 1.0) / len(streams),
        "jitter_ms": max(report.jitter_ms for report in reports),
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

    memory = resident_kb()
    pairs = [(endpoint(), endpoint()) for _ in range(calls)]
    start = cpu()
    # Its calls send from the moment they are connected; measured on the first few, that hardly shows.
    for pair in pairs[:CONNECTS_AT_ONCE]:
        await connect(*pair)
    setup = (cpu() - start) / (2 * min(calls, CONNECTS_AT_ONCE))
    for pair in pairs[CONNECTS_AT_ONCE:]:
        await connect(*pair)
    await asyncio.gather(*(sink.start() for sink in sinks))
    await asyncio.sleep(1.0)
    before = await _aiortc_received(pairs)
    spent, began = cpu(), time.monotonic()
    await asyncio.sleep(seconds)
    spent, elapsed = cpu() - spent, time.monotonic() - began
    memory = resident_kb() - memory
    received = await _aiortc_received(pairs) - before
    await asyncio.gather(*(peer.close() for pair in pairs for peer in pair))
    return {
        "calls": calls,
        "setup_ms": 1000 * setup,
        "memory_kb": memory / (2 * calls),
        "percent": 100 * spent / elapsed / calls,
        "packets_per_second": received / elapsed / (2 * calls),
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
    sockets = []
    for number in range(calls):
        ends = bound(), bound()
        sockets += ends
        for end, other in (ends, ends[::-1]):
            reader(end)
            ssrc = (2 * number + (end is ends[0])).to_bytes(4, "big")
            senders.append((end, session(pylibsrtp.Policy.SSRC_ANY_OUTBOUND), other.getsockname(), ssrc))
    spent, began = cpu(), loop.time()
    beats = int(seconds / 0.02)
    payload = bytes(160)
    for beat in range(beats):
        for end, srtp, address, ssrc in senders:
            header = b"\x80\x00" + beat.to_bytes(2, "big") + (160 * beat).to_bytes(4, "big") + ssrc
            end.sendto(srtp.protect(header + payload), address)
        await asyncio.sleep(max(0.0, began + 0.02 * (beat + 1) - loop.time()))
    spent, elapsed = cpu() - spent, loop.time() - began
    for sock in sockets:
        loop.remove_reader(sock)
        sock.close()
    return {"calls": calls, "percent": 100 * spent / elapsed / calls, "lost": beats * 2 * calls - received}


PARTS = {"wic": wic_calls, "aiortc": aiortc_calls, "pump": pump_calls}


def run_part(name: str, calls: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", name, "--calls", str(calls), "--seconds", str(seconds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def table(results: dict[str, dict[str, float]]) -> str:
    rows = [("", "calls", "CPU per call", "set-up CPU per endpoint", "memory per endpoint", "packets/s", "lost")]
    for name, result in results.items():
        setup = f"{result['setup_ms']:.1f} ms" if "setup_ms" in result else "-"
        memory = f"{result['memory_kb']:.0f} kB" if "memory_kb" in result else "-"
        pace = f"{result['packets_per_second']:.1f}" if "packets_per_second" in result else "50.0"
        lost = f"{result['lost']:.0f}" if "lost" in result else "-"
        rows.append((name, f"{result['calls']:.0f}", f"{result['percent']:.3f} %", setup, memory, pace, lost))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--aiortc-calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        gc.freeze()
        print(json.dumps(asyncio.run(PARTS[arguments.part](arguments.calls, arguments.seconds))))
        return 0
    results = {
        "wic": run_part("wic", arguments.calls, arguments.seconds),
        "aiortc": run_part("aiortc", arguments.aiortc_calls, arguments.seconds),
        "pump": run_part("pump", arguments.calls, arguments.seconds),
    }
    wic, aiortc = results["wic"], results["aiortc"]
    ratios = {
        "cpu_per_call_aiortc_to_wic": aiortc["percent"] / wic["percent"],
        "cpu_per_call_wic_to_pump": wic["percent"] / results["pump"]["percent"],
        "setup_aiortc_to_wic": aiortc["setup_ms"] / wic["setup_ms"],
    }
    if arguments.json:
        print(json.dumps({"results": results, "ratios": ratios}))
    else:
        print(table(results))
        for name, ratio in ratios.items():
            print(f"{name}: {ratio:.1f}")
    return 1 if wic["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
