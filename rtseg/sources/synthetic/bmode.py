"""Simulates the echoes of vessel and tissue, and their B-mode image."""

import math

import cv2
import numpy as np

from rtseg.frame import Image
from rtseg.sources.synthetic.geometry import Grid, ScanView, to_beams
from rtseg.sources.synthetic.tissue import Tissue
from rtseg.sources.synthetic.vessel import Vessel

DYNAMIC_RANGE_DB = 55.0
WHITE_DB = 13.0  # the echo shown as white, above an echo of 0 dB
DB_A_CM_MHZ = 0.5  # soft tissue; blood has nearly none
BLOOD, NOISE = 10 ** (-46 / 20), 10 ** (-49 / 20)  # amplitudes relative to an echo of 0 dB
LENS_MM = 0.035  # of the depth: distance of the lens's echoes when the probe is lifted


def echo_power(tissue: Tissue, vessel: Vessel, view: ScanView, t_s: float, rng: np.random.Generator) -> Grid:
    """Return the power of the echoes (N, B) at time `t_s`, after time-gain compensation."""
    distance = vessel.distance(view.beam_x, view.beam_z, t_s)
    columns, rows = _rest_coordinates(tissue, vessel, view, distance, t_s)
    field = cv2.remap(tissue.scatterers(t_s), columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    real, imaginary, strength = (np.asarray(part, np.float32) for part in cv2.split(field))
    outward = distance - np.float32(vessel.radius_at(t_s))
    facing = _facing(vessel, view, t_s)
    amplitude = _amplitude(strength, outward, facing, vessel.wall_mm)
    gained = _path_gain(outward, vessel.wall_mm, view)
    power = (real * real + imaginary * imaginary) * amplitude * amplitude * gained
    return np.asarray(power + _noise_power(view, rng) + _near_field(view, 0.012), np.float32)


def no_contact_power(view: ScanView, rng: np.random.Generator) -> Grid:
    """Return the power (N, B) without contact: echoes within the probe's lens, and noise."""
    pitch_mm = LENS_MM * view.probe.depth_mm
    bands = np.exp(-view.r_mm / (0.55 * pitch_mm)) * np.cos(np.pi * view.r_mm / pitch_mm) ** 8
    uneven = 1 + 0.15 * np.sin(23 * view.across / view.probe.half_width)
    return np.asarray(6 * bands * uneven + _noise_power(view, rng) + _near_field(view, 0.02), np.float32)


def compress(power: Grid, gain_db: float) -> Image:
    """Return the gray levels of echo powers: logarithmic, DYNAMIC_RANGE_DB from black to white."""
    levels = cv2.log(power + np.float32(1e-9))
    scale = 255 / DYNAMIC_RANGE_DB
    grey = levels * np.float32(scale * 10 / math.log(10)) + np.float32(255 + (gain_db - WHITE_DB) * scale)
    return np.asarray(np.clip(grey, 0, 255), np.uint8)


def _rest_coordinates(tissue: Tissue, vessel: Vessel, view: ScanView, distance: Grid, t_s: float) -> tuple[Grid, Grid]:
    """Return the columns and rows in the resting tissue from which the echoes come.

    The tissue slides under the probe, and gives way to the pulse like an incompressible fluid.
    """
    across, into = vessel.drift(t_s)
    x_mm, z_mm = view.beam_x + np.float32(across), view.beam_z + np.float32(into)
    swollen = np.float32(vessel.radius_at(t_s) ** 2 - vessel.radius_mm**2)
    shrink = np.sqrt(np.maximum(distance * distance - swollen, 0)) / np.maximum(distance, np.float32(1e-3))
    x_mm = np.float32(vessel.x_mm) + (x_mm - np.float32(vessel.x_mm)) * shrink
    z_mm = np.float32(vessel.z_mm) + (z_mm - np.float32(vessel.z_mm)) * shrink
    return tissue.field_coordinates(*to_beams(view.probe, x_mm, z_mm))


def _facing(vessel: Vessel, view: ScanView, t_s: float) -> Grid:
    """Return the cosine between beam and wall normal: -1 at the near wall, 1 at the far wall, 0 beside the vessel."""
    across, into = vessel.drift(t_s)
    x = (view.beam_x + np.float32(across - vessel.x_mm)) * np.float32(1 / vessel.flatness)
    z = (view.beam_z + np.float32(into - vessel.z_mm)) * np.float32(vessel.flatness)
    return np.asarray((x * view.along_x + z * view.along_z) / np.sqrt(x * x + z * z + np.float32(1e-6)), np.float32)


def _amplitude(strength: Grid, outward: Grid, facing: Grid, wall_mm: float) -> Grid:
    """Return the echo amplitude: blood inside, two bright wall lines where they face the beam, tissue outside."""
    depth = outward * np.float32(1 / wall_mm)  # 0 at the lumen's edge, 1 where the wall ends
    outside = np.clip(depth * 4, 0, 1)
    mirror = facing * facing
    lines = 0.7 * _wall_line(depth, 0.22, 0.16) * mirror + 1.6 * _wall_line(depth, 1.0, 0.35) * (0.1 + 0.9 * mirror)
    haze = 0.02 * np.exp(np.minimum(depth, 0) * 0.8) * np.maximum(-facing, 0)  # clutter under the near wall
    tissue = strength * np.clip(0.3 + 0.7 * (depth - 1) * 2, 0.3, 1)  # the wall's middle layer is dark
    return np.asarray(outside * (tissue + lines) + (1 - outside) * (np.float32(BLOOD) + haze), np.float32)


def _path_gain(outward: Grid, wall_mm: float, view: ScanView) -> Grid:
    """Return the gain of power along the beam: blood attenuates less than the compensation assumes, the wall far more."""
    tissue_db_mm = np.float32(2 * DB_A_CM_MHZ * view.probe.mhz / 10)
    walls = _wall_line(outward * np.float32(1 / wall_mm), 0.6, 0.35)
    gain_db_mm = tissue_db_mm * (outward < 0) - np.float32(1.7) * tissue_db_mm * walls
    passed = np.cumsum(gain_db_mm, axis=0, dtype=np.float32) * np.float32(view.step_mm)
    focus = -8 * (view.r_mm / view.probe.depth_mm - 0.45) ** 2 - 22 * np.maximum(view.r_mm / view.probe.depth_mm - 0.55, 0)
    return np.asarray(cv2.exp((passed + focus) * np.float32(math.log(10) / 10)), np.float32)


def _noise_power(view: ScanView, rng: np.random.Generator) -> Grid:
    """Return the electronic noise (N, B), which the time-gain compensation amplifies with depth."""
    shape = (view.beam_x.shape[0], view.beam_x.shape[1])
    rising = np.float32(NOISE**2) * np.exp(view.r_mm * np.float32(3.0 / view.probe.depth_mm))
    return np.asarray(rng.standard_exponential(shape, np.float32) * rising, np.float32)


def _near_field(view: ScanView, reach: float) -> Grid:
    """Return the ring-down of the transmit pulse at the probe's face (N, 1)."""
    return np.asarray(9 * np.exp(-2 * view.r_mm / np.float32(reach * view.probe.depth_mm)), np.float32)


def _wall_line(depth: Grid, centre: float, width: float) -> Grid:
    """Return the profile of a bright wall line at `centre`, in units of the wall's thickness."""
    return np.asarray(cv2.exp((depth - np.float32(centre)) ** 2 * np.float32(-0.5 / width**2)), np.float32)
