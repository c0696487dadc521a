"""Poses, boxes, grids and rays. Knows nothing of cameras, data sets or classes."""
