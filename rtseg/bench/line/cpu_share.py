"""Measures which share of the CPU time of a run went to this process, to others and to the hypervisor.

A late frame on a busy machine need not be late because of rtseg.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from time import process_time

from rtseg.system.machine import read_system_text


@dataclass(frozen=True, slots=True)
class _CpuTimes:
    """Holds CPU seconds of all cores together, counted from an arbitrary origin."""

    own: float  # this process, all its threads
    busy: float  # all processes and the kernel
    stolen: float  # taken by the hypervisor
    idle: float  # idle or waiting for input and output


class CpuShare:
    """Accumulates CPU time between each `begin` and its `end`; works on Linux only.

    own: this process, all its threads. others: other processes and the kernel. stolen: time that the hypervisor gave to other
    virtual machines while this one was runnable. idle: unused time. Each is a share of the time of all cores.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root, self._sums = root, {"own": 0.0, "others": 0.0, "stolen": 0.0, "idle": 0.0}
        self._before: _CpuTimes | None = None

    def begin(self) -> None:
        """Start counting CPU time."""
        self._before = self._now()

    def end(self) -> None:
        """Stop counting and add the interval to the sums; does nothing without a preceding `begin`."""
        before, now, self._before = self._before, self._now(), None
        if before is None or now is None:
            return
        own = now.own - before.own
        self._sums["own"] += own
        self._sums["others"] += max(0.0, now.busy - before.busy - own)
        self._sums["stolen"] += now.stolen - before.stolen
        self._sums["idle"] += now.idle - before.idle

    def shares(self) -> dict[str, float] | None:
        """Return the shares in [0, 1] by name, or None if the system does not report them or nothing was counted."""
        whole = sum(self._sums.values())
        return {name: round(seconds / whole, 4) for name, seconds in self._sums.items()} if whole > 0 else None

    def _now(self) -> _CpuTimes | None:
        """Return the current CPU times from /proc/stat, or None without it.

        Its columns are those of proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal.
        """
        fields = (read_system_text(self._root / "proc/stat") or "").partition("\n")[0].split()
        if len(fields) < 9 or fields[0] != "cpu":
            return None
        user, nice, system, idle, waiting, irq, softirq, stolen = (int(field) / _ticks_a_second() for field in fields[1:9])
        return _CpuTimes(process_time(), user + nice + system + irq + softirq, stolen, idle + waiting)


def _ticks_a_second() -> int:
    return os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
