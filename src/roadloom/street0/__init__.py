"""The built-in procedural world: drawn from whole numbers, seen by any rig, knows everything."""
