"""Scores with their intervals and protocols; nothing of networks."""
