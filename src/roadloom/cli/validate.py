"""``roadloom validate``: look at every field and file of a source and say what is wrong."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from roadloom.cli.command import Command
from roadloom.cli.many import counted

if TYPE_CHECKING:
    from roadloom.errors import RoadloomError


@dataclass(frozen=True, kw_only=True)
class Validate(Command):
    """Check a recording from end to end; exit 0 if it is sound, 1 if anything is wrong.

    Each problem is one line: FILE: FIELD: what is wrong (remedy: what to do).
    Example: roadloom validate nuscenes:/data/nuscenes@v1.0-mini --partial
    """

    source: Annotated[str, tyro.conf.Positional]
    """KIND:PLACE[:SCENE]; without a SCENE the whole source is checked. Or labels:DIR, a folder that
    `roadloom label` wrote: every label is read and every checksum compared."""
    partial: bool = False
    """Accept a cut-down recording: list the sensor files that it lacks instead of failing."""
    most: int = 50
    """How many lines of each kind to print; all are counted."""

    def run(self) -> int:
        from roadloom.errors import BadInput, RoadloomError

        if self.most < 0:
            raise BadInput(f"{self.most} is negative", field="--most", remedy="give 0 or more")
        try:
            problems, absent = self._found()
        except RoadloomError as error:
            problems, absent = [error], []
        _show("problem", [str(problem) for problem in problems], self.most)
        _show("absent file", list(absent), self.most)
        if problems:
            sys.stdout.write(f"{self.source} FAILED: {counted(len(problems), 'problem')}\n")
            return 1
        lacking = f", {counted(len(absent), 'file')} absent" if self.partial else ""
        sys.stdout.write(f"{self.source} is sound{lacking}\n")
        return 0

    def _found(self) -> "tuple[Sequence[RoadloomError], Sequence[str]]":
        """Problems, and files that a cut-down recording lacks."""
        from roadloom.scene.labels import LabelFolder
        from roadloom.scene.registry import open_reader
        from roadloom.scene.source import check_scene, no_scenes

        kind, _, place = self.source.partition(":")
        if kind == "labels" and place:
            return list(LabelFolder.open(place).problems()), []
        name, reader = open_reader(self.source)
        check_scene(name, reader.scenes)
        problems = list(reader.problems(name.scene, partial=self.partial))
        if not reader.scenes and not problems:
            problems = [no_scenes(self.source)]
        return problems, list(reader.absent_files(name.scene)) if self.partial else []


def _show(what: str, lines: list[str], most: int) -> None:
    for line in lines[:most]:
        sys.stdout.write(f"{what}: {line}\n")
    if len(lines) > most:
        sys.stdout.write(f"... and {counted(len(lines) - most, what)} more (see --most)\n")
