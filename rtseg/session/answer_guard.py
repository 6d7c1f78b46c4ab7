"""Watches a network's answers while it runs, and warns where they look as if they were misread."""

import numpy as np

from rtseg.engines.base import Array
from rtseg.frame import Labels
from rtseg.kernels.network.fit import Box
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)

FIRST_FRAMES = 10  # whose logits are looked at
MAX_SHARE = 0.98  # of the sector that one class may fill
MIN_STRIDE = 4  # of the pixels that are looked at
ROWS = 32  # that are looked at, at least
FEW_ROWS = 8  # that are looked at first, since each look at a large frame misses the caches
FEW_SHARE = 0.8  # of these that a class must fill for the rest to be looked at
SECOND_NS = 1_000_000_000


def _share(labels: Labels, label: int) -> float:
    return float(np.count_nonzero(labels == label)) / labels.size


class AnswerGuard:
    """Warns once where the first logits all lie in 0..1, as probabilities do, and once where a class fills the sector.

    warnings: the warnings so far, for reports.
    """

    def __init__(self, model: str, warnings: list[str]) -> None:
        self._model, self.warnings = model, warnings
        self._looked, self._has_logits = 0, False
        self._filled_class, self._filled_since_ns, self._is_filled = "", 0, False

    @property
    def doubt(self) -> str:
        """Return why the newest answer looks misread, in a few words for the screen; "" where it does not."""
        if self._looked >= FIRST_FRAMES and not self._has_logits:
            return "all answers lie in 0..1, as probabilities do: adopt the model"
        return f"{self._filled_class} fills the sector: is the model misread? adopt it" if self._is_filled else ""

    def forget(self) -> None:
        """Forget for how long a class has filled the sector, since another stream begins."""
        self._filled_class, self._is_filled = "", False

    def check_logits(self, logits: Array) -> None:
        """Look at the logits of one of the first frames; arrays on a GPU are left alone, since a copy would stop its work."""
        if self._looked >= FIRST_FRAMES or not isinstance(logits, np.ndarray):
            return
        self._looked += 1
        self._has_logits |= bool(logits.min() < 0 or logits.max() > 1)
        if self._looked == FIRST_FRAMES and not self._has_logits:
            self._warn(
                f"all answers of {self._model!r} in {FIRST_FRAMES} frames lie in 0..1, as probabilities do and logits do not: "
                f"adopt its file with `rtseg adopt`"
            )

    def check_labels(self, labels: Labels, box: Box, classes: tuple[str, ...], captured_ns: int) -> None:
        """Look whether one class fills the sector, and has done so for a second. labels: (H, W). box: the sector's."""
        top, left, height, width = box
        stride = max(MIN_STRIDE, min(height, width) // ROWS)
        inside = labels[top : top + height : stride, left : left + width : stride]
        center = int(inside[len(inside) // 2, inside.shape[1] // 2]) if inside.size else 0
        few = inside[:: max(1, len(inside) // FEW_ROWS), :: max(1, inside.shape[1] // FEW_ROWS)]
        filled = center and _share(few, center) > FEW_SHARE and _share(inside, center) > MAX_SHARE
        name = classes[center - 1] if filled and center <= len(classes) else ""
        if not name or name != self._filled_class:
            self._filled_class, self._filled_since_ns, self._is_filled = name, captured_ns, False
            return
        if captured_ns - self._filled_since_ns >= SECOND_NS and not self._is_filled:  # once for each time that it begins
            self._is_filled = True
            self._warn(
                f"{name!r} has filled more than {MAX_SHARE:.0%} of the sector for a second: the answer of {self._model!r} or "
                f"its --normalization may be misread, adopt its file with `rtseg adopt`"
            )

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
            _log.warning("%s", text)
