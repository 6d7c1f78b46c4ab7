"""Makes the input of a network in training: gray frames, or the planes that its config names."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rtseg.engines.input_planes import compute_plane
from rtseg.train.config import TrainConfig

GRAY = "gray"


def clip_input(frames: npt.NDArray[np.float32], config: TrainConfig) -> Tensor:
    """Return the normalized input (T, N, C, H, W) for clips (T, N, H, W) of gray levels 0 to 255.

    A plane other than gray is computed from each frame at the network's size, rounded to whole gray levels, as a stream has it.
    """
    gray = torch.from_numpy(frames)[:, :, None]
    planes = [
        gray if name == GRAY else torch.from_numpy(_planes(name, frames))[:, :, None] for name in config.planes or (GRAY,)
    ]
    normalized = [(plane - mean) / std for plane, mean, std in zip(planes, config.mean, config.std, strict=True)]
    return normalized[0] if len(normalized) == 1 else torch.cat(normalized, 2)


def _planes(name: str, frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    levels = np.rint(np.clip(frames, 0, 255)).astype(np.uint8)
    made = [compute_plane(name, image) for image in levels.reshape(-1, *levels.shape[2:])]
    return np.stack(made).reshape(frames.shape).astype(np.float32)
