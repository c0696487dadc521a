"""Run every benchmark, or those named: ``python -m benchmarks [NAME ...]``.

Each line carries commit, machine and date, so that it can be pasted into docs/results.md.
"""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(p.stem for p in HERE.glob("*.py") if not p.stem.startswith("_"))


def main() -> None:
    names = sys.argv[1:] or NAMES
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        sys.exit(f"no benchmark {unknown[0]!r}: there are {', '.join(NAMES)}")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE
    ).stdout.strip()
    facts = {
        "commit": commit or None,
        "date": datetime.now(UTC).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu(),
        "python": platform.python_version(),
    }
    print(json.dumps(facts), flush=True)
    failed = [
        name
        for name in names
        if subprocess.run([sys.executable, str(HERE / f"{name}.py")]).returncode != 0
    ]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [x for x in info.read_text().splitlines() if x.startswith("model name")]
        if info.exists()
        else []
    )
    return names[0].partition(":")[2].strip() if names else platform.processor()


if __name__ == "__main__":
    main()
