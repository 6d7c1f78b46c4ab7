"""Simulates a beating left ventricle in an apical view: a prolate spheroid, whose volumes are the exact truth."""

import math

import numpy as np

from rtseg.sources.synthetic.geometry import ScanView
from rtseg.sources.synthetic.vessel import Vessel

SYSTOLE = 0.35  # share of the beat from end-diastole to end-systole


class Ventricle(Vessel):
    """Holds the cavity of a left ventricle, which its long axis crosses from the probe downwards.

    It is an ellipsoid of revolution, twice as long as wide; it contracts and fills evenly in all directions. radius_mm: of the
    circle of equal area at end-diastole. ejection_fraction: share of the volume that leaves in each beat.
    """

    def __init__(
        self, view: ScanView, rng: np.random.Generator, bpm: float, drift_mm: float, early_s: tuple[float, ...] = ()
    ) -> None:
        super().__init__(view, rng, bpm, drift_mm, early_s)
        scale = view.depth_mm / 150.0
        self.flatness = float(rng.uniform(0.48, 0.58))
        self.radius_mm = float(rng.uniform(26, 31)) * scale
        self.wall_mm = 0.3 * self.radius_mm
        self.z_mm = float(view.depth_mm * rng.uniform(0.46, 0.52))
        self.x_mm = float(rng.uniform(-6, 6)) * scale
        self.ejection_fraction = float(rng.uniform(0.35, 0.68))

    def radius_at(self, t_s: float) -> float:
        """Return the radius in mm of the circle of equal area."""
        phase = self.beats_at(t_s) % 1.0
        contracted = phase / SYSTOLE if phase < SYSTOLE else (1 - phase) / (1 - SYSTOLE)
        ejected = self.ejection_fraction * 0.5 * (1 - math.cos(math.pi * contracted))
        return float(self.radius_mm * (1 - ejected) ** (1 / 3))

    def volume_ml(self, t_s: float) -> float:
        """Return the volume of the cavity: half axes r sqrt(flatness), twice, and r / sqrt(flatness)."""
        return 4 / 3 * math.pi * self.radius_at(t_s) ** 3 * math.sqrt(self.flatness) / 1000
