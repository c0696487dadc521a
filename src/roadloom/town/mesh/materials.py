"""Materials: what the triangles' ``uv`` and ``style`` mean, and how they answer a laser.

Builders choose a material and its numbers; ``camera/`` turns them into colour, ``lidar/`` into
intensity. Adding one means a row here, a branch in the camera's textures and a row in RETURNS.
"""

import numpy as np
from jaxtyping import Float

PLAIN = 0
"""Matt tint. style: share of grain noise (0-1), gloss (0-1: share of sky mirrored head on)."""
ROAD = 1
"""Asphalt with paint from the plan's table. uv: x, y of the plan. style: 1 in parking strips, 2 in
junctions; then distance of the street's axis direction as cos, sin (for tyre tracks and cracks)."""
PAVEMENT = 2
"""Slabs. uv: along and across the street where known, else x, y. style: edge [m], seed."""
KERB = 3
"""Kerb stones. uv: along, up."""
GRASS = 4
"""Lawn and soil. uv: x, y. style: seed."""
FACADE = 5
"""A wall with windows as texture. uv: along the wall from its left end, up from its base [m].
style: width of a bay (the wall's length is a whole number of them), storey height, texture * 10 +
window, seed (0-65535), height of a ground floor without these windows (0: none), height of the
wall. Textures: 0 plaster, 1 brick, 2 stone, 3 concrete, 4 glass and metal, 5 wood. Windows: 0
none, 1 two wings, 2 tall with sill, 3 band over the whole bay, 4 shuttered, 5 single pane."""
SHOPFRONT = 6
"""Ground floor of a shop: glass, frames, door, sign strip on top. uv as FACADE. style: width of a
bay, height, seed, then linear colour of the sign."""
ROOF = 7
"""Tiles on slopes. uv: along the eaves, up the slope. style: kind (0 tiles, 1 sheet, 2 gravel)."""
AWNING = 8
"""Cloth stripes across u. style: stripe width [m], then second colour, linear."""
BARK = 9
"""uv: around, up."""
LEAF = 10
"""Lets light through; corner normals lean to the crown's. style: hash of the leaf (0-1), depth
inside the crown (0 deep, 1 outside)."""
PAINTWORK = 11
"""Vehicle paint, glossy. uv: side coordinates, x forward of the middle and z up [m]. style: body
(0 car, 1 van or pick-up, 2 bus, 3 truck or other), length, height, seed, side (0 end or top, 1
left or right): seams, handles, arches and sills are texture on sides."""
GLASS = 12
"""Vehicle or street glass, dark and mirroring. style: tint strength (0 clear, 1 black)."""
RUBBER = 13
METAL = 14
"""style: polish (0 dull paint, 1 chrome)."""
HEADLAMP = 15
"""style: 1 where it is lit."""
TAILLAMP = 16
"""style: 1 where it is lit."""
PLATE = 17
"""Number plate, white or yellow by tint. uv: across, up from its lower left [m]. style: seed."""
CLOTH = 18
"""style: 1 where it is a high-visibility vest."""
SKIN = 19
"""style: 1 on a face. uv there: from its middle, left and up, in half widths and heights."""
STRIPES = 20
"""Tint and white in turns along v. style: width of a stripe [m], slant (v moves by this per u)."""
SIGN_FACE = 21
"""A sign's plate, retro-reflecting. uv: from its middle, right and up [m]. style: plate (0 stop, 1
give way, 2 speed limit, 3 no parking, 4 parking, 5 pedestrians, 6 direction, 7 works, 8 one way,
9 name), half width, half height, number shown."""
SIGNAL_LAMP = 22
"""A bulb of a traffic light: bright while its signal shows it. style: signal, bulb (0 red, 1
amber, 2 green), 1 for people's lights. uv: from its middle, right and up [m]."""
STREET_LAMP = 23
"""Lit at dusk."""
WOOD = 24
"""uv: along the grain, across."""
HEDGE = 25
"""Leaves as texture on a closed body. style: seed."""
FAR_WALL = 26
"""Buildings far away: rows of windows by noise. uv as FACADE. style: seed."""
BRICKWORK = 27
"""Garden walls. uv: along, up. style: texture as in FACADE."""
MESHWORK = 28
"""Wire and railings: opaque bars by texture are not wanted, bars are geometry; dark metal."""
COUNT = 29

RETURNS: dict[int, tuple[float, float, float]] = {
    PLAIN: (0.30, 0.0, 0.0),
    ROAD: (0.11, 0.0, 0.0),
    PAVEMENT: (0.20, 0.0, 0.0),
    KERB: (0.22, 0.0, 0.0),
    GRASS: (0.32, 0.0, 0.0),
    FACADE: (0.32, 0.0, 0.0),
    SHOPFRONT: (0.14, 0.55, 0.0),
    ROOF: (0.25, 0.0, 0.0),
    AWNING: (0.40, 0.0, 0.0),
    BARK: (0.24, 0.0, 0.0),
    LEAF: (0.38, 0.0, 0.0),
    PAINTWORK: (0.34, 0.35, 0.0),
    GLASS: (0.02, 0.92, 0.0),
    RUBBER: (0.04, 0.0, 0.0),
    METAL: (0.30, 0.2, 0.0),
    HEADLAMP: (0.30, 0.3, 0.4),
    TAILLAMP: (0.25, 0.0, 0.8),
    PLATE: (0.45, 0.0, 0.9),
    CLOTH: (0.35, 0.0, 0.0),
    SKIN: (0.40, 0.0, 0.0),
    STRIPES: (0.45, 0.0, 0.3),
    SIGN_FACE: (0.50, 0.0, 0.9),
    SIGNAL_LAMP: (0.10, 0.3, 0.1),
    STREET_LAMP: (0.20, 0.3, 0.0),
    WOOD: (0.30, 0.0, 0.0),
    HEDGE: (0.36, 0.0, 0.0),
    FAR_WALL: (0.30, 0.0, 0.0),
    BRICKWORK: (0.28, 0.0, 0.0),
    MESHWORK: (0.25, 0.0, 0.0),
}
"""Diffuse share at 905 nm, mirrored share, retro-reflected share. Paint scales the first by the
tint's brightness (dark cars return little); ``lidar/`` says how."""


def linear(red: int, green: int, blue: int) -> Float[np.ndarray, "3"]:
    """Linear light of an sRGB colour 0-255 (IEC 61966-2-1). Asphalt is about 0.08, plaster 0.5;
    beyond 0.6 surfaces burn out in the sun."""
    share = np.array([red, green, blue], np.float64) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
