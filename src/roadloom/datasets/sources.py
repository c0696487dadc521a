"""Prepared folders that a recipe needs; where one is missing, the command that makes it."""

import shlex
from pathlib import Path

from roadloom.errors import BadInput, MissingInput
from roadloom.io.read import exists
from roadloom.prepare import Prepared
from roadloom.prepare.request import MANIFEST, read_manifest


def prepare_command(
    folder: str | Path, *, source: str, grid: str = "carla_sc", hz: int | None = None
) -> str:
    """The command line that writes occupancy of a source into a folder, or goes on with it."""
    words = ["roadloom", "prepare", source, "--occupancy", grid]
    words += [] if hz is None else ["--hz", str(hz)]
    return shlex.join([*words, "--out", str(folder)])


def open_prepared(
    folder: str | Path,
    *,
    source: str,
    grid: str = "carla_sc",
    hz: int | None = None,
    partial: bool = False,
) -> Prepared:
    """A prepared folder that holds this occupancy of this source.

    Args:
        partial: take the scenes that are there already, one at least.

    Raises:
        MissingInput: it is not there, or not whole; the remedy is the command that makes it.
        BadInput: it holds something else; the remedy is the command for another folder.
    """
    ask = prepare_command(folder, source=source, grid=grid, hz=hz)
    if not exists(Path(folder) / MANIFEST):
        raise MissingInput("is not prepared", file=folder, remedy=ask)
    request = read_manifest(Path(folder))["request"]
    anew = prepare_command("NEW_FOLDER", source=source, grid=grid, hz=hz)
    for field, wanted in (("source", source), ("hz", hz)):
        if request.get(field) != wanted:
            raise BadInput(
                f"was prepared with {request.get(field)}, not {wanted}",
                file=folder, field=field, remedy=anew,
            )  # fmt: skip
    if grid not in request.get("occupancy", ()):
        raise MissingInput(
            f"no occupancy on the grid {grid} was prepared", file=folder, field="occupancy",
            remedy=anew,
        )  # fmt: skip
    found = Prepared(folder, partial=True)
    lacking = len(found.manifest["scenes"]) - len(found)
    if lacking and (not partial or not len(found)):
        raise MissingInput(
            f"{lacking} of {len(found) + lacking} scenes are not prepared yet",
            file=folder, field="scenes", remedy=ask,
        )  # fmt: skip
    return found
