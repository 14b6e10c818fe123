"""Tools of the benches: CPU time, memory, percentiles, headings, tables, and the verdict.

A bench judges ratios of figures that one run has measured, never times: these belong to the machine and to its load.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PATIENCE = 600
"""Seconds after which a client hangs."""
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> float:
    """Return the user and system time of this process."""
    return time.process_time()


def cpu_seconds_of(pid: int) -> float:
    """Return the user and system time of another process, to the hundredth."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS


def resident_bytes() -> int:
    """Return the resident memory of this process, after a garbage collection."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measured(command: Sequence[str], cwd: Path | None = None) -> dict[str, float]:
    """Run a client, and return the figures it prints."""
    done = subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True, timeout=_PATIENCE)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def hold_many() -> None:
    """Tune this process as docs/performance.md advises programs that hold thousands of clients.

    Objects created by imports never become garbage, and among long-lived clients the collector finds none.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@dataclass(frozen=True)
class Ratio:
    """A figure that a bench judges, of two measurements of one run.

    The limit is far enough from the goal that only a change of the program leads beyond it, not another machine or a busy
    one. It is above the goal where less is better, else below.
    """

    name: str
    value: float
    goal: float
    limit: float

    @property
    def is_broken(self) -> bool:
        """Whether it is beyond the limit."""
        return self.value > self.limit if self.limit > self.goal else self.value < self.limit

    def __str__(self) -> str:
        """Return the figure with its goal and its limit."""
        side = "above" if self.limit > self.goal else "below"
        return f"{self.name}: {self.value:.2f} (goal {self.goal:.2f}, fails {side} {self.limit:.2f})"


def judge(ratios: Iterable[Ratio], *, show: bool) -> int:
    """Print the ratios that are broken, and with `show` the others too; return how many are broken."""
    judged = list(ratios)
    for each in judged:
        if each.is_broken:
            print(f"FAILED {each}", file=sys.stderr)
        elif show:
            print(each)
    return sum(each.is_broken for each in judged)


def percentile(values: Iterable[float], percent: int) -> float:
    """Return a percentile, between neighbours where it falls between them."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def installed(*packages: str) -> list[str]:
    """Return these Python packages with their versions."""
    return [f"{package} {version(package)}" for package in packages]


def heading(text: str | None, peers: Sequence[str] = ()) -> str:
    """Return the heading of a bench: the first paragraph of its docstring, and the versions compared."""
    title = " ".join((text or "").partition("\n\n")[0].split())
    parts = [*installed("wic-ims"), f"Python {platform.python_version()}", *peers]
    return f"{title}\n({', '.join(parts)})\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Align the first column to the left and the figures to the right."""
    lines = [head, *rows]
    first, *others = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(first), *(cell.rjust(width) for cell, width in zip(line[1:], others, strict=True))])
        for line in lines
    )
