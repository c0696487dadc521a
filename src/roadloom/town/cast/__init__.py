"""Exact rays against standing and moving triangles."""
