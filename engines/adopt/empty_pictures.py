"""Runs a network on pictures that show nothing, to see whether it takes the background for a class."""

import numpy as np
import numpy.typing as npt

from rtseg.engines.base import Engine
from rtseg.engines.input_planes import fill_input
from rtseg.errors import ModelError
from rtseg.frame import Image
from rtseg.kernels.network.fit import letterbox

FILLED = 0.95  # of every empty picture, which only a background covers
ABSENT = 0.01  # of every empty picture, of which a background covers more
_LEVEL = 90  # of gray, as of tissue


def check_background(engine: Engine, path: str, channels: int) -> None:
    """Raise ModelError where a class fills a black, a gray and a speckled picture, or the background is in none of them.

    Trained networks find next to nothing there. channels: of the network's own answer.
    """
    names, filling, is_absent = engine.spec.classes, list(engine.spec.classes), True
    for image in _empty_pictures(engine.spec.size):
        shares = _shares(engine, image)
        filling = [name for name, share in zip(names, shares[1:].tolist(), strict=True) if share > FILLED and name in filling]
        is_absent &= float(shares[0]) < ABSENT
        if not filling and not is_absent:  # after the first picture, as a rule
            return
    what = f"{filling[0]!r} nearly everywhere" if filling else "no background"
    remedy = (
        "give --classes with the background at its place, as in lumen,background, or first if it is right so"
        if channels > 1
        else f"export it with the probability of what it segments, or say --classes background,{names[0]} if it is right so"
    )
    raise ModelError(f"{path} finds {what} in pictures that show nothing, so that its background may be another one: {remedy}")


def _shares(engine: Engine, image: Image) -> npt.NDArray[np.float64]:
    """Return the share of a picture that the background and each class covers."""
    spec = engine.spec
    x = fill_input(spec, image, letterbox((0, 0, *image.shape), spec.size))
    logits = np.asarray(engine.infer(x, engine.initial_state())[0])
    labels = (logits[0, 0] > 0).astype(int) if logits.shape[1] == 1 else logits[0].argmax(0)
    return np.array([(labels == label).mean() for label in range(len(spec.classes) + 1)])


def _empty_pictures(size: tuple[int, int]) -> tuple[Image, Image, Image]:
    """Return a black, a gray and a speckled picture (H, W) uint8."""
    grain = np.random.default_rng(0).rayleigh(0.8, size)
    speckled = np.clip(_LEVEL * grain, 0, 255).astype(np.uint8)
    return np.zeros(size, np.uint8), np.full(size, _LEVEL, np.uint8), speckled
