"""Sweeps: time, material, incidence, and what gets lost."""
