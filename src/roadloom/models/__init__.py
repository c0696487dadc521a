"""Networks, their losses, their files on disk, and the published checkpoints that they load."""
