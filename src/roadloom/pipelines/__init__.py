"""Trained models put to use: generation, editing, forecasting, evaluation."""
