"""What a contest on a picture of some size says."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import median as middle
from typing import Any

import numpy as np

from rtseg.bench.kernels.cases import contests
from rtseg.bench.kernels.paired_timing import Call, Contest, least_on_one_core, take_turns

SIZES = ((256, 256), (720, 1280), (1080, 1920))  # (H, W)
QUICK_SIZES = ((256, 256),)


@dataclass(frozen=True, slots=True)
class KernelRow:
    """One kernel on one size of picture, beside somebody else's way.

    ours_ms, theirs_ms: medians over turns that alternate. ratio: theirs by ours, above 1 where ours is faster.
    gigabytes_per_s: what must be read and written, once, by our time. copies: our time in plain copies of an RGB frame of
    this size, in turns with such copies; of_copy: the bytes a second, as a share of what a copy reaches there.
    best_ratio, best_copies: the same of the fastest turns.
    core_ratio, core_copies: the same of the least processor time, each side on one core, which a busy machine spoils least.
    """

    kernel: str
    height: int
    width: int
    theirs: str
    ours_ms: float
    theirs_ms: float
    ratio: float
    gigabytes_per_s: float
    of_copy: float
    copies: float
    best_ratio: float
    best_copies: float
    core_ratio: float
    core_copies: float

    def to_json(self) -> dict[str, Any]:
        """The row as plain values."""
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}


def measure_kernels(sizes: Sequence[tuple[int, int]] = SIZES, only: Sequence[str] = ()) -> list[KernelRow]:
    """Time the kernels on pictures of these sizes, (H, W), all of them or `only` the named ones; this takes minutes."""
    rows = []
    for shape in sizes:
        copy = partial(np.copyto, np.ones((*shape, 3), np.uint8), np.ones((*shape, 3), np.uint8))
        for contest in contests(shape):
            if not only or contest.kernel in only:
                rows.append(_row(contest, shape, copy))
    return rows


def _row(contest: Contest, shape: tuple[int, int], copy: Call) -> KernelRow:
    our_turns, their_turns = take_turns(contest)
    beside_copy = replace(contest, their_call=copy)  # turns of their own: a copy takes the caches from who comes next
    our_others, copy_turns = take_turns(beside_copy)
    ours, theirs, copies = middle(our_turns), middle(their_turns), middle(our_others) / middle(copy_turns)
    reached = contest.traffic / ours  # bytes a nanosecond are gigabytes a second
    of_copy = contest.traffic / (6 * shape[0] * shape[1]) / copies
    figures = (ours / 1e6, theirs / 1e6, theirs / ours, reached, of_copy, copies)
    best = min(their_turns) / min(our_turns), min(our_others) / min(copy_turns)
    (our_core, their_core), (our_other, copy_core) = least_on_one_core(contest), least_on_one_core(beside_copy)
    core = their_core / max(our_core, 1), our_other / max(copy_core, 1)
    return KernelRow(contest.kernel, *shape, contest.theirs, *figures, *best, *core)
