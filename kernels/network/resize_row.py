"""A line of numbers resized, as resize.py says, for loops; a line has one place more before its numbers and two behind."""

import numpy as np

from rtseg.kernels.network.resize import Floats, Taps
from rtseg.kernels.network.row_sums import FIVE, FOUR, ONE, THREE, TWO, add_rows
from rtseg.kernels.runtime.cpu import compiled, fused

AROUND = 3  # places, which shares of nothing are read from


@compiled
def resize_line(line: Floats, columns: Taps, runs: Floats, target: Floats) -> None:
    """Write the resized line to `target`; runs: to work in, its numbers and one, less the whole inputs of a column."""
    inputs, whole = line.size - AROUND, np.uint64(columns[1])
    if whole == 0 and inputs < target.size:
        _blend_two(line, columns, target)
    elif inputs == columns[1] * target.size and TWO <= whole <= FIVE:
        _add_blocks(line, whole, target)
    else:
        add_rows(line, ONE, ONE, whole, runs)
        _take(line, runs, columns, target)


@fused
def mix(line: Floats, other: Floats, share: np.float32, target: Floats) -> None:
    """Write a share of the other line and the rest of the first to `target`."""
    rest = np.float32(1) - share
    for x in range(np.uint64(target.size)):
        target[x] = rest * line[x] + share * other[x]


@fused
def _take(line: Floats, runs: Floats, columns: Taps, target: Floats) -> None:
    """Each column of the result: a run of whole inputs and the shares beside it.

    line: inputs from its second place on. runs: sums of `columns[1]` inputs, at every place though most are in vain: vectors
    take what lies side by side.
    """
    first, count, shares = columns
    before, behind, beyond = shares[0], shares[1], shares[2]
    for x in range(np.uint64(target.size)):
        start = np.uint64(first[x])
        after = start + np.uint64(count) + ONE
        target[x] = before[x] * line[start] + runs[start] + behind[x] * line[after] + beyond[x] * line[after + ONE]


@fused
def _blend_two(line: Floats, columns: Taps, target: Floats) -> None:
    """Each column of a wider result: it lies between two inputs."""
    first, _, shares = columns
    before, behind = shares[0], shares[1]
    for x in range(np.uint64(target.size)):
        start = np.uint64(first[x])
        target[x] = before[x] * line[start] + behind[x] * line[start + ONE]


@compiled
def _add_blocks(line: Floats, size: np.uint64, target: Floats) -> None:
    """Each column of the result where it is two to five whole inputs: for a number that it knows, LLVM shuffles vectors."""
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
