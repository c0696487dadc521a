"""Any clips as a nuScenes data root, which the official devkit and our own reader open."""
