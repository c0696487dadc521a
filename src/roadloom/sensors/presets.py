"""Rigs that come with Roadloom: nominal values, rounded to 1 cm, 0.5 degrees and 10 px.

They are good for making new scenes. For recorded ones the readers take the exact calibration
from the recording. The numbers and the source of each are in ``presets/*.yaml``.
"""

from importlib.resources import files

from roadloom.errors import MissingInput
from roadloom.sensors.rig import Rig
from roadloom.sensors.rig_yaml import rig_from_yaml

PRESETS = ("nuscenes", "av2", "waymo", "nuplan", "hyperion")
"""``nuscenes``: six cameras, one LiDAR of 32 beams; ``av2``: seven cameras, two such LiDARs;
``waymo``: five cameras, none of them behind, one LiDAR of 64 beams; ``nuplan``: eight cameras;
``hyperion``: six f-theta cameras of NVIDIA's Hyperion 8. The last two have no LiDAR."""


def preset(name: str) -> Rig:
    """The rig of that name, read anew.

    Raises:
        MissingInput: there is no such preset; the error names those there are.
    """
    if name not in PRESETS:
        raise MissingInput(
            f"there is no preset rig {name!r}", remedy=f"choose one of {', '.join(PRESETS)}"
        )
    file = files("roadloom.sensors") / "presets" / f"{name}.yaml"
    return rig_from_yaml(file.read_text(encoding="utf-8"), file=str(file))
