"""Noise schedules, objectives, samplers, guidance and distillation; nothing of driving."""
