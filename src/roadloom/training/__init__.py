"""One training loop for every model: data order, precision, averages, checkpoints, plans."""
