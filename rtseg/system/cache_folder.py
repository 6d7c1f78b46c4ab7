"""Names the folder in which rtseg remembers what is slow to find out again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return $RTSEG_CACHE, or else rtseg in the user's cache folder (XDG Base Directory); it need not exist."""
    own = os.environ.get("RTSEG_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rtseg"
