"""Judges the familiarity of a stream's pictures: every third frame, and each frame that shows something else.

A judgement takes a few tenths of a millisecond, and the familiarity of a scene that stands still hardly changes.
"""

import numpy as np
import numpy.typing as npt

from rtseg.engines.base import Array, ModelSpec, State
from rtseg.frame import Life
from rtseg.kernels.runtime.cpu import compiled
from rtseg.session.familiarity import FamiliarityJudge

Floats = npt.NDArray[np.float32]

INTERVAL = 3  # frames from one judgement to the next, so that an unfamiliar picture is named on the third frame at the latest
MAX_CHANGE = 0.25  # root mean square of the change since the last judgement, in standard deviations of the picture itself
_CELLS = 16  # on each side of the thumbnail by which a change is noticed
_ROW_STEP = 4  # one row in so many enters the thumbnail


class FamiliarityMonitor:
    """Returns the familiarity of each picture that the network saw, which is judged anew or that of the picture before.

    It is judged anew on the first frame after `forget`, on each frame that is not LIVE, where the picture changed by more than
    MAX_CHANGE since the last judgement, and at the latest INTERVAL frames after it.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._judge = FamiliarityJudge(spec)
        self._familiarity: float | None = None
        self.forget()

    @property
    def is_calibrated(self) -> bool:
        """Return whether the network has a calibration that fits it."""
        return self._judge.is_calibrated

    def forget(self) -> None:
        """Judge the next picture, whatever it shows."""
        self._judged: Floats | None = None  # the thumbnail of the picture that was judged last
        self._max_square = 0.0  # the sum of squared changes of its cells above which a picture is another one
        self._age = 0  # frames since then

    def observe(self, x: Array, logits: Array, state: State, life: Life) -> float | None:
        """Return the familiarity of a frame, None where it is unknown; x, logits, state: see `FamiliarityJudge.judge`."""
        self._age += 1
        small = _thumbnail(x) if isinstance(x, np.ndarray) else None
        if small is None or life is not Life.LIVE or self._age >= INTERVAL or self._is_changed(small):
            self._familiarity = self._judge.judge(x, logits, state)
            self._remember(small)
        return self._familiarity

    def _is_changed(self, small: Floats) -> bool:
        if self._judged is None:
            return True
        change = small - self._judged
        return float(np.vdot(change, change)) > self._max_square

    def _remember(self, small: Floats | None) -> None:
        self._judged, self._age = small, 0
        if small is not None:
            around = small - small.mean()
            self._max_square = MAX_CHANGE**2 * float(np.vdot(around, around))


def _thumbnail(x: Floats) -> Floats:
    """Return the first channel of the network's input (1, C, H, W) in up to 16 x 16 cells, the means of some pixels."""
    small = np.empty((min(_CELLS, x.shape[2]), min(_CELLS, x.shape[3])), np.float32)
    _average_blocks(x, np.empty(x.shape[3], np.float32), small)
    return small


@compiled
def _average_blocks(x: Floats, sums: Floats, small: Floats) -> None:
    """Write the means of blocks of the input, of which one row in _ROW_STEP is read; rows are added first, as vectors."""
    height, width = x.shape[2] // small.shape[0], x.shape[3] // small.shape[1]
    for i in range(small.shape[0]):
        sums[:] = np.float32(0)
        count = 0
        for row in range(i * height, (i + 1) * height, _ROW_STEP):
            line = x[0, 0, row]
            for column in range(sums.size):
                sums[column] += line[column]
            count += width
        for j in range(small.shape[1]):
            total = np.float32(0)
            for column in range(j * width, (j + 1) * width):
                total += sums[column]
            small[i, j] = total / count
