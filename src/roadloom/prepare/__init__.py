"""A source turned into shards for training: one zip per clip and kind, read back at random.

    roadloom prepare SOURCE --out DIR   ->   Prepared(DIR)[clip].occupancy(frame, "occ3d")

Works for every source, as it goes through its clips; ``docs/prepare.md`` describes the files.
"""

from roadloom.prepare.read import Prepared, PreparedClip
from roadloom.prepare.request import Request

__all__ = ["Prepared", "PreparedClip", "Request"]
