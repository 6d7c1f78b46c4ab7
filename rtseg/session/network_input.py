"""Prepare the network's input from a frame: upload, crop, filter, letterbox and normalize."""

from dataclasses import replace

from rtseg.engines.base import Array, Engine
from rtseg.engines.input_planes import fill_input
from rtseg.frame import Image
from rtseg.kernels.network.fit import Fit
from rtseg.session.enhancement import StreamFilter
from rtseg.session.speckle import view_size
from rtseg.trace import LatencyTrace


def network_input(
    engine: Engine, image: Image, fit: Fit, speckle: StreamFilter | None, trace: LatencyTrace, out: Array | None
) -> Array:
    """Return the input (1, C, h, w) float32 for an image, on the engine's device; its stages are added to `trace`.

    fit: the box of the image and its place in the input. out: an earlier input to overwrite, or None.
    """
    spec = engine.spec
    with trace.stage("preprocess"):
        pixels = engine.upload(image)
    if speckle:
        with trace.stage("speckle"):
            size = view_size(fit.box, fit.inner[2:])
            pixels, fit = speckle.view(pixels, fit.box, size), replace(fit, box=(0, 0, *size))
    with trace.stage("preprocess"):
        return fill_input(spec, pixels, fit, out)
