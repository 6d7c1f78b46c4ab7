"""Maps a probe's beams between the body and the screen."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image, Mask

Grid: TypeAlias = npt.NDArray[np.float32]

MAX_SAMPLES, MAX_BEAMS = 512, 192  # echo samples of a frame, as many as a real scanner has before scan conversion


@dataclass(frozen=True, slots=True)
class Transducer:
    """Describes a transducer."""

    radius_mm: float  # of its face, infinite for a linear one
    half_width: float  # half its width in mm, or in radians if the face is curved
    depth_mm: float  # of the field of view
    mhz: float  # center frequency

    @property
    def is_linear(self) -> bool:
        """Return whether the face is flat."""
        return math.isinf(self.radius_mm)


TRANSDUCERS = {
    "linear": Transducer(math.inf, 19.0, 40.0, 7.5),
    "curvilinear": Transducer(60.0, math.radians(32), 150.0, 3.5),
}


class ScanView:
    """Holds a probe's image geometry at one depth setting, and that of its echo samples.

    x_mm (1, W), z_mm (H, 1): body coordinates of the pixel centers, z down from the middle of the probe's face. beam_x,
    beam_z (N, B): the same for the echo samples. along_x, along_z (1, B): the beams' directions. step_mm: distance of two
    samples of a beam. inside (H, W): the sector.
    """

    def __init__(self, probe: Transducer, height: int, width: int, depth: float = 1.0) -> None:
        self.probe, self.depth_mm = probe, probe.depth_mm * depth
        top_mm, tall_mm, wide_mm = _extent(probe, self.depth_mm)
        self.spacing_mm = tall_mm / height if probe.is_linear else max(tall_mm / height, wide_mm / width)
        self.x_mm = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) * self.spacing_mm)[None, :].astype(np.float32)
        self.z_mm = ((np.arange(height, dtype=np.float32) + 0.5) * self.spacing_mm + top_mm)[:, None].astype(np.float32)
        self._sample_beams(height, width)
        self._map_pixels()

    def _sample_beams(self, height: int, width: int) -> None:
        """Place the echo samples: as many as the image can show, and no more than a scanner has."""
        samples, beams = int(np.clip(height, 96, MAX_SAMPLES)), int(np.clip(width, 64, MAX_BEAMS))
        self.r_mm = np.linspace(0, self.depth_mm, samples, dtype=np.float32)[:, None]
        self.across = np.linspace(-self.probe.half_width, self.probe.half_width, beams, dtype=np.float32)[None, :]
        self.step_mm = self.depth_mm / (samples - 1)
        if self.probe.is_linear:
            self.along_x, self.along_z = np.zeros_like(self.across), np.ones_like(self.across)
            self.beam_x, self.beam_z = (np.ascontiguousarray(a) for a in np.broadcast_arrays(self.across, self.r_mm))
        else:
            self.along_x, self.along_z = np.sin(self.across), np.cos(self.across)
            from_centre = self.probe.radius_mm + self.r_mm
            self.beam_x, self.beam_z = from_centre * self.along_x, from_centre * self.along_z - np.float32(self.probe.radius_mm)

    def _map_pixels(self) -> None:
        """Compute for each pixel the position between the samples that it shows."""
        across, r_mm = to_beams(self.probe, *np.broadcast_arrays(self.x_mm, self.z_mm))
        self.inside: Mask = (np.abs(across) <= self.probe.half_width) & (r_mm >= 0) & (r_mm <= self.depth_mm)
        beam_step = 2 * self.probe.half_width / (self.across.size - 1)
        columns = (across + np.float32(self.probe.half_width)) / np.float32(beam_step)
        columns = np.where(self.inside, columns, np.float32(-9)).astype(np.float32)
        self._maps = cv2.convertMaps(columns, (r_mm / np.float32(self.step_mm)).astype(np.float32), cv2.CV_16SC2)

    def draw(self, samples: Image) -> Image:
        """Return the image (H, W) of echo samples (N, B), uint8, black outside the sector."""
        picture = cv2.remap(samples, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return picture.astype(np.uint8, copy=False)


def to_beams(probe: Transducer, x_mm: Grid, z_mm: Grid) -> tuple[Grid, Grid]:
    """Return body points as positions across the beams (mm, or radians if curved) and along them (mm)."""
    if probe.is_linear:
        return x_mm, z_mm
    below = z_mm + np.float32(probe.radius_mm)
    return np.arctan2(x_mm, below), np.hypot(x_mm, below) - np.float32(probe.radius_mm)


def _extent(probe: Transducer, depth_mm: float) -> tuple[float, float, float]:
    """Return top, height and width of the sector in mm; z is 0 at the middle of the probe's face."""
    if probe.is_linear:
        return 0.0, depth_mm, 2 * probe.half_width
    top_mm = probe.radius_mm * (math.cos(probe.half_width) - 1)
    return top_mm, depth_mm - top_mm, 2 * (probe.radius_mm + depth_mm) * math.sin(probe.half_width)
