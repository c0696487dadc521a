"""Where things are kept that can be made again, such as the indexes of large data sets."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """``ROADLOOM_CACHE``, else ``roadloom`` in the user's cache folder; may not exist yet."""
    named = os.environ.get("ROADLOOM_CACHE")
    home = os.environ.get("XDG_CACHE_HOME")
    return Path(named) if named else Path(home or Path.home() / ".cache") / "roadloom"
