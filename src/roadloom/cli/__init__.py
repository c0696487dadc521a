"""The program ``roadloom``: one dataclass per subcommand, which is also its help page."""
