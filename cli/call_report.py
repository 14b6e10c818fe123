"""Report of a call, for users and for scripts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wic.client.call_stats import CallOutcome

if TYPE_CHECKING:
    from wic.client.call_stats import CallReport

    from .console import Console
    from .failures import CommandFailure
    from .traffic import TrafficMonitor


def show_call(
    console: Console,
    report: CallReport,
    traffic: TrafficMonitor,
    *,
    told: str = "",
    fault: CommandFailure | None = None,
    ladder: bool = False,
    last: bool = True,
) -> CallOutcome:
    """Print the report of a call that is over: a document for scripts; ladder, outcome and figures for users.

    Both say one outcome, which is also returned, for the exit code.

    Args:
        console: prints it.
        report: the report.
        traffic: has the messages of the call.
        told: the reason of the outcome, if it was printed already; the one who waited may know it better than the report.
        fault: failure of something that was asked of the call, printed already: it fails a call that was completed.
        ladder: print the ladder.
        last: whether the command ends with this call, so that its document is that of the command.
    """
    shown_reason = "" if told else report.reason
    if fault is not None and report.error is None:
        report = replace(report, outcome=CallOutcome.FAILED, reason=fault.reason, error=fault.error)
        shown_reason = ""
    elif told:
        report = replace(report, reason=told)
    if last and report.error is not None:
        console.failure_document(report.to_dict())
    else:
        console.document(report.to_dict())
    if ladder:
        traffic.show_ladder()
    status = f" ({report.status})" if report.status else ""
    reason = f": {shown_reason}" if shown_reason else ""
    console.say(f"Call with {report.peer}: {report.outcome.value}{status}{reason}")
    show_timings(console, report.timings)
    show_media(console, {"": report})
    return report.outcome


def show_timings(console: Console, timings: dict[str, float | None]) -> None:
    """Print times, a line each, without those that were not measured."""
    console.facts(
        {
            name.removesuffix("_ms").replace("_", " "): f"{value:.0f} ms"
            for name, value in timings.items()
            if value is not None
        }
    )


def show_media(console: Console, reports: dict[str, CallReport]) -> None:
    """Print tables of the media and data channels.

    Args:
        console: prints them.
        reports: reports of one call, by the name of the side that measured; an empty name if there is only one.
    """
    named = any(reports)

    def with_name(name: str, *cells: object) -> list[object]:
        return [name, *cells] if named else list(cells)

    media = [(name, each) for name, report in reports.items() for each in report.media]
    if media:
        columns = with_name("", "media", "codec", "sent", "received", "lost", "jitter ms", "rtt ms", "MOS")
        rows = []
        for name, each in media:
            optional = ("-" if figure is None else figure for figure in (each.rtt_ms, each.mos))
            cells = (each.kind, each.codec, each.sent, each.received, each.lost, each.jitter_ms, *optional)
            rows.append(with_name(name, *cells))
        console.table("Media", list(map(str, columns)), rows)
        # The estimate depends on the codec, so that its basis belongs to the figure.
        basis = {each.mos_basis for _, each in media if each.mos_basis}
        if basis:
            console.say(f"  MOS: {'; '.join(sorted(basis))}", style="dim")
    channels = [(name, each) for name, report in reports.items() for each in report.channels]
    if channels:
        columns = with_name("", "channel", "protocol", "sent", "received")
        rows = [with_name(name, each.label, each.protocol or "-", each.sent, each.received) for name, each in channels]
        console.table("Data channels", list(map(str, columns)), rows)
