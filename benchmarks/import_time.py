"""Seconds of ``import roadloom`` and of quick commands, in fresh processes (aim: 0.3 s)."""

import json
import statistics
import subprocess
import sys
import time

RUN = "from roadloom.cli.main import main\ntry: main([{!r}])\nexcept SystemExit: pass"
CASES = {
    "python alone": "pass",
    "import roadloom": "import roadloom",
    "open town-v1:val": "import roadloom; roadloom.open('town-v1:val')",
    "roadloom --help": RUN.format("--help"),
    "roadloom info": RUN.format("info"),
}


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    for code in CASES.values():
        seconds(code)  # files into the page cache
    rounds = [{name: seconds(code) for name, code in CASES.items()} for _ in range(7)]
    base = statistics.median(r["python alone"] for r in rounds)
    for name in CASES:
        value = statistics.median(r[name] for r in rounds)
        print(json.dumps({"benchmark": "import_time", "case": name, "median_s": round(value, 3),
                          "over_python_s": round(value - base, 3)}))  # fmt: skip


if __name__ == "__main__":
    main()
