"""Real SIGKILLs at random moments of a command, resumed, compared with a run that nobody touched.

    python -m studies.kills --kills 20 --workers 2
    python -m studies.kills --kills 20 --what export
    python -m studies.kills --kills 20 -- roadloom label av2:LOG --out {out}

Each trial begins with an empty folder and kills the command once to three times, by turns with
its workers (the whole process group) and the parent alone, so that orphans meet the next run. Then
the command runs to its end, and every file of the folder must have the bytes of the untouched
run. Prints one JSON line; exits 1 if a folder differs.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path

OUT = "{out}"
"""Stands for the folder in a command."""
PATIENCE_S = 120.0
"""For orphans to end."""


@dataclass
class Outcome:
    """What became of the kills."""

    kills: int = 0
    of_group: int = 0
    of_parent: int = 0
    trials: int = 0
    orphans: int = 0
    """Kills of the parent alone after which workers were still alive."""
    cut: int = 0
    """Kills that left a folder which was neither empty nor whole."""
    differing: list[str] = field(default_factory=list)
    """Files that differ from the untouched run, or are in only one of the two."""


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, by its path inside the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                found[str(path.relative_to(folder))] = file_digest(file, "sha256").hexdigest()
    return found


def differing(a: Path, b: Path) -> list[str]:
    """Files whose bytes differ, or that only one folder has."""
    ours, theirs = digests(a), digests(b)
    return sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n))


def start(command: Sequence[str], out: Path) -> "subprocess.Popen[bytes]":
    """The command with its folder filled in, in a process group of its own."""
    filled = [part.replace(OUT, str(out)) for part in command]
    return subprocess.Popen(
        filled, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def run(command: Sequence[str], out: Path) -> float:
    """Run to the end; returns the seconds."""
    begin = time.monotonic()
    process = start(command, out)
    _, errors = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"status {process.returncode}: {errors.decode()[-2000:]}")
    return time.monotonic() - begin


def kill_after(command: Sequence[str], out: Path, seconds: float, *, group: bool) -> int | None:
    """Start, wait, SIGKILL; the process group, or None if the command had ended before."""
    process = start(command, out)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
    if process.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"status {process.returncode} before it was killed")
    return process.pid if process.returncode else None


def lives(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def await_end(groups: Sequence[int]) -> None:
    """Until no orphan is left."""
    until = time.monotonic() + PATIENCE_S
    while any(map(lives, groups)):
        if time.monotonic() > until:
            raise RuntimeError(f"orphans live on after {PATIENCE_S} s")
        time.sleep(0.05)


def kill_and_resume(
    command: Sequence[str],
    folder: Path,
    *,
    kills: int,
    seed: int,
    head_s: float = 0.0,
    warm: bool = True,
) -> Outcome:
    """Run untouched, then kill at random moments, resume and compare.

    Args:
        command: with ``{out}`` where its folder belongs; run again it must go on.
        folder: for the folders that are compared; made and emptied.
        head_s: no kill before so many seconds: what a start of the program takes at least.
        warm: run it once more before all, so that what is compiled once is not timed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if warm:
        run(command, folder / "warm")
    seconds = run(command, folder / "untouched")
    rng, outcome = random.Random(seed), Outcome()
    while outcome.kills < kills:
        out, groups = folder / f"trial{outcome.trials}", []
        for _ in range(min(rng.randint(1, 3), kills - outcome.kills)):
            group = outcome.kills % 2 == 0
            moment = head_s + rng.random() * max(0.0, seconds - head_s)
            killed = kill_after(command, out, moment, group=group)
            if killed is None:
                continue  # it was done before its moment
            groups.append(killed)
            outcome.kills += 1
            outcome.of_group += group
            outcome.of_parent += not group
            outcome.orphans += not group and lives(killed)
            outcome.cut += out.exists() and bool(differing(out, folder / "untouched"))
        run(command, out)
        await_end(groups)
        outcome.trials += 1
        outcome.differing += [f"{out.name}/{n}" for n in differing(out, folder / "untouched")]
        shutil.rmtree(out)
    return outcome


def small_town(folder: Path, scenes: int = 4, seconds: float = 3.0) -> str:
    """Short clips of the town without images, as a source for commands."""
    from dataclasses import replace

    from roadloom.scene.clip import Clip
    from roadloom.sensors.presets import preset
    from roadloom.town.config import TownConfig
    from roadloom.town.source import TownSource

    rig = replace(preset("nuscenes"), cameras=())
    source = TownSource("val", TownConfig(rig=rig, duration_s=seconds))
    for scene in range(scenes):
        if not (folder / str(scene)).exists():
            Clip(source.open_scene(str(scene))).save(folder / str(scene))
    return f"folder:{folder}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--head", type=float, default=0.0, help="no kill before so many seconds")
    parser.add_argument("--what", choices=("label", "export"), default="label")
    parser.add_argument("--place", type=Path, help="folder to work in; a temporary one if left out")
    parser.add_argument("command", nargs="*", help="after --; {out} stands for its folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = given.place or Path(temporary)
        command = given.command or _command(given.what, place, given.workers)
        begin = time.monotonic()
        outcome = kill_and_resume(
            command, place / "runs", kills=given.kills, seed=given.seed, head_s=given.head
        )
    facts = {"study": "kills", "command": " ".join(command), "seed": given.seed}
    seconds = round(time.monotonic() - begin, 1)
    print(json.dumps(facts | vars(outcome) | {"seconds": seconds}), flush=True)
    sys.exit(bool(outcome.differing))


def _command(what: str, place: Path, workers: int) -> list[str]:
    source = small_town(place / "town")
    program = [sys.executable, "-m", "roadloom"]
    if what == "export":
        return [*program, "export", "nuscenes", source, "--out", OUT]
    small = ["--grid", "carla_sc", "--window", "0.5s", "--future", "0", "1"]
    return [*program, "label", source, "--out", OUT, "--workers", str(workers), *small]


if __name__ == "__main__":
    main()
