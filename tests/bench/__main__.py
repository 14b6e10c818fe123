"""Run every bench one after another: `make bench`, or `python -m tests.bench NAME …` for some.

Each bench is a script `bench_<name>.py` that measures wic beside a peer in one run and prints a
table; the ratios count, the absolute times are this machine's. A bench that fails makes this fail.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Run the benches that are named, or all; the number that failed is the exit code."""
    scripts = sorted(HERE.glob("bench_*.py"))
    if wanted := sys.argv[1:]:
        scripts = [script for script in scripts if script.stem.removeprefix("bench_") in wanted]
    failed = 0
    for script in scripts:
        print(f"\n=== {script.stem.removeprefix('bench_')}", flush=True)
        failed += subprocess.run([sys.executable, script], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
