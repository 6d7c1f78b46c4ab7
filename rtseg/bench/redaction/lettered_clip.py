"""Read a clip with the truth about its screen: the sector's mask and the box of every text."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from rtseg.errors import ReportError
from rtseg.frame import Mask
from rtseg.kernels.network.fit import Box


@dataclass(frozen=True, slots=True)
class ScreenText:
    """Holds a text of a screen."""

    box: Box
    """Top, left, height, width in pixels."""
    string: str
    """The text itself."""
    over_sector: bool
    """Whether it stands over the ultrasound."""


@dataclass(frozen=True, slots=True)
class LetteredClip:
    """Holds a clip and its truth."""

    video: Path
    """The clip."""
    sector: Mask
    """(H, W) bool, true inside the ultrasound."""
    texts: tuple[ScreenText, ...]
    """All texts of the screen."""


def read_lettered_clip(truth: Path) -> LetteredClip:
    """Read NNN.json, NNN.mp4 and the mask that it names, as the generator of screens writes them. Raises ReportError."""
    try:
        values = json.loads(truth.read_text(encoding="utf-8"))
        texts = tuple(_text(one) for one in values["text"])
        mask = cv2.imread(str(truth.with_name(values["sector"])), cv2.IMREAD_GRAYSCALE)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{truth} is no truth of a screen ({error}): write it with rtseg.sources.synthetic.screens") from None
    if mask is None:
        raise ReportError(f"the mask of {truth} cannot be read: write it with rtseg.sources.synthetic.screens")
    return LetteredClip(truth.with_suffix(".mp4"), np.asarray(mask > 0, np.bool_), texts)


def _text(values: dict[str, object]) -> ScreenText:
    top, left, height, width = (int(value) for value in values["box"])  # type: ignore[attr-defined]
    return ScreenText((top, left, height, width), str(values["string"]), bool(values["over_sector"]))
