"""Draws two small plots as SVG text: the distribution of latencies, and latency over the course of a run."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 760, 260
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 14, 14, 40
_COLOURS = ("#0072b2", "#d55e00", "#009e73")  # palette of M. Okabe and K. Ito, for color-blind readers
_MAX_POINTS = 1000

Points = Sequence[tuple[float, float]]


def cdf_svg(runs: Mapping[str, Sequence[float]]) -> str:
    """Plot the cumulative distribution of each run's latencies over a logarithmic axis in milliseconds, as SVG."""
    known = {name: sorted(times) for name, times in runs.items() if times}
    if not known:
        return ""
    least, most = (
        math.log10(max(end, 1e-3)) for end in (min(t[0] for t in known.values()), max(t[-1] for t in known.values()))
    )
    span = max(most - least, 1e-3)
    lines = {
        name: [((math.log10(max(ms, 1e-3)) - least) / span, (rank + 1) / len(times)) for rank, ms in _thin_ranks(times)]
        for name, times in known.items()
    }
    across = {(math.log10(ms) - least) / span: f"{ms:g}" for ms in _log_ticks(10**least, 10**most)}
    return _chart_svg(lines, across, {share: f"{share:.0%}" for share in (0, 0.25, 0.5, 0.75, 1)}, "ms from capture to overlay")


def timeline_svg(at_s: Sequence[float], times_ms: Sequence[float | None], period_ms: float) -> str:
    """Plot milliseconds over the seconds of a run as SVG, with a dashed line at the frame period."""
    known = [(at, ms) for at, ms in zip(at_s, times_ms, strict=True) if ms is not None]
    if not known:
        return ""
    most, lasted = max(period_ms, *(ms for _, ms in known)) * 1.05, max(known[-1][0], 1e-3)
    line = [(at / lasted, ms / most) for at, ms in _block_maxima(known)]
    across = {at / lasted: f"{at:.3g}" for at in _linear_ticks(0, lasted)}
    up = {ms / most: f"{ms:.3g}" for ms in _linear_ticks(0, most)}
    return _chart_svg({"total, ms": line}, across, up, "seconds", late=period_ms / most)


def _thin_ranks(times: Sequence[float]) -> list[tuple[int, float]]:
    """Return (rank, time) pairs of sorted times, thinned for drawing except for the slowest hundred, the tail."""
    tail = max(0, len(times) - 100)
    step = max(1, tail // _MAX_POINTS)
    return [*list(enumerate(times))[:tail:step], *list(enumerate(times))[tail:]]


def _block_maxima(points: Points) -> Points:
    """Thin the points for drawing: keep the slowest frame of each block, so that no stall is lost."""
    step = math.ceil(len(points) / _MAX_POINTS)
    return [max(points[i : i + step], key=lambda point: point[1]) for i in range(0, len(points), step)]


def _log_ticks(least: float, most: float) -> list[float]:
    """Return the ticks 1, 2, 5, 10, 20, 50, ... between two values."""
    decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    return [k * 10.0**decade for decade in decades for k in (1, 2, 5) if least <= k * 10.0**decade <= most]


def _linear_ticks(least: float, most: float) -> list[float]:
    """Return four to ten round ticks on a linear axis."""
    span = most - least
    rough = 10 ** math.floor(math.log10(span / 4)) if span > 0 else 1.0
    step = next(rough * k for k in (1, 2, 5, 10) if span / (rough * k) <= 8)
    first = math.ceil(least / step)
    return [i * step for i in range(first, math.floor(most / step) + 1)]


def _chart_svg(
    lines: Mapping[str, Points], across: Mapping[float, str], up: Mapping[float, str], below: str, late: float | None = None
) -> str:
    """Draw lines in a unit square with their names and both axes, as SVG.

    across, up: tick labels by position. below: title of the horizontal axis. late: height of a dashed line; draws dots then.
    """
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-size="11">']
    parts += [_axis_line((x, 0), (x, 1)) + _label(x, 0, text, 14, "middle") for x, text in across.items()]
    parts += [_axis_line((0, y), (1, y)) + _label(0, y, text, 4, "end", -6) for y, text in up.items()]
    if late is not None:
        parts.append(_axis_line((0, late), (1, late), 'stroke="#c00" stroke-dasharray="5 4"'))
    for place, (name, points) in enumerate(lines.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        parts.append(_line(points, colour) if late is None else _dots(points, colour))
        parts.append(f'<text x="{_LEFT + 10}" y="{_TOP + 16 + 15 * place}" fill="{colour}">{escape(name)}</text>')
    parts.append(_label(0.5, 0, below, 32, "middle"))
    return "".join(parts) + "</svg>"


def _line(points: Points, colour: str) -> str:
    path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{path}"/>'


def _dots(points: Points, colour: str) -> str:
    """Draw unconnected dots, because a run may pause between its rounds."""
    path = "".join(f"M{_x(x):.1f},{_y(y):.1f}h0" for x, y in points)
    return f'<path fill="none" stroke="{colour}" stroke-width="3" stroke-linecap="round" d="{path}"/>'


def _axis_line(begin: tuple[float, float], end: tuple[float, float], style: str = 'stroke="#8884" stroke-width="1"') -> str:
    (x1, y1), (x2, y2) = begin, end
    return f'<line x1="{_x(x1):.1f}" y1="{_y(y1):.1f}" x2="{_x(x2):.1f}" y2="{_y(y2):.1f}" {style}/>'


def _label(x: float, y: float, text: str, down: float, anchor: str, right: float = 0) -> str:
    place = f'x="{_x(x) + right:.1f}" y="{_y(y) + down:.1f}"'
    return f'<text {place} text-anchor="{anchor}" fill="currentColor">{escape(text)}</text>'


def _x(share: float) -> float:
    return _LEFT + share * (WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)
