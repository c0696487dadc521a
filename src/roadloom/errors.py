"""The errors that users meet. Each names the file, the field and the remedy, in one line."""

from pathlib import Path


class RoadloomError(Exception):
    """Base of every error that Roadloom raises on purpose.

    ``str(error)`` is one line: ``FILE: FIELD: what is wrong (remedy: what to do)``.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        field: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.message, self.field, self.remedy = message, field, remedy
        self.file = None if file is None else str(file)
        super().__init__(self._line())

    def _line(self) -> str:
        parts = [part for part in (self.file, self.field, self.message) if part]
        line = ": ".join(" ".join(part.split()) for part in parts)
        return f"{line} (remedy: {' '.join(self.remedy.split())})" if self.remedy else line

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process with every field."""
        return _rebuild, (type(self), self.message, self.file, self.field, self.remedy)


def _rebuild(
    kind: type[RoadloomError],
    message: str,
    file: str | None,
    field: str | None,
    remedy: str | None,
) -> RoadloomError:
    return kind(message, file=file, field=field, remedy=remedy)


class BadInput(RoadloomError, ValueError):
    """Data or an argument is wrong: corrupt, truncated, NaN, of the wrong type or shape."""


class MissingInput(BadInput):
    """A file, folder, table, scene or sensor that was asked for does not exist."""


class UnknownClass(BadInput):
    """A class name or id that the class list does not hold."""


class NotRecorded(RoadloomError, LookupError):
    """The recording is sound, but this field was never recorded in it."""


class MissingExtra(RoadloomError, ImportError):
    """An optional package is absent; the remedy is the ``pip install`` that brings it."""
