"""Occupancy labels out of the LiDAR sweeps of any clip, on an ordinary CPU.

    sweeps of a window -> points in the world, movers carried with their boxes
                       -> hits and classes per cell, free space by exact rays, masks -> Occupancy

``Recipe`` says how; ``docs/labelling.md`` describes every choice.
"""
