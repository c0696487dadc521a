"""Sources and their names: ``KIND:PLACE[:SCENE]``.

Only a last part without a slash is a scene, so ``folder:C:/drives`` and ``nuscenes:/data/n:x/y``
are places, and ``town-v1:val:3`` names scene 3 of val.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.scene.clip import Clip
from roadloom.scene.labels import MANIFEST, LabelFolder
from roadloom.scene.reader import SourceReader
from roadloom.scene.readers.json_fields import short
from roadloom.scene.registry import KINDS


@dataclass(frozen=True)
class SourceName:
    """A parsed ``KIND:PLACE[:SCENE]``."""

    kind: str
    place: str
    scene: str | None

    def __str__(self) -> str:
        return ":".join(part for part in (self.kind, self.place, self.scene) if part is not None)

    @staticmethod
    def parse(text: str) -> "SourceName":
        remedy = "name it KIND:PLACE[:SCENE], such as town-v1:val:3 or nuscenes:ROOT:scene-0061"
        kind, colon, rest = text.partition(":")
        if not colon or not kind or not rest:
            raise BadInput(f"{text!r} is no source", field="SOURCE", remedy=remedy)
        place, colon, scene = rest.rpartition(":")
        if colon and place and scene and "/" not in scene and "\\" not in scene:
            return SourceName(kind, place, scene)
        if rest.endswith(":"):
            raise BadInput(f"{text!r} ends in an empty scene", field="SOURCE", remedy=remedy)
        if rest.startswith(":"):
            raise BadInput(f"{text!r} names no place", field="SOURCE", remedy=remedy)
        return SourceName(kind, rest, None)


class Source(Sequence):  # bare, so that a checker of types at run time opens no clip
    """The clips of one source, opened one by one when asked. Picklable."""

    def __init__(
        self, name: SourceName, reader: SourceReader, labels: LabelFolder | None = None
    ) -> None:
        self.name, self.reader, self.labels = name, reader, labels
        known = reader.scenes
        check_scene(name, known)
        self.scenes = known if name.scene is None else (name.scene,)
        if labels is not None:
            check_labels(labels, name.kind, self.scenes)

    def __len__(self) -> int:
        return len(self.scenes)

    def clip(self, scene: str) -> Clip:
        """Open a scene by its id."""
        if scene not in self.scenes:
            raise MissingInput(
                f"no scene {scene!r}; {summary(self.scenes)}", file=self.name.place, field="SCENE"
            )
        return Clip(self.reader.open_scene(scene), labels=self.labels)

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> list[Clip]: ...
    def __getitem__(self, index: int | slice) -> Clip | list[Clip]:
        if isinstance(index, slice):
            return [self.clip(scene) for scene in self.scenes[index]]
        return self.clip(self.scenes[index])

    def __iter__(self) -> Iterator[Clip]:
        return map(self.clip, self.scenes)

    def __repr__(self) -> str:
        return f"Source({str(self.name)!r}, {len(self)} scene{'s' * (len(self) != 1)})"


def check_scene(name: SourceName, known: Sequence[str]) -> None:
    """Raise MissingInput where the name asks for a scene that is not ``known``."""
    if name.scene is not None and name.scene not in known:
        raise MissingInput(
            f"no scene {name.scene!r}; {summary(known)}", file=name.place, field="SCENE",
            remedy=f"`roadloom info {name.kind}:{name.place}` lists the scenes",
        )  # fmt: skip


def check_labels(labels: LabelFolder, kind: str, scenes: Sequence[str]) -> None:
    """Refuse labels that are not of a source.

    Args:
        labels: to attach.
        kind: of the source, such as ``nuscenes``.
        scenes: of which one at least must have a label; none at all is no matter of labels.

    Raises:
        BadInput: they were made of another kind of source. A ``folder`` may hold a copy of any
            kind, and a maker's own words for its source say nothing.
        NotRecorded: no scene has a label.
    """
    maker = labels.facts.get("source")
    theirs = str(maker).partition(":")[0]
    if theirs != kind and {theirs, kind} <= KINDS.keys() - {"folder"}:
        raise BadInput(
            f"these are labels of {short(maker)}, not of a source of the kind {kind}",
            file=labels.folder / MANIFEST, field="source",
            remedy="attach them to the source that they were made of",
        )  # fmt: skip
    if scenes and not any(labels.keys(scene) for scene in scenes):
        asked = f"scene {scenes[0]}" if len(scenes) == 1 else f"any of {len(scenes)} scenes"
        raise NotRecorded(
            f"holds no label of {asked}; of scenes {summary(labels.scenes)}",
            file=labels.folder, field="labels",
            remedy=f"name a scene that has labels, or the folder of others: these are of "
            f"{short(maker)}",
        )  # fmt: skip


def no_scenes(source: str) -> MissingInput:
    """What is said of a source that holds nothing."""
    return MissingInput(
        "the source has no scenes", file=source, field="SOURCE",
        remedy="name the folder that the data set was unpacked into; docs/add_a_dataset.md and the "
        "README say what each kind of source looks for",
    )  # fmt: skip


def summary(names: Sequence[str], most: int = 6) -> str:
    """Say which names there are, without printing a thousand of them."""
    if not names:
        return "there are none"
    shown = ", ".join(names[:most])
    return f"there are {shown}" + (f" and {len(names) - most} more" if len(names) > most else "")
