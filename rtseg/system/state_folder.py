"""Names the folder in which rtseg keeps what must not be lost between runs."""

import os
from pathlib import Path


def state_folder() -> Path:
    """Return rtseg in the user's folder of states (XDG Base Directory); it need not exist."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "rtseg"
