"""Whether the town keeps its laws: ``python benchmarks/town_audit.py [--train 50]``.

Audits every clip of val and the first clips of train; one JSON line with what was found.
"""

import argparse
import json
import multiprocessing
import time

from roadloom.town.audit import audit
from roadloom.town.plan.draw import PLACES, draw_plan
from roadloom.town.world import World


def check(place: tuple[str, int]) -> tuple[str, int, list[str], int, float]:
    """Split, index, what is broken, number of movers, seconds of the audit alone."""
    world = World(plan=draw_plan(*place))
    start = time.perf_counter()
    broken = audit(world)
    return *place, broken, len(world.plan.actors), time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--val", type=int, default=PLACES["val"], help="clips of val")
    parser.add_argument("--train", type=int, default=50, help="clips of train")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    places = [("val", i) for i in range(options.val)]
    places += [("train", i) for i in range(options.train)]

    start = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        found = pool.map(check, places, chunksize=1)
    broken = {f"{split}:{i}": messages for split, i, messages, _, _ in found if messages}
    line = {
        "benchmark": "town_audit",
        "clips": len(places),
        "clips_with_broken_laws": len(broken),
        "broken_laws": sum(len(messages) for messages in broken.values()),
        "movers": sum(count for *_, count, _ in found),
        "audit_s_per_clip": round(sum(s for *_, s in found) / max(len(found), 1), 3),
        "wall_s": round(time.perf_counter() - start, 1),
        "processes": options.processes,
        "broken": broken,
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
