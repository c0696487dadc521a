"""Files: typed reading, atomic writing. Knows nothing of driving."""
