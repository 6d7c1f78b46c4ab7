"""Draws the curve of a measure as SVG: its values, its range as a band, and the events of the stream."""

from collections.abc import Iterable

import numpy as np

from rtseg.measure.measure_history import MeasureHistory

_WIDTH, _HEIGHT, _MARGIN = 900, 180, 46
_MAX_DRAWN = 1200  # points of a line


def curve_plot(history: MeasureHistory, marks: Iterable[tuple[float, str]]) -> str:
    """Return the SVG of a curve; "" where it has no value. marks: seconds and name of what happened."""
    times, values, lows, highs = (one[:: max(1, len(one) // _MAX_DRAWN)] for one in history.curve())
    known = np.isfinite(values)
    if not known.any():
        return ""
    shown = np.concatenate([values[known], lows[np.isfinite(lows)], highs[np.isfinite(highs)]])
    least, most = float(shown.min()), float(shown.max())
    least, most = (least, most) if most > least else (least - 0.5, most + 0.5)
    end = max(float(times[-1]), 1e-6)

    def place(time: float, value: float) -> str:
        x = _MARGIN + (_WIDTH - 2 * _MARGIN) * time / end
        return f"{x:.1f},{10 + (_HEIGHT - 40) * (most - value) / (most - least):.1f}"

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="curve">']
    for run in _runs(known):
        band = [at for at in run if np.isfinite(lows[at]) and np.isfinite(highs[at])]
        upper = [place(times[at], highs[at]) for at in band]
        lower = [place(times[at], lows[at]) for at in reversed(band)]
        if band:
            parts.append(f'<polygon class="band" points="{" ".join(upper + lower)}"/>')
        parts.append(f'<polyline class="line" points="{" ".join(place(times[at], values[at]) for at in run)}"/>')
    for time, name in marks:
        x = _MARGIN + (_WIDTH - 2 * _MARGIN) * min(time, end) / end
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="10" y2="{_HEIGHT - 30}"><title>{name}</title></line>')
    parts.append(f'<text x="2" y="18">{most:.1f}</text><text x="2" y="{_HEIGHT - 32}">{least:.1f}</text>')
    parts.append(
        f'<text x="{_MARGIN}" y="{_HEIGHT - 8}">0 s</text><text x="{_WIDTH - 90}" y="{_HEIGHT - 8}">{end:.1f} s</text>'
    )
    return "".join([*parts, "</svg>"])


def _runs(known: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> list[list[int]]:
    """Return the indices of each stretch without a gap."""
    places = np.flatnonzero(known)
    return [part.tolist() for part in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)]
