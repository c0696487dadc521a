"""Roadloom: driving scenes for your own vehicle.

One explicit 3-D scene, whatever it was recorded or made with. Layers, lowest first; each may
import only those above it in this list:

    1 io        files: typed reading, atomic writing, images, point clouds, film
    2 geometry  poses, boxes, grids, rays; knows nothing of cameras
    3 sensors   how a device sees points: cameras, LiDARs, rigs
    4 scene     what was recorded, whatever the data set: clips, frames, classes, readers
    5 town      the built-in procedural world
    6 prepare   clips turned into shards for training, and read back
    7 label     occupancy labels out of the sweeps of any clip
    8 render    what LiDARs and cameras would measure of occupancy
    9 datasets  windows of prepared clips, conditions, latents: tensors for training
    10 diffusion noise schedules, objectives, samplers, guidance, distillation
    11 training  one loop for every model, its checkpoints, logs and plans
    12 metrics   scores with intervals and protocols
    13 models    networks, their losses, their files, published checkpoints
    14 recipes   complete, named training configurations
    15 pipelines trained models put to use and judged
    16 viewer   pages and pictures of a clip
    17 export   clips written in other formats
    18 cli      the program
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadloom.scene.source import Source
    from roadloom.sensors.rig import Rig

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def open(source: str, labels: str | None = None, rig: "Rig | None" = None) -> "Source":
    """Open ``KIND:PLACE[:SCENE]`` and return its clips; see ``roadloom.scene.source``.

    Args:
        source: for example ``town-v1:val:3``, ``nuscenes:ROOT[@v1.0-mini][:scene-0061]``,
            ``av2:LOG`` or ``folder:DIR``. Only a last part without a slash is a scene.
        labels: a folder of labels to attach (occupancy per key frame).
        rig: the vehicle to drive through a world that is made when asked (``town-v1``), such as
            ``roadloom.sensors.rig_yaml.rig_from_yaml`` reads; recordings refuse it.

    Raises:
        BadInput: the name or what it points to is wrong; the error names the remedy.
    """
    from roadloom.scene.registry import open_source

    return open_source(source, labels=labels, rig=rig)
