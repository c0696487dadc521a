"""What sensors would measure of occupancy: LiDAR sweeps by exact rays, camera maps by splats."""
