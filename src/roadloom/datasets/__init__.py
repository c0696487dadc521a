"""Windows of prepared clips, their conditions and their latents, as tensors for training."""
