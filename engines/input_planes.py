"""Fills a network's input from a frame: plain pixels, or the planes that its spec names."""

from dataclasses import replace

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Array, ModelSpec
from rtseg.errors import EngineError
from rtseg.frame import Image
from rtseg.kernels.network.fit import Fit


def fill_input(spec: ModelSpec, pixels: Array, fit: Fit, out: Array | None = None) -> Array:
    """Return the input (1, C, H, W) float32 of a network for a frame, on the device of its pixels.

    pixels: (H, W) or (H, W, 3) uint8. out: an earlier input to overwrite, or None. Each plane of `spec.planes` is computed from
    the box of the frame, gray and reduced to the network's size where that is smaller. Raises EngineError on a GPU, where
    planes are not implemented.
    """
    if not spec.planes:
        statistics = "" if spec.normalization == "constants" else spec.normalization
        return kernels.fit_input(pixels, fit, spec.mean, spec.std, statistics=statistics, percentiles=spec.percentiles, out=out)
    if not isinstance(pixels, np.ndarray):
        raise EngineError(
            f"the input planes {', '.join(spec.planes)} are computed on the CPU only: use --engine openvino or onnx"
        )
    size = min(fit.inner[2], fit.box[2]), min(fit.inner[3], fit.box[3])
    view = kernels.grey_view(pixels, fit.box, size)
    x = np.empty((1, spec.channels, *fit.size), np.float32) if out is None else out
    for channel, name in enumerate(spec.planes):
        normalization = spec.mean[channel : channel + 1], spec.std[channel : channel + 1]
        kernels.fit_input(
            compute_plane(name, view), replace(fit, box=(0, 0, *size)), *normalization, out=x[:, channel : channel + 1]
        )
    return x


def compute_plane(name: str, view: Image) -> Image:
    """Return a plane (H, W) uint8 of a gray view, with the kernel's default options, which are part of the definition.

    name: one of `engines.base.PLANES`.
    """
    return kernels.phase_symmetry(view) if name == "phase_symmetry" else view
