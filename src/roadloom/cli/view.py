"""``roadloom view``: one page per clip, pictures, a point cloud and a film."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from roadloom.cli.command import Command

if TYPE_CHECKING:
    from roadloom.sensors.rig import Rig


@dataclass(frozen=True, kw_only=True)
class View(Command):
    """Show a recording: a page that plays offline, pictures of all cameras, PLY, MP4.

    Example: roadloom view nuscenes:/data/nuscenes:scene-0061 --out out/view
    """

    source: Annotated[str, tyro.conf.Positional]
    """KIND:PLACE[:SCENE]; without a SCENE the first scene is shown, or see --all."""
    out: Path
    """Folder for the results; created if missing. With --all one folder per scene in it."""
    all: bool = False
    """Show every scene of the source."""
    labels: Path | None = None
    """Folder of labels to attach, as `roadloom.open(SOURCE, labels=DIR)` does."""
    rig: Path | None = None
    """YAML of your own vehicle, to drive through a source that is made when asked (town-v1)."""
    film: bool = True
    """Write an MP4 of every key frame (needs the extra `video`); --no-film is much quicker."""
    max_frames: int = 40
    """Key frames on the page; longer clips are thinned evenly, and the page says so."""
    image_width: int = 480
    """Longer side [px] of the images on the page; the pictures beside it keep full size."""

    def run(self) -> int:
        import roadloom
        from roadloom.scene.source import check_labels, no_scenes
        from roadloom.viewer.write import ViewOptions, write_view

        labels = None if self.labels is None else str(self.labels)
        source = roadloom.open(self.source, labels=labels, rig=read_rig(self.rig))
        options = ViewOptions(
            film=self.film, max_frames=self.max_frames, image_width=self.image_width
        )
        if not len(source):
            raise no_scenes(self.source)
        scenes = source.scenes if self.all else source.scenes[:1]
        if source.labels is not None:
            check_labels(source.labels, source.name.kind, scenes)
        if len(scenes) < len(source):
            sys.stderr.write(
                f"showing {scenes[0]}, the first of {len(source)} scenes; name one as "
                f"{source.name}:SCENE, or use --all\n"
            )
        for scene in scenes:
            folder = self.out / scene if self.all else self.out
            if source.labels is not None and not source.labels.keys(scene):
                sys.stderr.write(
                    f"{scene} is shown without labels: {self.labels} holds none of it\n"
                )
            written = write_view(source.clip(scene), folder, options)
            tell(folder, written)
        return 0


def read_rig(path: Path | None) -> "Rig | None":
    """The rig of a YAML file, if one is named."""
    if path is None:
        return None
    from roadloom.sensors import rig_yaml

    return rig_yaml.read_rig(path)


def tell(folder: Path, written: list[Path]) -> None:
    """Say where to look."""
    sys.stdout.write(f"{len(written)} files in {folder}\n")
    page = folder / "index.html"
    if page in written:
        sys.stdout.write(f"open {page} in a browser: it plays offline\n")
