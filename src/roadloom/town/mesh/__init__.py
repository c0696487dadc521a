"""Triangles of everything, with material and class."""
