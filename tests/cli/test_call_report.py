from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from wic.client import CallOutcome, CallReport, ChannelReport, MediaReport
from wic_cli.call_report import show_call, show_media
from wic_cli.console import Console
from wic_cli.failures import CommandFailure
from wic_cli.options import CommonOptions
from wic_cli.traffic import TrafficMonitor

MEDIA = MediaReport(
    kind="audio", codec="opus", sent=10, received=9, lost=1, jitter_ms=0.5, rtt_ms=None, mos=4.125, mos_basis="E-model"
)
REPORT = CallReport(
    outcome=CallOutcome.COMPLETED,
    status=200,
    reason="this side hung up",
    call_id="c1",
    direction="outgoing",
    peer="sip:bob@ims.example",
    timings={"invite_to_answer_ms": 12.3, "duration_ms": None},
    media=(MEDIA,),
    channels=(ChannelReport(label="chat", protocol="", sent=1, received=2),),
)


def shown(report: CallReport, *, as_json: bool = False) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    console = Console(as_json=as_json, out=out, err=err)
    show_call(console, report, TrafficMonitor(CommonOptions(console=console, trace=False, pcap=None)))
    return out.getvalue(), err.getvalue()


def test_a_call_in_words_and_tables() -> None:
    text, errors = shown(REPORT)
    assert errors == ""
    assert text.startswith("Call with sip:bob@ims.example: completed (200): this side hung up\n")
    assert "  invite to answer  12 ms\n" in text
    assert "duration" not in text
    assert next(line for line in text.splitlines() if "opus" in line).split()[1:] == [
        "opus",
        "10",
        "9",
        "1",
        "0.50",
        "-",
        "4.12",
    ]
    assert "MOS: E-model" in text
    assert text.rstrip().splitlines()[-1].split() == ["chat", "-", "1", "2"]


def test_a_call_without_media_has_no_tables() -> None:
    failed = replace(REPORT, outcome=CallOutcome.REJECTED, status=None, media=(), channels=())
    text, _ = shown(failed)
    assert "rejected: " in text
    assert "Media" not in text


def test_the_document_has_the_public_keys() -> None:
    out, err = shown(REPORT, as_json=True)
    document = json.loads(out)
    assert {"outcome", "status", "reason", "call_id", "timings", "media", "channels", "emergency"} <= set(document)
    assert {"kind", "codec", "sent", "received", "lost", "jitter_ms", "mos"} <= set(document["media"][0])
    assert "completed" in err


FAULT = CommandFailure(outcome="failed", reason="The disk is full.", error="OutputFailed")


@pytest.mark.parametrize("told", ["", "busy"])
@pytest.mark.parametrize("fault", [None, FAULT])
@pytest.mark.parametrize(
    "outcome", [CallOutcome.COMPLETED, CallOutcome.REJECTED, CallOutcome.CANCELLED, CallOutcome.FAILED]
)
def test_text_document_and_exit_code_have_one_outcome(outcome, fault, told) -> None:
    out, err = io.StringIO(), io.StringIO()
    console = Console(as_json=True, out=out, err=err)
    traffic = TrafficMonitor(CommonOptions(console=console, trace=False, pcap=None))
    report = replace(REPORT, outcome=outcome, error=None if outcome is CallOutcome.COMPLETED else "CallFailed")
    returned = show_call(console, report, traffic, told=told, fault=fault)
    document = json.loads(out.getvalue())
    assert f"Call with sip:bob@ims.example: {document['outcome']} (200)" in err.getvalue()
    assert document["outcome"] == returned == (CallOutcome.FAILED if fault and not report.error else outcome)
    assert (document["error"] is None) == (returned is CallOutcome.COMPLETED)


def test_the_reports_of_two_sides_are_named() -> None:
    out = io.StringIO()
    show_media(Console(out=out, err=out), {"alice": REPORT, "bob": REPORT})
    assert [line.split()[0] for line in out.getvalue().splitlines() if "opus" in line] == ["alice", "bob"]
