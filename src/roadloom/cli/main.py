"""Entry point: parse the command line, run one command, turn errors into one line."""

import sys
from collections.abc import Callable
from types import TracebackType

import tyro

from roadloom import __version__
from roadloom.cli.command import Command
from roadloom.cli.demo import Demo
from roadloom.cli.info import Info
from roadloom.cli.validate import Validate
from roadloom.cli.view import View
from roadloom.errors import RoadloomError

COMMANDS: dict[str, Callable[..., Command]] = {
    "demo": Demo,
    "info": Info,
    "validate": Validate,
    "view": View,
}
_ABOUT = (
    "Roadloom: driving scenes for your own vehicle.\n\n"
    "A SOURCE is named KIND:PLACE[:SCENE], such as town-v0:val:3, nuscenes:ROOT:scene-0061, "
    "av2:LOG or folder:DIR. `roadloom COMMAND --help` explains each command."
)


def main(arguments: list[str] | None = None) -> None:
    """Run ``roadloom``; exits 0 when all is well, 1 when data failed a check, 2 on errors."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        sys.stdout.write(f"roadloom {__version__}\n")
        return
    command = tyro.extras.subcommand_cli_from_dict(
        COMMANDS, prog="roadloom", description=_ABOUT, args=arguments or ["--help"]
    )
    if not command.debug:
        sys.excepthook = _one_line
    try:
        sys.exit(command.run())
    except RoadloomError as error:
        if command.debug:
            raise
        sys.stderr.write(f"roadloom: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("roadloom: interrupted; nothing half-written was kept\n")
        sys.exit(130)


def _one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error that nobody foresaw: one line, and how to see the rest."""
    sys.stderr.write(
        f"roadloom: unexpected {kind.__name__}: {' '.join(str(error).split())} "
        "(remedy: run it again with --debug and report the traceback)\n"
    )
    sys.exit(2)
