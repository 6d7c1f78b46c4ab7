"""Read how much memory is free, on the machine or in the container that holds the process."""

import re
from pathlib import Path

from rtseg.system.machine import read_system_text

_ROOT = Path("/")
_CGROUP = "sys/fs/cgroup"


def free_memory(root: Path = _ROOT) -> int | None:
    """Return the bytes that this process may still take without swapping; None where the system does not say.

    Sources: MemAvailable of proc(5), and memory.max with memory.current of the cgroup, version 2, without its file cache.
    """
    found = re.search(r"^MemAvailable:\s*(\d+) kB", read_system_text(root / "proc/meminfo") or "", re.MULTILINE)
    available = int(found[1]) * 1024 if found else None
    limit, used = (read_system_text(root / _CGROUP / name) or "" for name in ("memory.max", "memory.current"))
    if not (limit.isdecimal() and used.isdecimal()):
        return available
    cache = re.search(r"^inactive_file (\d+)", read_system_text(root / _CGROUP / "memory.stat") or "", re.MULTILINE)
    in_group = max(0, int(limit) - int(used) + (int(cache[1]) if cache else 0))
    return in_group if available is None else min(available, in_group)
