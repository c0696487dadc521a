"""How a device sees points: cameras, spinning LiDARs, and rigs that carry them."""
