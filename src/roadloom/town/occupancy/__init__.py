"""What fills each cell, what was seen of it, and where it goes."""
