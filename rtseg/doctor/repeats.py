"""Describe how the frames of a grabber repeat, as where it samples 25 pictures a second 60 times."""

from collections.abc import Sequence

_MAX_PERIOD = 30  # pictures after which a pattern begins again
_MIN_ROUNDS = 3  # times that a pattern must be seen
_MIN_FIT = 0.9  # share of the pictures that must fit
_LONGEST = 12  # frames: a picture that is repeated more often is frozen, and no part of a pattern


def repeat_pattern(repeats: Sequence[bool]) -> str:
    """Return how often each picture is given in turns, such as "2:3"; "" where none repeats, or without a pattern.

    repeats: whether each frame, from the second one on, shows the picture of the one before.
    """
    runs = _run_lengths(repeats)
    for period in range(1, min(_MAX_PERIOD, len(runs) // _MIN_ROUNDS) + 1):
        fitting = sum(one == other for one, other in zip(runs, runs[period:], strict=False))
        if fitting >= _MIN_FIT * (len(runs) - period):
            pattern = _most_usual(runs, period)
            return ":".join(map(str, pattern)) if max(pattern) > 1 else ""
    return ""


def _run_lengths(repeats: Sequence[bool]) -> list[int]:
    """Return how many frames show each picture, without the first and the last one, of which frames may be missing."""
    runs = [1]
    for is_repeat in repeats:
        if is_repeat:
            runs[-1] += 1
        else:
            runs.append(1)
    return [length for length in runs[1:-1] if length <= _LONGEST]


def _most_usual(runs: Sequence[int], period: int) -> list[int]:
    """Return the usual length at each place of a pattern, which begins with the shortest."""
    places = [list(runs[place::period]) for place in range(period)]
    pattern = [max(set(lengths), key=lengths.count) for lengths in places]
    return min(pattern[turn:] + pattern[:turn] for turn in range(period))
