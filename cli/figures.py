"""The figures of a call, for people and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wic.client.call_stats import CallReport, ChannelReport, MediaReport

    from .console import Console
    from .watch import Watch


def show_call(console: Console, report: CallReport, watch: Watch, *, why: bool = True) -> None:
    """Show a call's report: the document for scripts; outcome, ladder and figures for people.

    Args:
        console: where.
        report: of a call that is over.
        watch: has its messages.
        why: say the reason of the outcome, unless that was done already.
    """
    console.document(report.to_dict())
    if console.is_terminal:
        watch.show_ladder()
    status = f" ({report.status})" if report.status else ""
    reason = f": {report.reason}" if why and report.reason else ""
    console.say(f"Call with {report.peer}: {report.outcome.value}{status}{reason}")
    show_timings(console, report.timings)
    show_media(console, {"": report})


def show_timings(console: Console, timings: dict[str, float | None]) -> None:
    """Show times, a line each; what did not happen is left out."""
    console.facts(
        {
            name.removesuffix("_ms").replace("_", " "): f"{value:.0f} ms"
            for name, value in timings.items()
            if value is not None
        }
    )


def show_media(console: Console, reports: dict[str, CallReport]) -> None:
    """Show what was sent and heard in tables; `reports` are named by who measured them."""
    media = [(who, each) for who, report in reports.items() for each in report.media]
    channels = [(who, each) for who, report in reports.items() for each in report.channels]
    named = any(reports)
    if media:
        columns = ["media", "codec", "sent", "received", "lost", "jitter ms", "rtt ms", "MOS"]
        console.table("Media", ["", *columns] if named else columns, list(_rows(media, named)))
        basis = {each.mos_basis for _, each in media if each.mos_basis}
        if basis:
            console.say(f"  MOS: {'; '.join(sorted(basis))}", style="dim")
    if channels:
        columns = ["channel", "protocol", "sent", "received"]
        rows = [_named(who, named, _channel_row(each)) for who, each in channels]
        console.table("Data channels", ["", *columns] if named else columns, rows)


def _rows(media: list[tuple[str, MediaReport]], named: bool) -> Iterable[list[object]]:
    for who, each in media:
        row: list[object] = [each.kind, each.codec, each.sent, each.received, each.lost, each.jitter_ms]
        row += ["-" if figure is None else figure for figure in (each.rtt_ms, each.mos)]
        yield _named(who, named, row)


def _channel_row(each: ChannelReport) -> list[object]:
    return [each.label, each.protocol or "-", each.sent, each.received]


def _named(who: str, named: bool, row: list[object]) -> list[object]:
    return [who, *row] if named else row
