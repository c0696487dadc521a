"""The kinds of source, and how each is opened. A new data set adds its line to ``KINDS``."""

from importlib import import_module
from typing import TYPE_CHECKING

from roadloom.errors import BadInput

if TYPE_CHECKING:
    from roadloom.scene.reader import SourceReader
    from roadloom.scene.source import Source, SourceName
    from roadloom.sensors.rig import Rig

KINDS = {
    "town-v1": "roadloom.town.source:TownSource",
    "nuscenes": "roadloom.scene.readers.nuscenes:NuScenesSource",
    "av2": "roadloom.scene.readers.av2:Av2Source",
    "layouts": "roadloom.scene.readers.layouts:LayoutsSource",
    "folder": "roadloom.scene.readers.folder:FolderSource",
    "py123d": "roadloom.scene.readers.py123d:Py123dSource",
    "occ3d": "roadloom.scene.readers.occ3d:Occ3dSource",
    "occ3d_waymo": "roadloom.scene.readers.occ3d_waymo:Occ3dWaymoSource",
    "carla_sc": "roadloom.scene.readers.carla_sc:CarlaScSource",
    "semantickitti": "roadloom.scene.readers.semantickitti:SemanticKittiSource",
}
"""KIND -> ``module:class``; the class is called with PLACE and imported only then."""


def open_reader(source: str, rig: "Rig | None" = None) -> "tuple[SourceName, SourceReader]":
    """Parse a source's name and open its reader, without asking whether the scene exists."""
    from roadloom.scene.source import SourceName

    name = SourceName.parse(source)
    if name.kind not in KINDS:
        raise BadInput(
            f"unknown kind of source {name.kind!r}",
            field="SOURCE",
            remedy=f"use one of {', '.join(KINDS)}",
        )
    module, _, attribute = KINDS[name.kind].partition(":")
    reader = getattr(import_module(module), attribute)
    if rig is None:
        return name, reader(name.place)
    if not hasattr(reader, "with_rig"):
        raise BadInput(
            f"{name.kind} is recorded: it cannot be seen through another rig",
            field="rig",
            remedy="leave the rig out, or open a source that is made when asked, such as town-v1",
        )
    return name, reader.with_rig(name.place, rig)


def is_made(source: str) -> bool:
    """Whether a source is drawn when asked, at any time and through any rig."""
    return hasattr(open_reader(source)[1], "with_rig")


def open_source(source: str, labels: str | None = None, rig: "Rig | None" = None) -> "Source":
    """Open ``KIND:PLACE[:SCENE]``; see ``roadloom.open``."""
    from roadloom.scene.labels import LabelFolder
    from roadloom.scene.source import Source

    name, reader = open_reader(source, rig)
    return Source(name, reader, None if labels is None else LabelFolder.open(labels))
