"""Simulates a pulsating artery under a drifting probe, which is the exact truth of the examination."""

import math

import numpy as np

from rtseg.frame import Mask
from rtseg.sources.synthetic.geometry import Grid, ScanView

_SHORTEST = 0.45  # of a beat, that of an early one before it may not be shorter
DISTENSION = 0.09  # of the radius, from diastole to systole: the common carotid's is 6 to 12 %


class Vessel:
    """Holds an elliptical artery in cross section.

    Positions are in mm in the body; the probe's frame is the body's, moved by `drift`. radius_mm: of the circle of equal
    area. early_s: times at which a beat begins too early; the beat before it is shorter, and the one after it longer, so that
    later beats come when they would have come.
    """

    def __init__(
        self, view: ScanView, rng: np.random.Generator, bpm: float, drift_mm: float, early_s: tuple[float, ...] = ()
    ) -> None:
        self._bpm, self._drift_mm, self._early_s = bpm, drift_mm, early_s
        small = view.probe.is_linear
        middle_mm = min(view.probe.half_width, float(view.x_mm[0, -1])) if small else 30
        self.x_mm = float(rng.uniform(-0.5, 0.5) * middle_mm)
        self.z_mm = float(view.depth_mm * rng.uniform(0.42, 0.58))
        self.radius_mm = float(rng.uniform(2.8, 3.9) if small else rng.uniform(9, 13))
        self.wall_mm = 0.22 * self.radius_mm
        self.flatness = float(rng.uniform(1.0, 1.12))  # wider than tall, as a compressed vessel is
        self._phases = rng.uniform(0, 2 * math.pi, 5)

    def drift(self, t_s: float) -> tuple[float, float]:
        """Return the probe's displacement (across, into the body) in mm, a smooth motion without jumps."""
        a, b, c, d, _ = self._phases
        across = 0.7 * math.sin(0.9 * t_s + a) + 0.3 * math.sin(2.3 * t_s + b)
        into = 0.2 * math.sin(1.1 * t_s + c) + 0.1 * math.sin(3.1 * t_s + d)
        return self._drift_mm * across, self._drift_mm * into

    def beats_at(self, t_s: float) -> float:
        """Return the number of beats at a time, counted from a first one that began before the stream."""
        beats = t_s * self._bpm / 60 + self._phases[4] / (2 * math.pi)
        for early_s in self._early_s:
            usual = early_s * self._bpm / 60 + self._phases[4] / (2 * math.pi)
            first, early = math.floor(usual), max(usual % 1.0, _SHORTEST)
            if first <= beats < first + 2:
                passed = beats - first
                return first + (passed / early if passed < early else 1 + (passed - early) / (2 - early))
        return beats

    def radius_at(self, t_s: float) -> float:
        """Return the radius in mm: a steep rise in systole, a slow fall, and a second, smaller wave."""
        phase = self.beats_at(t_s) % 1.0
        pulse = _bump(phase, 0.18, 0.09) + 0.45 * _bump(phase, 0.45, 0.12)
        return self.radius_mm * (1 + DISTENSION * pulse)

    def distance(self, x_mm: Grid, z_mm: Grid, t_s: float) -> Grid:
        """Return the distance of points of the probe's frame from the axis in mm, scaled so that the wall is a circle."""
        across, into = self.drift(t_s)
        dx = (x_mm + np.float32(across - self.x_mm)) * np.float32(1 / math.sqrt(self.flatness))
        dz = (z_mm + np.float32(into - self.z_mm)) * np.float32(math.sqrt(self.flatness))
        return np.asarray(np.sqrt(dx * dx + dz * dz), np.float32)

    def lumen(self, x_mm: Grid, z_mm: Grid, t_s: float) -> Mask:
        """Return the mask of points inside the vessel."""
        return np.less(self.distance(x_mm, z_mm, t_s), np.float32(self.radius_at(t_s)))


def _bump(phase: float, centre: float, width: float) -> float:
    """Return a wave around `centre` of a periodic beat of length 1."""
    away = (phase - centre + 0.5) % 1.0 - 0.5
    return math.exp(-0.5 * (away / width) ** 2)
