"""Measurements. Each file prints one JSON line per figure; ``python -m benchmarks`` runs all."""
