"""Resizes one line of numbers in compiled loops, with the weights of resize.py.

A line has one element of padding before its numbers and two after them.
"""

import numpy as np

from rtseg.kernels.network.resize import Floats, Taps
from rtseg.kernels.network.row_sums import FIVE, FOUR, ONE, THREE, TWO, add_rows
from rtseg.kernels.runtime.cpu import compiled, fused

PADDING = 3  # elements, which are read with a weight of 0


@compiled
def resize_line(line: Floats, columns: Taps, runs: Floats, target: Floats) -> None:
    """Write the resized line to `target`.

    line: padded. runs: scratch, of the line's unpadded length plus 1 minus the whole inputs of a column.
    """
    inputs, whole = line.size - PADDING, np.uint64(columns[1])
    if whole == 0 and inputs < target.size:
        _blend_two(line, columns, target)
    elif inputs == columns[1] * target.size and TWO <= whole <= FIVE:
        _add_blocks(line, whole, target)
    else:
        add_rows(line, ONE, ONE, whole, runs)
        _add_runs(line, runs, columns, target)


@fused
def mix(line: Floats, other: Floats, share: np.float32, target: Floats) -> None:
    """Write share * other + (1 - share) * line to `target`."""
    rest = np.float32(1) - share
    for x in range(np.uint64(target.size)):
        target[x] = rest * line[x] + share * other[x]


@fused
def _add_runs(line: Floats, runs: Floats, columns: Taps, target: Floats) -> None:
    """Write each column of the result: the sum of a run of whole inputs and of the shares beside it.

    line: padded. runs: sums of `columns[1]` inputs at every position; most are unused, but neighbors vectorize.
    """
    first, count, shares = columns
    before, behind, beyond = shares[0], shares[1], shares[2]
    for x in range(np.uint64(target.size)):
        start = np.uint64(first[x])
        after = start + np.uint64(count) + ONE
        target[x] = before[x] * line[start] + runs[start] + behind[x] * line[after] + beyond[x] * line[after + ONE]


@fused
def _blend_two(line: Floats, columns: Taps, target: Floats) -> None:
    """Write each column of an enlarged result, which lies between two inputs."""
    first, _, shares = columns
    before, behind = shares[0], shares[1]
    for x in range(np.uint64(target.size)):
        start = np.uint64(first[x])
        target[x] = before[x] * line[start] + behind[x] * line[start + ONE]


@compiled
def _add_blocks(line: Floats, size: np.uint64, target: Floats) -> None:
    """Write each column of the result as the sum of two to five inputs.

    Each count has its own loop, since LLVM vectorizes a constant stride.
    """
    width = np.uint64(target.size)
    if size == TWO:
        for x in range(width):
            at = ONE + TWO * x
            target[x] = line[at] + line[at + ONE]
    elif size == THREE:
        for x in range(width):
            at = ONE + THREE * x
            target[x] = line[at] + line[at + ONE] + line[at + TWO]
    elif size == FOUR:
        for x in range(width):
            at = ONE + FOUR * x
            target[x] = line[at] + line[at + ONE] + line[at + TWO] + line[at + THREE]
    else:
        for x in range(width):
            at = ONE + FIVE * x
            target[x] = line[at] + line[at + ONE] + line[at + TWO] + line[at + THREE] + line[at + FOUR]
