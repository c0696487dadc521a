"""Entry point: parse the command line, run one command, turn errors into one line."""

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import tyro

from roadloom import __version__
from roadloom.cli.command import Command
from roadloom.cli.demo import Demo
from roadloom.cli.encode import Encode
from roadloom.cli.evaluate import EvaluateGeneration, EvaluateReconstruction
from roadloom.cli.export_nuscenes import ExportNuScenes
from roadloom.cli.export_occ3d import ExportOcc3d
from roadloom.cli.export_ply import ExportPly
from roadloom.cli.export_rerun import ExportRerun
from roadloom.cli.export_video import ExportVideo
from roadloom.cli.generate import GenerateHexplane
from roadloom.cli.info import Info
from roadloom.cli.label import Label
from roadloom.cli.parity import Parity
from roadloom.cli.plan import Plan
from roadloom.cli.prepare import Prepare
from roadloom.cli.render_cameras import RenderCameras
from roadloom.cli.render_lidar import RenderLidar
from roadloom.cli.train import Train
from roadloom.cli.validate import Validate
from roadloom.cli.view import View
from roadloom.errors import RoadloomError

COMMANDS: dict[str, Callable[..., Command]] = {
    "demo": Demo,
    "encode": Encode,
    "info": Info,
    "label": Label,
    "parity": Parity,
    "plan": Plan,
    "prepare": Prepare,
    "train": Train,
    "validate": Validate,
    "view": View,
}
GROUPS: dict[str, dict[str, Callable[..., Command]]] = {
    "evaluate": {
        "generation": EvaluateGeneration,
        "reconstruction": EvaluateReconstruction,
    },
    "export": {
        "nuscenes": ExportNuScenes,
        "occ3d": ExportOcc3d,
        "ply": ExportPly,
        "rerun": ExportRerun,
        "video": ExportVideo,
    },
    "generate": {
        "hexplane": GenerateHexplane,
    },
    "render": {
        "cameras": RenderCameras,
        "lidar": RenderLidar,
    },
}
"""Commands of two words, such as ``export nuscenes``: first word -> second word -> command."""
_GROUP_ABOUT: dict[str, str] = {
    "evaluate": "Score models and what they make, with intervals and a protocol id.",
    "export": "Write a source in a format that other programs read.",
    "generate": "Make scenes that nobody recorded.",
    "render": "Draw occupancy as the sensors of a vehicle would see it.",
}
"""What a first word is for."""
_ABOUT = (
    "Roadloom: driving scenes for your own vehicle.\n\n"
    "A SOURCE is named KIND:PLACE[:SCENE], such as town-v1:val:3, nuscenes:ROOT:scene-0061, "
    "av2:LOG or folder:DIR. `roadloom COMMAND --help` explains each command."
)


def main(arguments: list[str] | None = None) -> None:
    """Run ``roadloom``; exits 0 when all is well, 1 when data failed a check, 2 on errors."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that the terminal cannot write
    with _sigterm_as_ctrl_c():
        try:
            sys.exit(_run(arguments))
        except BrokenPipeError:  # the reader of our output left, as `| head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except KeyboardInterrupt:
            sys.stderr.write(
                "roadloom: interrupted; every file that is there is whole, but some are missing "
                "(remedy: run the same command again)\n"
            )
            sys.exit(130)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """SIGTERM tidies up as Ctrl-C does; afterwards it does again what it did before.

    A program that calls ``main`` may fork later, and a child with a handler of Python's can
    miss the signal: one that comes before the child begins, or just as it begins to wait.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # None: not set by Python


def _run(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        sys.stdout.write(f"roadloom {__version__}\n")
        return 0
    command = _parse(arguments)
    if command.debug:
        return command.run()
    sys.excepthook = _one_line
    try:
        status = command.run()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        raise
    except RoadloomError as error:
        sys.stderr.write(f"roadloom: {error}\n")
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(
            f"roadloom: {name}{error.strerror or error} (remedy: check that the path exists, is "
            "of the right kind and may be written, and that the disk is not full)\n"
        )
    return 2


def _parse(arguments: list[str]) -> Command:
    """The command that the words name, its flags filled in; help and usage errors exit here."""
    group, *rest = arguments or ["--help"]
    if group in GROUPS:
        parsed: Command = tyro.extras.subcommand_cli_from_dict(
            GROUPS[group], prog=f"roadloom {group}", description=_GROUP_ABOUT[group],
            args=rest or ["--help"],
        )  # fmt: skip
        return parsed
    listed = COMMANDS | {name: _listed(name) for name in GROUPS}
    parsed = tyro.extras.subcommand_cli_from_dict(
        dict(sorted(listed.items())), prog="roadloom", description=_ABOUT, args=[group, *rest]
    )
    return parsed


def _listed(group: str) -> Callable[..., Command]:
    """Stands for a group in the list of commands; its own help comes from ``GROUPS``."""

    def command() -> Command:
        raise AssertionError("groups are parsed before")

    command.__doc__ = _GROUP_ABOUT[group]
    return command


def _one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error that nobody foresaw: one line, and how to see the rest."""
    sys.stderr.write(
        f"roadloom: unexpected {kind.__name__}: {' '.join(str(error).split())} "
        "(remedy: run it again with --debug and report the traceback)\n"
    )
    sys.exit(2)
