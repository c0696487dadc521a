"""``roadloom info``: what is installed here, what is missing, and how to get it.

Loads neither torch nor numba: versions come from package metadata.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import tyro

from roadloom import __version__
from roadloom.cli.command import Command
from roadloom.cli.many import counted
from roadloom.io.cache import cache_folder
from roadloom.io.extras import EXTRAS
from roadloom.scene.classes import CLASS_HASH, CLASSES
from roadloom.scene.registry import KINDS

CORE = ("numpy", "torch", "numba", "pillow", "msgspec", "tyro", "jaxtyping")


@dataclass(frozen=True, kw_only=True)
class Info(Command):
    """Say which versions, devices and optional parts there are; or what a source holds.

    Paste its output into a bug report.
    Example: roadloom info --json; or roadloom info nuscenes:/data/nuscenes
    """

    source: Annotated[str | None, tyro.conf.Positional] = None
    """KIND:PLACE[:SCENE]: list its scenes instead. Or labels:DIR, a folder that `roadloom label`
    wrote: what its labels were made of and how, and how many each scene has."""

    json: bool = False
    """Print one JSON object instead of text."""

    def run(self) -> int:
        if self.source is not None:
            return self._list(self.source)
        facts = collect()
        sys.stdout.write(json.dumps(facts, indent=2) + "\n" if self.json else as_text(facts))
        return 0

    def _list(self, source: str) -> int:
        import roadloom
        from roadloom.scene.source import no_scenes

        kind, _, place = source.partition(":")
        if kind == "labels" and place:
            facts = label_facts(place)
            told = json.dumps(facts, indent=2) + "\n" if self.json else labels_as_text(facts)
            sys.stdout.write(told)
            return 0
        opened = roadloom.open(source)
        if self.json:
            sys.stdout.write(json.dumps({"source": source, "scenes": opened.scenes}) + "\n")
            return 0
        if not len(opened):
            raise no_scenes(source)
        for clip in opened:
            about = [clip.attributes.get(name) for name in ("time_of_day", "weather")]
            told = ", ".join(str(word) for word in about if word)
            sys.stdout.write(f"{clip.scene_id}  {clip}{'  ' * bool(told)}{told}\n")
        return 0


def label_facts(folder: str) -> dict[str, Any]:
    """The manifest of a folder of labels, and for each scene what it holds; JSON values."""
    from roadloom.scene.labels import LabelFolder

    labels = LabelFolder.open(folder)
    scenes = {
        scene: {
            "labels": len(labels.keys(scene)),
            "finished": labels.finished(scene),
            "frame": labels.frame(scene),
            "grid": str(labels.grids(scene)[0]),
            "bytes": labels.path(scene).stat().st_size,
        }
        for scene in labels.scenes
    }
    return labels.facts | {"scenes": scenes}


def labels_as_text(facts: dict[str, Any]) -> str:
    """The same for people."""
    scenes = facts["scenes"]
    total = sum(held["labels"] for held in scenes.values())
    lines = [f"{counted(total, 'label')} of {counted(len(scenes), 'scene')}"]
    for name, value in facts.items():
        if isinstance(value, dict) and name != "scenes":
            lines += [f"{name}", *(f"  {field:<15} {json.dumps(v)}" for field, v in value.items())]
        elif name != "scenes":
            lines.append(f"{name:<17} {value}")
    for scene, held in scenes.items():
        state = "" if held["finished"] else "  not finished"
        lines.append(
            f"{scene}  {counted(held['labels'], 'label')}, {held['grid']}, "
            f"{held['frame']} frame, {held['bytes'] / 1e3:.1f} kB{state}"
        )
    return "\n".join(lines) + "\n"


def collect() -> dict[str, Any]:
    """Everything ``info`` knows, as JSON values."""
    return {
        "roadloom": __version__,
        "class_list": {"hash": CLASS_HASH, "classes": len(CLASSES)},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_gb": _memory_gb(),
        "gpus": _gpus(),
        "packages": {name: _version(name) for name in CORE},
        "optional": {
            name: {"version": _version(name), "purpose": purpose, "extra": extra}
            for name, (extra, purpose) in EXTRAS.items()
        },
        "sources": list(KINDS),
        "cache": str(cache_folder()),
    }


def as_text(facts: dict[str, Any]) -> str:
    """The same for people."""
    memory = facts["memory_gb"]
    lines = [
        f"roadloom {facts['roadloom']} (class list {facts['class_list']['hash']}, "
        f"{facts['class_list']['classes']} classes)",
        f"Python   {facts['python']} on {facts['platform']}",
        f"CPU      {facts['cpu_cores'] or '?'} cores, {f'{memory:.0f} GB' if memory else '?'}",
        f"GPU      {', '.join(facts['gpus']) or 'none found'}",
        f"sources  {', '.join(facts['sources'])}",
        f"cache    {facts['cache']}",
        "",
        "core packages",
    ]
    lines += [f"  {name:<10} {found or 'MISSING'}" for name, found in facts["packages"].items()]
    lines += ["", "optional packages"]
    for name, part in facts["optional"].items():
        state = part["version"] or f"missing: pip install 'roadloom[{part['extra']}]'"
        lines.append(f"  {name:<10} {state} ({part['purpose']})")
    return "\n".join(lines) + "\n"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory_gb() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return None


def _gpus() -> list[str]:
    """Names and memory as the driver's own tool reports them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        return [f"nvidia-smi failed: {error}"]
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]
