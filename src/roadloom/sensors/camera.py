"""The cameras: ``PinholeCamera`` for all but the widest lenses; ``FisheyeCamera`` and
``FThetaCamera`` for those.

    project    points [..., 3] in the camera frame  ->  pixels [..., 2], valid [...]
    unproject  pixels [..., 2]  ->  unit directions [..., 3] in the camera frame, valid [...]

Camera frame: x right, y down, z forward. The centre of the top-left pixel is (0, 0). NumPy in,
NumPy out; tensors in, tensors out, differentiable; leading axes are batch axes. To project is
the inverse of to unproject, to 1e-6 px in float64, over every valid pixel.
"""

from roadloom.sensors.fisheye import AngleLens, FisheyeCamera, FThetaCamera
from roadloom.sensors.image_plane import ImagePlane
from roadloom.sensors.pinhole import PinholeCamera

Camera = PinholeCamera | FisheyeCamera | FThetaCamera

__all__ = [
    "AngleLens",
    "Camera",
    "FThetaCamera",
    "FisheyeCamera",
    "ImagePlane",
    "PinholeCamera",
]
