"""The built-in procedural world: exact images, sweeps, boxes and occupancy, no download."""
