"""Format the summary of a segmented recording as HTML: best frames, curves of area and confidence, and events."""

import base64
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from statistics import mean

from rtseg.demos.gradio_app.scan import CSV, JSON, MASKS, OVERLAY, SCAN_REPORT, BestFrame, ScanResult, ScanRow, encode_png
from rtseg.frame import Life
from rtseg.overlay import OKABE_ITO

_WIDTH, _HEIGHT = 1000, 120
_MAX_EVENTS = 30


def summary_html(scan: ScanResult, folder_url: str) -> str:
    """Return the whole summary as HTML; folder_url: the URL of the recording's files, with a slash at its end."""
    parts = [_head(scan), _files(folder_url), _table(scan.rows), _curves(scan.rows), _best(scan), _events(scan.rows)]
    return f'<div class="rtseg-summary">{"".join(parts)}</div>'


def _head(scan: ScanResult) -> str:
    told = f"{len(scan.rows)} frames, {scan.rows[-1].seconds:.1f} s, through {escape(scan.model)}"
    cut = f'<p class="warning">{escape(scan.cut_short)}</p>' if scan.cut_short else ""
    return f"<p>{told}. Research software, not a medical device.</p>{cut}"


def _files(folder_url: str) -> str:
    names = {OVERLAY: "overlay video", MASKS: "masks", CSV: "measurements (CSV)", JSON: "measurements (JSON lines)"}
    names[SCAN_REPORT] = "report of the scan"
    links = (f'<a href="{folder_url}{name}" download="{name}">{title}</a>' for name, title in names.items())
    video = f'<video src="{folder_url}{OVERLAY}" controls muted loop playsinline></video>'
    return f'{video}<p class="files">{" ".join(links)}</p>'


def _table(rows: Sequence[ScanRow]) -> str:
    """Return the table of each class's area and mean confidence, over the frames that contain it."""
    lines = (_class_line(rows, i, measured.name) for i, measured in enumerate(rows[0].measurements))
    head = "<tr><th>class</th><th>seen in</th><th>area: mean, min, max</th><th>confidence</th></tr>"
    return f"<table>{head}{''.join(lines)}</table>"


def _class_line(rows: Sequence[ScanRow], index: int, name: str) -> str:
    seen = [row.measurements[index] for row in rows if row.measurements[index].area_px]
    swatch = f'<span class="swatch" style="background:{_class_color(index)}"></span>'
    if not seen:
        return f"<tr><td>{swatch}{escape(name)}</td><td>no frame</td><td>–</td><td>–</td></tr>"
    in_mm = seen[0].area_mm2 is not None
    areas = [measured.area_mm2 or 0.0 if in_mm else float(measured.area_px) for measured in seen]
    unit, digits = ("mm²", 1) if in_mm else ("px", 0)
    figures = ", ".join(f"{value:.{digits}f}" for value in (mean(areas), min(areas), max(areas)))
    sure = mean(measured.confidence for measured in seen)
    return f"<tr><td>{swatch}{escape(name)}</td><td>{len(seen)} frames</td><td>{figures} {unit}</td><td>{sure:.2f}</td></tr>"


def _curves(rows: Sequence[ScanRow]) -> str:
    """Return the curves of each class's area, relative to its maximum, and of the highest confidence."""
    lines = "".join(_area_line(rows, i) for i in range(len(rows[0].measurements)))
    sure = _path(rows, [row.confidence for row in rows], 1.0)
    return (
        f"<h3>area over time</h3><svg viewBox='0 0 {_WIDTH} {_HEIGHT}' preserveAspectRatio='none'>{lines}</svg>"
        f"<h3>confidence over time, 0 to 1</h3><svg viewBox='0 0 {_WIDTH} {_HEIGHT}' preserveAspectRatio='none'>"
        f"<path d='{sure}' stroke='#8a9197'/></svg>"
    )


def _area_line(rows: Sequence[ScanRow], index: int) -> str:
    areas = [float(row.measurements[index].area_px) for row in rows]
    return f"<path d='{_path(rows, areas, max(areas) or 1.0)}' stroke='{_class_color(index)}'/>"


def _path(rows: Sequence[ScanRow], values: Sequence[float], most: float) -> str:
    length_s = max(rows[-1].seconds - rows[0].seconds, 1e-9)
    points = (
        f"{_WIDTH * (row.seconds - rows[0].seconds) / length_s:.1f} {_HEIGHT * (1 - 0.95 * value / most):.1f}"
        for row, value in zip(rows, values, strict=True)
    )
    return "M" + "L".join(points)


def _best(scan: ScanResult) -> str:
    """Return the frames of highest confidence as HTML."""
    pictures = "".join(map(_figure, scan.best))
    return f'<h3>best frames</h3><div class="best">{pictures or "none: nothing was found"}</div>'


def _figure(still: BestFrame) -> str:
    coded = base64.b64encode(encode_png(still.picture)).decode()
    told = f"{still.row.seconds:.1f} s, confidence {still.row.confidence:.2f}"
    return f'<figure><img alt="" src="data:image/png;base64,{coded}"><figcaption>{told}</figcaption></figure>'


def _events(rows: Sequence[ScanRow]) -> str:
    """Return the list of episodes in which the memory's state was not LIVE."""
    told = list(_episodes(rows))
    lines = "".join(f"<li>{text}</li>" for text in told[:_MAX_EVENTS])
    more = f"<li>and {len(told) - _MAX_EVENTS} more: see the CSV</li>" if len(told) > _MAX_EVENTS else ""
    return f"<h3>events</h3><ul>{lines}{more}</ul>"


def _episodes(rows: Sequence[ScanRow]) -> Iterator[str]:
    for life, spell in groupby(rows, key=lambda row: row.life):
        frames = list(spell)
        if life is not Life.LIVE:
            first = frames[0]
            many = "1 frame" if len(frames) == 1 else f"{len(frames)} frames"
            yield f"{first.seconds:.1f} s: {life.value}, {many}: {escape(first.reason)}"


def _class_color(index: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*OKABE_ITO[index % len(OKABE_ITO)])
