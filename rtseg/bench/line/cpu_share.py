"""Who had the processor in the course of a run: what is late on a busy machine is not late by our doing."""

import os
from dataclasses import dataclass
from pathlib import Path
from time import process_time

from rtseg.system.machine import text_of


@dataclass(frozen=True, slots=True)
class _Times:
    """Seconds of all cores together, since some beginning."""

    own: float
    busy: float
    stolen: float
    idle: float


class Occupancy:
    """Adds up, from each `begin` to its `end`, what the cores did; Linux alone tells.

    own: this process, all its threads. others: other processes and the kernel. stolen: what a hypervisor gave to other machines
    while this one wanted to run. idle: nobody. Shares of all the time that all cores had.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root, self._sums = root, {"own": 0.0, "others": 0.0, "stolen": 0.0, "idle": 0.0}
        self._before: _Times | None = None

    def begin(self) -> None:
        """What the cores do counts from now on."""
        self._before = self._now()

    def end(self) -> None:
        """It does no more; nothing happens where it did not."""
        before, now, self._before = self._before, self._now(), None
        if before is None or now is None:
            return
        own = now.own - before.own
        self._sums["own"] += own
        self._sums["others"] += max(0.0, now.busy - before.busy - own)
        self._sums["stolen"] += now.stolen - before.stolen
        self._sums["idle"] += now.idle - before.idle

    def shares(self) -> dict[str, float] | None:
        """Each one's share, 0 to 1; None where the system does not tell, or nothing was counted."""
        whole = sum(self._sums.values())
        return {name: round(seconds / whole, 4) for name, seconds in self._sums.items()} if whole > 0 else None

    def _now(self) -> _Times | None:
        """By proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal."""
        fields = (text_of(self._root / "proc/stat") or "").partition("\n")[0].split()
        if len(fields) < 9 or fields[0] != "cpu":
            return None
        user, nice, system, idle, waiting, irq, softirq, stolen = (int(field) / _ticks_a_second() for field in fields[1:9])
        return _Times(process_time(), user + nice + system + irq + softirq, stolen, idle + waiting)


def _ticks_a_second() -> int:
    return os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
