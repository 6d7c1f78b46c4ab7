"""Plant faults into the reading of a third of the inputs, so that tests check that each kind is found.

ATTACK_PLANTED: READER for an IndexError, or READER:KIND, KIND of hang, crash, memory, thread, file.
"""

import os
import tempfile
import threading
import time
from pathlib import Path


def plant(reader: str, number: int) -> None:
    """Cause the fault that ATTACK_PLANTED names, if any. Raises IndexError."""
    name, _, kind = os.environ.get("ATTACK_PLANTED", "").partition(":")
    if name != reader or number % 3 != 1:
        return
    match kind:
        case "hang":
            time.sleep(600)
        case "crash":
            os.abort()
        case "memory":
            len(b"\1" * (9 << 28))  # 2.25 GB
        case "thread":
            threading.Thread(target=time.sleep, args=(60,), name="planted", daemon=True).start()
        case "file":
            (Path(tempfile.gettempdir()) / "planted").write_bytes(b"")
        case _:
            raise IndexError("planted: list index out of range")
