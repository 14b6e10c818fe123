"""Run every bench one after another: `make bench`, or `python -m tests.bench NAME …` for some.

Each bench is a script `bench_<name>.py` that measures wic beside a peer in one run and prints a
table; the ratios count, the absolute times are this machine's. A bench that fails makes this fail.
"""

import subprocess
import sys
import time
from pathlib import Path

BENCHES = {script.stem.removeprefix("bench_"): script for script in sorted(Path(__file__).parent.glob("bench_*.py"))}


def main() -> int:
    """Run the benches that are named, or all; the number that failed is the exit code."""
    wanted = sys.argv[1:] or list(BENCHES)
    if unknown := set(wanted) - set(BENCHES):
        print(f"unknown bench: {', '.join(sorted(unknown))}; known: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    failed = []
    for name in wanted:
        print(f"\n=== {name}", flush=True)
        if subprocess.run([sys.executable, BENCHES[name]], check=False).returncode:
            failed.append(name)
    outcome = f"failed: {', '.join(failed)}" if failed else "all passed"
    print(f"\n{len(wanted)} benches in {time.monotonic() - began:.0f} s, {outcome}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
