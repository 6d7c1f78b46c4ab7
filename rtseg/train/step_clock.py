"""Counts the time of a training's steps, by the wall clock or by the CPU time of the process."""

import time


class StepClock:
    """Counts the seconds of steps.

    "wall": the time of the steps alone, without that in which they block on clips. "cpu": all CPU time of the process from the
    first step on, which is the same work on a busy machine.
    """

    def __init__(self, kind: str) -> None:
        self._is_cpu = kind == "cpu"
        self._started: float | None = None

    def start_step(self) -> None:
        """Begin a step."""
        if self._started is None or not self._is_cpu:
            self._started = self._now()

    def end_step(self) -> float:
        """End a step and return the seconds to count for it."""
        before, self._started = self._started, self._now()
        return self._started - (self._started if before is None else before)

    def _now(self) -> float:
        return time.process_time() if self._is_cpu else time.perf_counter()
