"""Call set-up, one call after another: time to the first media and CPU, beside stock aiortc.

`python tests/bench/bench_calls.py [--calls N] [--json]`. Three ways to a two-way G.711 call on loopback, each
in a process of its own that holds both ends:

- clients: two `wic.Client`, through an IMS network in a third process. From INVITE to the caller's first RTP
  packet: SIP over WSS through eP-CSCF and S-CSCF and back, 180 and 200, and two eIMS-AGW legs, so four
  ICE and DTLS-SRTP endpoints instead of two.
- media: the same clients' media alone, offer and answer handed over in memory. This is what aiortc does.
- aiortc: two `RTCPeerConnection`, `createOffer` to the offerer's first RTP packet. It makes a certificate for
  each connection; wic makes one for each client.

CPU is user and system time of the process, per call, from its beginning to its end. The CPU of both is judged; times to the
first media are shown, for they are those of the machine and of its load.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from ims import network
from measuring import Ratio, cpu_seconds, heading, installed, judge, percentile, table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WARM_UP = 5
TIMEOUT = 20.0


async def repeat(calls: int, one_call: Callable[[], Awaitable[float]]) -> dict[str, Any]:
    """Make calls one after another; each returns its seconds to the first media."""
    for _ in range(WARM_UP):
        await one_call()
    gc.collect()
    began = cpu_seconds()
    seconds = [await one_call() for _ in range(calls)]
    return {"cpu_ms": 1000 * (cpu_seconds() - began) / calls, "first_media_ms": [1000 * one for one in seconds]}


async def through_the_network(calls: int) -> dict[str, Any]:
    """Let one client call another."""
    from wic import Account, Client, ClientOptions, Tone
    from wic.sdp.codecs import PCMU

    with network("alice", "bob") as ims:
        options = ClientOptions(codecs=(PCMU,))
        alice, bob = (Client(Account.load(name, ims.accounts), options) for name in ("alice", "bob"))

        async def answer_all() -> None:
            async for call in bob.incoming():
                bob.tasks.start(call.answer(audio=Tone(880)), "an answer")

        async def one_call() -> float:
            call = await alice.call(bob.account.impu, audio=Tone(440), data=False)
            await call.answered(timeout=TIMEOUT)
            while (first := call.report().timings["invite_to_first_media_ms"]) is None:  # noqa: ASYNC110, its figure
                await asyncio.sleep(0.005)
            await call.hangup()
            return first / 1000

        async with bob, alice:
            answering = asyncio.create_task(answer_all())
            for _ in range(WARM_UP):
                await one_call()
            before = ims.cpu_seconds()
            result = await repeat(calls, one_call)
            result["network_cpu_ms"] = 1000 * (ims.cpu_seconds() - before) / (calls + WARM_UP)
            answering.cancel()
    return result


async def media_alone(calls: int) -> dict[str, Any]:
    """Let the media of two clients find each other, without SIP."""
    from wic import Tone
    from wic.call import Agreement
    from wic.client.call_media import CallMedia
    from wic.media import Certificate, MediaTransportOptions
    from wic.sdp.codecs import PCMU

    certificates = Certificate.generate(), Certificate.generate()
    options = MediaTransportOptions(addresses=("127.0.0.1",))

    async def one_call() -> float:
        one, other = (CallMedia(certificate, options, (PCMU,)) for certificate in certificates)
        heard = asyncio.Event()
        one.on_first_packet = heard.set
        one.play(Tone(440))
        other.play(Tone(880))
        began = time.perf_counter()
        offer = await one.offer(data=False)
        answer = await other.answer(offer)
        await asyncio.gather(
            one.connect(Agreement.of(offer=offer, answer=answer, offered_here=True)),
            other.connect(Agreement.of(offer=offer, answer=answer, offered_here=False)),
        )
        await asyncio.wait_for(heard.wait(), TIMEOUT)
        seconds = time.perf_counter() - began
        await asyncio.gather(one.close(), other.close())
        return seconds

    return await repeat(calls, one_call)


async def with_aiortc(calls: int) -> dict[str, Any]:
    """Let two peer connections find each other."""
    from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender
    from aiortc.mediastreams import AudioStreamTrack

    pcmu = [codec for codec in RTCRtpSender.getCapabilities("audio").codecs if codec.mimeType == "audio/PCMU"]

    async def one_call() -> float:
        one, other = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
        heard = asyncio.Event()
        one.addTrack(AudioStreamTrack())
        transceiver = one.getTransceivers()[0]
        transceiver.setCodecPreferences(pcmu)
        # The packet itself: its first decoded frame comes 80 ms of jitter buffer later.
        receive = transceiver.receiver._handle_rtp_packet

        async def received(packet: Any, arrival_time_ms: int) -> None:
            heard.set()
            await receive(packet, arrival_time_ms=arrival_time_ms)

        setattr(transceiver.receiver, "_handle_rtp_packet", received)  # noqa: B010 - it is a method to mypy
        began = time.perf_counter()
        await one.setLocalDescription(await one.createOffer())
        await other.setRemoteDescription(one.localDescription)
        other.addTrack(AudioStreamTrack())
        await other.setLocalDescription(await other.createAnswer())
        await one.setRemoteDescription(other.localDescription)
        await asyncio.wait_for(heard.wait(), TIMEOUT)
        seconds = time.perf_counter() - began
        await asyncio.gather(one.close(), other.close())
        return seconds

    return await repeat(calls, one_call)


PARTS = {"clients": through_the_network, "media": media_alone, "aiortc": with_aiortc}


def run_part(name: str, calls: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--part", name, "--calls", str(calls)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def compare(calls: int, rounds: int) -> dict[str, dict[str, float]]:
    """Measure all in turn, several times; times are percentiles over all rounds, CPU is the least of them."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in PARTS}
    for _ in range(rounds):
        for name, results in runs.items():
            results.append(run_part(name, calls))
    return {name: summary(results) for name, results in runs.items()}


def summary(runs: list[dict[str, Any]]) -> dict[str, float]:
    times = [one for run in runs for one in run.pop("first_media_ms")]
    figures = {"first_media_p50_ms": percentile(times, 50), "first_media_p99_ms": percentile(times, 99)}
    return figures | {key: min(run[key] for run in runs) for key in runs[0]}


def show(results: dict[str, dict[str, float]], ratios: dict[str, float]) -> None:
    names = {"clients": "wic, through the IMS network", "media": "wic, media alone", "aiortc": "aiortc"}
    rows = []
    for name, result in results.items():
        network_cpu = f"{result['network_cpu_ms']:.1f} ms" if "network_cpu_ms" in result else "-"
        first = [f"{result[f'first_media_{rank}_ms']:.0f} ms" for rank in ("p50", "p99")]
        rows.append([names[name], *first, f"{result['cpu_ms']:.1f} ms", network_cpu])
    print(table(["", "first media p50", "p99", "CPU per call, both ends", "CPU of the network"], rows))
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    parser.add_argument("--calls", type=int, default=50, help="calls of each kind in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(asyncio.run(PARTS[options.part](options.calls))))
        return 0
    if not options.json:
        print(heading(__doc__, installed("aiortc", "aioice")))
    results = compare(options.calls, options.rounds)
    aiortc, media, clients = results["aiortc"], results["media"], results["clients"]
    ratios = {
        "cpu_aiortc_to_wic_media": aiortc["cpu_ms"] / media["cpu_ms"],
        "first_media_p50_aiortc_to_wic_media": aiortc["first_media_p50_ms"] / media["first_media_p50_ms"],
        "first_media_p99_aiortc_to_wic_media": aiortc["first_media_p99_ms"] / media["first_media_p99_ms"],
        "cpu_aiortc_to_wic_clients": aiortc["cpu_ms"] / clients["cpu_ms"],
        "first_media_p50_aiortc_to_wic_clients": aiortc["first_media_p50_ms"] / clients["first_media_p50_ms"],
        "first_media_p99_aiortc_to_wic_clients": aiortc["first_media_p99_ms"] / clients["first_media_p99_ms"],
    }
    if options.json:
        print(json.dumps({"calls": options.calls * options.rounds, "results": results, "ratios": ratios}))
    else:
        show(results, ratios)
    judged = [
        Ratio("CPU, aiortc / wic media", ratios["cpu_aiortc_to_wic_media"], 3.5, 1.6),
        Ratio("CPU, aiortc / wic clients", ratios["cpu_aiortc_to_wic_clients"], 1.1, 0.55),
    ]
    return judge(judged, show=not options.json)


if __name__ == "__main__":
    sys.exit(main())
