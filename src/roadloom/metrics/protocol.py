"""What a score was measured with, and the score with its interval and its floor.

Two scores may be compared only if their protocols have one id: a short hash of everything that
changes the number. A score prints its id, its interval, and the floor: what two disjoint halves
of real clips score against each other at the same counts.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from roadloom.errors import BadInput
from roadloom.io.atomic import atomic_file
from roadloom.io.read import read_json

VERSION = 1
"""Of all that is computed in ``roadloom.metrics``: raise it when any number may change."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    system: str
    """What kind of thing is scored; the first word of the id, such as ``hexgen``."""
    samples_sha256: str
    """Of the list of real windows: ``hash_samples``."""
    count: int
    """Generated windows."""
    real_count: int
    features: tuple[tuple[str, str], ...] = ()
    """(name, SHA-256 of the weights) of each feature network."""
    seed: int = 0
    grid: str
    view: str
    frames: int
    hz: float
    draws: int = 200
    """Of every interval."""
    settings: tuple[tuple[str, str], ...] = ()
    """Anything else that changes the numbers, as (name, value)."""
    version: int = VERSION

    def __post_init__(self) -> None:
        if min(self.count, self.real_count, self.frames) < 1 or self.hz <= 0:
            raise ValueError(
                f"counts {self.count} and {self.real_count}, {self.frames} frames and "
                f"{self.hz} Hz must be positive"
            )
        if not self.system.isidentifier():
            raise ValueError(f"system must be one word, got {self.system!r}")

    @property
    def protocol_id(self) -> str:
        """Such as ``hexgen-1-3fa9c2``."""
        told = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return f"{self.system}-{self.version}-{sha256(told.encode()).hexdigest()[:6]}"


@dataclass(frozen=True, kw_only=True)
class Score:
    name: str
    value: float
    low: float | None
    """Interval of 95 %; None where there is too little to draw from."""
    high: float | None
    floor: float | None
    """Real against real; None where it has no meaning."""
    protocol: str
    """Id of its protocol."""
    better: str = "lower"
    """``lower``, ``higher``, or ``floor``: the nearer to the floor."""

    def __str__(self) -> str:
        interval = "" if self.low is None else f" [{self.low:.4g}, {self.high:.4g}]"
        floor = "" if self.floor is None else f", real {self.floor:.4g}"
        return f"{self.name} {self.value:.4g}{interval}{floor} ({self.protocol})"


def hash_samples(samples: Iterable[tuple[str, int]]) -> str:
    """Of (scene, first frame) of every window, in order."""
    text = "".join(f"{scene}\t{frame}\n" for scene, frame in samples)
    return sha256(text.encode()).hexdigest()


def hash_file(path: str | Path) -> str:
    """SHA-256 of a weights file."""
    return sha256(Path(path).read_bytes()).hexdigest()


def table(scores: Sequence[Score]) -> str:
    """Scores as lines of Markdown."""
    rows = ["| score | value | 95 % | real | protocol |", "|---|---|---|---|---|"]
    for s in scores:
        interval = "" if s.low is None else f"{s.low:.4g} to {s.high:.4g}"
        floor = "" if s.floor is None else f"{s.floor:.4g}"
        rows.append(f"| {s.name} | {s.value:.4g} | {interval} | {floor} | {s.protocol} |")
    return "\n".join(rows)


def write_scores(path: str | Path, scores: Sequence[Score], protocol: Protocol) -> None:
    """JSON with the protocol in full.

    Raises:
        ValueError: a score of another protocol, or one that is not finite.
    """
    other = {s.protocol for s in scores} - {protocol.protocol_id}
    if other:
        raise ValueError(f"scores of {', '.join(sorted(other))}, not {protocol.protocol_id}")
    told = {
        "protocol_id": protocol.protocol_id,
        "protocol": asdict(protocol),
        "scores": [asdict(s) for s in scores],
    }
    text = json.dumps(told, indent=1, allow_nan=False)
    with atomic_file(path) as temporary:
        temporary.write_text(text + "\n")


def read_scores(path: str | Path) -> tuple[list[Score], Protocol]:
    """What ``write_scores`` wrote.

    Raises:
        BadInput: something is missing or was altered: the id is not the protocol's.
    """
    found = read_json(path)
    try:
        facts: dict[str, Any] = dict(found["protocol"])
        for name in ("features", "settings"):
            facts[name] = tuple((str(a), str(b)) for a, b in facts[name])
        protocol = Protocol(**{f.name: facts[f.name] for f in fields(Protocol)})
        scores = [Score(**{f.name: row[f.name] for f in fields(Score)}) for row in found["scores"]]
        told = found["protocol_id"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"is no list of scores: {error}", file=path, field="scores") from error
    if told != protocol.protocol_id:
        raise BadInput(
            f"the protocol is {protocol.protocol_id}, the file says {told}",
            file=path, field="protocol_id", remedy="score again",
        )  # fmt: skip
    return scores, protocol
