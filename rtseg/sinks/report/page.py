"""Writes the page of a report: one HTML file that refers to nothing outside."""

import base64
from collections.abc import Iterator
from html import escape
from importlib.metadata import version

from rtseg.measure.measure_history import MeasureHistory
from rtseg.measured_value import MeasuredValue
from rtseg.overlay import NOTICE
from rtseg.overlay_text import printable
from rtseg.sinks.report.beat_measures import beat_rows
from rtseg.sinks.report.curve_plot import curve_plot
from rtseg.sinks.report.scan_record import ScanRecord

_STYLE = """
body{font:16px/1.45 system-ui,sans-serif;color:#1b1f24;max-width:960px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ccd}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3em .6em;border-bottom:1px solid #e4e7ea;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}.note{color:#57606a}.notice{background:#fff4d6;padding:.5em 1em}
figure{margin:1em 0}img{max-width:100%}svg{width:100%;height:auto}svg text{font-size:13px;fill:#57606a}
.line{fill:none;stroke:#0b5cad;stroke-width:1.5}.band{fill:#0b5cad;opacity:.18}.mark{stroke:#d9480f;stroke-dasharray:4 3}
@media print{body{margin:0}figure,table{break-inside:avoid}}
"""


_BEST = (
    "The best frame is that of which the network is surest, if possible one in which the structure is in one piece, sharply "
    "bordered, and steady for 0.3 s. In brackets: its range, from the pixels of which the network is surest to all that may "
    "belong to it"
)
_FITTED = (
    "; where the model was fitted to experts, as for a head circumference of fetal-head, the range that holds the value of an "
    "expert in 9 of 10 pictures"
)
_COLUMNS = ("measure", "median", "5 to 95 % of frames", "best frame", "frames", "pixel size from")


def report_page(record: ScanRecord, model: str) -> str:
    """Return the HTML of a report. All text from outside is escaped."""
    parts = [*_head(record, model), *_table(record), *_beats(record), *_best_frames(record), *_curves(record)]
    parts += [*_withheld(record), *_events(record), *_foot(record, model)]
    return "\n".join(["<!doctype html>", '<html lang="en">', *parts, "</html>", ""])


def _head(record: ScanRecord, model: str) -> Iterator[str]:
    yield f'<head><meta charset="utf-8"><title>Scan report</title><style>{_STYLE}</style></head><body>'
    yield f'<h1>Scan report</h1><p class="notice">{NOTICE}. Its values are not for diagnosis.</p>'
    when = f", begun {escape(record.began_at)}" if record.began_at else ""
    yield f"<p>{record.frames} frames in {record.seconds:.1f} s{when}; segmented by {_text(model)}.</p>"


def _table(record: ScanRecord) -> Iterator[str]:
    yield "<h2>Measures</h2>"
    if not record.histories:
        yield '<p class="note">Nothing was asked to be measured: name measures with --measure, or in the model.</p>'
        return
    yield f"<table><tr>{''.join(f'<th>{title}</th>' for title in _COLUMNS)}</tr>"
    for name, history in record.histories.items():
        spread, best = history.spread(), record.best[name].value
        middle = f"{spread[0]:.1f} {history.unit}" if spread else "withheld"
        reach = f"{spread[1]:.1f} to {spread[2]:.1f}" if spread else ""
        known = ", ".join(sorted(key for key in history.spacing_from if key))
        cells = [
            _label(history, name),
            middle,
            reach,
            _value(best) if best else "",
            f"{history.measured} of {record.frames}",
            known,
        ]
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</table>"
    is_fitted = any(one.value and one.value.covers for one in record.best.values())
    yield f'<p class="note">{_BEST}{_FITTED if is_fitted else ""}.</p>'


def _beats(record: ScanRecord) -> Iterator[str]:
    rows = [row for name, history in record.histories.items() for row in beat_rows(name, history)]
    if rows:
        yield "<h2>Over the heart beat</h2><table><tr><th>value</th><th>median</th><th>of each beat</th></tr>"
        for title, middle, each in rows:
            yield f"<tr><td>{escape(title)}</td><td>{escape(middle)}</td><td>{escape(each)}</td></tr>"
        yield "</table>"


def _best_frames(record: ScanRecord) -> Iterator[str]:
    for name, best in record.best.items():
        if best.jpeg and best.value:
            history = record.histories[name]
            coded = base64.b64encode(best.jpeg).decode()
            caption = f"{_label(history, name)}: {_value(best.value)}, at {best.time_s:.2f} s"
            picture = f'<img alt="best frame" src="data:image/jpeg;base64,{coded}">'
            yield f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _curves(record: ScanRecord) -> Iterator[str]:
    marks = [(event.time_s, escape(event.state)) for event in record.events if event.state != "NEW"]
    for name, history in record.histories.items():
        if plot := curve_plot(history, marks):
            unit = f", {history.unit}" if history.unit else ""
            yield f"<h2>{_label(history, name)}{unit}</h2>{plot}"


def _withheld(record: ScanRecord) -> Iterator[str]:
    rows = [(name, reason, count) for name, one in record.histories.items() for reason, count in one.withheld.most_common()]
    if rows:
        yield "<h2>What was withheld, and why</h2><table><tr><th>measure</th><th>reason</th><th>frames</th></tr>"
        for name, reason, count in rows:
            label = _label(record.histories[name], name)
            yield f'<tr><td>{label}</td><td>{_text(reason)}</td><td class="n">{count}</td></tr>'
        yield "</table>"


def _events(record: ScanRecord) -> Iterator[str]:
    if record.events:
        yield "<h2>Events</h2><table><tr><th>at</th><th>state</th><th>reason</th></tr>"
        for event in record.events:
            yield f"<tr><td>{event.time_s:.2f} s</td><td>{escape(event.state)}</td><td>{_text(event.reason)}</td></tr>"
        yield "</table>"
        if record.left_out_events:
            yield f'<p class="note">{record.left_out_events} further events are left out.</p>'


def _foot(record: ScanRecord, model: str) -> Iterator[str]:
    redaction = record.redaction
    told = (
        f"redaction {redaction.mode}, sector {redaction.sector}, {redaction.withheld} frames withheld" if redaction else "none"
    )
    states = ", ".join(f"{count} {state}" for state, count in record.states.most_common())
    facts = [
        ("software", f"rtseg {version('rtseg')}"),
        ("model", model),
        ("frames", f"{states}; {record.dropped} dropped, {record.unfamiliar} unfamiliar"),
        ("picture", f"{record.info.width} x {record.info.height} pixels, {record.info.fps:g} frames per second"),
        ("redaction", told),
    ]
    yield "<h2>How this was made</h2><table>"
    yield from (f"<tr><th>{name}</th><td>{_text(value)}</td></tr>" for name, value in facts)
    yield f"</table><p>{NOTICE}</p></body>"


def _label(history: MeasureHistory, name: str) -> str:
    of_class = name.partition(":")[2]
    return _text(f"{history.title}, {of_class}" if of_class else history.title)


def _value(one: MeasuredValue) -> str:
    if one.value is None:
        return ""
    reach = f" ({one.low:.1f} to {one.high:.1f})" if one.low is not None and one.high is not None else ""
    return escape(f"{one.value:.1f} {one.unit}".strip() + reach)


def _text(value: str) -> str:
    return escape(printable(value, 200))
