"""Complete, named training configurations: one function is one run."""
