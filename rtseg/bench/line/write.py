"""Writes a report as report.json for programs, report.md for a repository, and a self-contained report.html."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from rtseg.bench.line.plots import cdf_svg, timeline_svg
from rtseg.bench.line.report import RUNS
from rtseg.bench.line.sections import TITLES, Section, headline, sections
from rtseg.output.atomic_file import write_atomically
from rtseg.output.private_file import make_folder
from rtseg.text.safe_text import clean_values, json_text
from rtseg.trace import TOTAL

NOTICE = "Research software, not a medical device."
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
table { border-collapse: collapse; margin: .6rem 0; display: block; overflow-x: auto }
td, th { padding: .15rem .6rem; border-bottom: 1px solid #8884; text-align: right; white-space: nowrap }
td:first-child, th:first-child { text-align: left }
table.pairs td { text-align: left; white-space: normal }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem } svg { width: 100% }
footer { margin-top: 2rem; opacity: .7 }
"""


def write_report(report: Mapping[str, Any], folder: Path) -> tuple[Path, ...]:
    """Write report.json, report.md and report.html into `folder`, creating it, and return their paths.

    Raises OSError, SinkError.
    """
    make_folder(folder)
    report = clean_values(report)
    texts = {"report.json": as_json(report), "report.md": as_markdown(report), "report.html": as_html(report)}
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())
    return tuple(folder / name for name in texts)


def as_json(report: Mapping[str, Any]) -> str:
    """Return the report as indented JSON with each list of numbers on one line."""
    text = json_text(report, indent=1, allow_nan=False)
    return _inline_lists(text) + "\n"


def as_markdown(report: Mapping[str, Any]) -> str:
    """Return the report as Markdown tables."""
    parts = [f"# {_markdown_text(headline(report))}", NOTICE]
    for section in sections(report):
        parts += [f"## {section.title}", *([section.note] if section.note else []), _markdown_table(section)]
    return "\n\n".join(parts) + "\n"


def as_html(report: Mapping[str, Any]) -> str:
    """Return the report as one HTML page with inline plots."""
    body = "".join(_plots(report)) + "".join(map(_section, sections(report)))
    title = escape(headline(report))
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>'
    return f"{head}<body><h1>{title}</h1>{body}<footer>{NOTICE}</footer></body></html>\n"


def _inline_lists(text: str) -> str:
    """Join each innermost list of indented JSON into one line; such a list may hold thousands of numbers."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        stripped = line.strip()
        if inside:
            lines[-1] += stripped if stripped.startswith("]") else f"{stripped} " if stripped.endswith(",") else stripped
        else:
            lines.append(line)
        inside = stripped.endswith("[") or (inside and not stripped.startswith("]"))
    return "\n".join(lines)


def _markdown_table(section: Section) -> str:
    columns = len(section.rows[0]) if section.rows else len(section.header)
    header = section.header or ("",) * columns
    rows = [header, ("---",) * columns, *section.rows]
    return "\n".join("| " + " | ".join(map(_markdown_text, row)) + " |" for row in rows)


def _markdown_text(text: str) -> str:
    """Escape text for a Markdown table, so that it creates no column, tag, link or image."""
    return re.sub(r"[|\\\[\]]|(?=<)", r"\\\g<0>", text).replace("&", "&amp;")


def _plots(report: Mapping[str, Any]) -> Iterator[str]:
    samples = {TITLES[name]: report[name]["samples"] for name in RUNS if name in report}
    totals = {title: [ms for ms in found["stages_ms"].get(TOTAL, []) if ms is not None] for title, found in samples.items()}
    yield f"<h2>How long a frame takes</h2>{cdf_svg(totals)}"
    for name in RUNS:
        if name in report:
            found = samples[TITLES[name]]
            line = timeline_svg(found["at_s"], found["stages_ms"].get(TOTAL, []), report[name]["period_ms"])
            yield f"<h2>{escape(TITLES[name])}, in the course of time</h2>{line}"


def _section(section: Section) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in section.header)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in section.rows)
    note = f"<p>{escape(section.note)}</p>" if section.note else ""
    kind = "" if section.header else ' class="pairs"'
    return f"<h2>{escape(section.title)}</h2>{note}<table{kind}><tr>{head}</tr>{rows}</table>"
