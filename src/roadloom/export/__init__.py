"""Clips written in other formats: nuScenes, Occ3D, PLY, films, Rerun."""
