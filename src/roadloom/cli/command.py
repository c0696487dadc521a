"""What every subcommand shares."""

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Command(ABC):
    """A subcommand: its fields are its flags, its docstring is its help page."""

    debug: bool = False
    """On an error, show the whole traceback instead of one line."""

    @abstractmethod
    def run(self) -> int:
        """Do it; return the exit status."""
