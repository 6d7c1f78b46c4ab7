"""Keeps the times of single frames of a run in bounded memory."""

from collections.abc import Mapping
from typing import Any

MAX_SAMPLES = 4096  # maximum number of frames kept


class Samples:
    """Keeps each stage's time of each frame; at `MAX_SAMPLES` frames it halves the sampling rate, and so on."""

    def __init__(self, most: int = MAX_SAMPLES) -> None:
        self.every = 1
        self._most, self._seen = most, 0
        self._at_s: list[float] = []
        self._stages_ms: dict[str, list[float | None]] = {}

    def __len__(self) -> int:
        return len(self._at_s)

    def add(self, at_s: float, stages_ns: Mapping[str, int]) -> None:
        """Add one frame, or skip it by the sampling rate. at_s: the time at which it was finished, in seconds."""
        self._seen += 1
        if (self._seen - 1) % self.every:
            return
        kept = len(self._at_s)
        self._at_s.append(round(at_s, 4))
        for name in {**self._stages_ms, **stages_ns}:
            column = self._stages_ms.setdefault(name, [None] * kept)
            column.append(round(stages_ns[name] / 1e6, 4) if name in stages_ns else None)
        if len(self._at_s) >= self._most:
            self._thin()

    def stage_ms(self, stage: str) -> list[float]:
        """Return a stage's milliseconds on the frames on which it ran."""
        return [ms for ms in self._stages_ms.get(stage, ()) if ms is not None]

    def to_json(self) -> dict[str, Any]:
        """Return the samples as plain values; a stage that did not run on a frame is None there."""
        return {"every": self.every, "at_s": self._at_s, "stages_ms": self._stages_ms}

    def _thin(self) -> None:
        self.every *= 2
        self._at_s = self._at_s[::2]
        self._stages_ms = {name: column[::2] for name, column in self._stages_ms.items()}
