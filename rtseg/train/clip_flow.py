"""Estimates the motion in a training clip, by which the masks of neighboring frames are compared."""

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.session.optical_flow import OpticalFlow, warp

FLOW_SCALE = 2  # pixels of the clip for each pixel of the motion
_RESIDUAL = 12.0  # gray levels of the remaining difference at which the confidence falls to 1/e

Motion = npt.NDArray[np.float32]  # (T - 1, 3, h, w): x and y to the same point in the frame before, in its pixels; confidence


def clip_motion(frames: npt.NDArray[np.uint8]) -> Motion:
    """Return the motion from each frame of (T, H, W) uint8 back to the one before, at half the resolution.

    The confidence in [0, 1] falls with the difference that remains after the motion is undone, as at cuts and where tissue
    leaves the picture.
    """
    search, motion = OpticalFlow(), list[npt.NDArray[np.float32]]()
    half = (frames.shape[2] // FLOW_SCALE, frames.shape[1] // FLOW_SCALE)
    small = [np.asarray(cv2.resize(frame, half, interpolation=cv2.INTER_AREA), np.uint8) for frame in frames]
    for before, now in pairwise(small):
        field = search.between(before, now)
        residual = np.abs(warp(before.astype(np.float32), field) - now)
        motion.append(np.stack([field[..., 0], field[..., 1], np.exp(-np.square(residual / _RESIDUAL))]))
    return np.stack(motion) if motion else np.zeros((0, 3, half[1], half[0]), np.float32)
