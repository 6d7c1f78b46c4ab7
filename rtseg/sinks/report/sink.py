"""Collect the measures of a stream, and write them as a report at its end."""

from pathlib import Path

import numpy as np

from rtseg.errors import SinkError
from rtseg.frame import Segmentation, StreamInfo
from rtseg.measure.measure_history import MeasureHistory
from rtseg.measure.stream_time import StreamTime
from rtseg.output.atomic_file import reserve, write_or_refuse
from rtseg.overlay import Overlay
from rtseg.result import Result
from rtseg.sinks.report.fittest_frame import FittestFrame
from rtseg.sinks.report.page import report_page
from rtseg.sinks.report.pdf import find_browser, print_pdf
from rtseg.sinks.report.scan_record import ScanRecord
from rtseg.wall_clock import utc_text


class ReportSink:
    """Writes a report of a stream when it ends, as one HTML file that refers to nothing outside, or as PDF.

    It holds the best frame of each measure, drawn after redaction; curves with ranges; a table of medians and spreads; and what
    was withheld and why. Memory stays flat. path: of the file, which is reserved at once; .pdf
    is printed by a browser that is installed. model: name of the model, and what
    tells its file apart.
    """

    def __init__(self, path: str | Path, model: str = "", opacity: float = 0.4) -> None:
        self._path, self._model, self._overlay = Path(path), model, Overlay(opacity, latency=False)
        self._browser = ""  # which prints the page as PDF; empty for HTML
        self._record: ScanRecord | None = None
        self._time = StreamTime()

    def open(self, info: StreamInfo) -> None:
        """Begin a report; an open one is written first. Raises SinkError."""
        self.close()
        if not self._path.parent.is_dir():
            raise SinkError(f"there is no folder {self._path.parent} for {self._path.name}: make it first, or write elsewhere")
        self._browser = find_browser() if self._path.suffix.lower() == ".pdf" else ""
        reserve(self._path)
        self._record, self._time = ScanRecord(info), StreamTime()

    def write(self, result: Result) -> None:
        """Add one result."""
        record, found = self._record, result.segmentation
        if record is None:
            raise SinkError("the report is not open: call open first")
        with result.trace.stage("report"):
            time_s = self._time.seconds(result.frame)
            record.seconds, record.redaction = time_s, result.redaction
            record.began_at = record.began_at or utc_text(result.wall_ns) or ""
            record.frames += 1
            record.dropped += result.dropped
            record.unfamiliar += found.is_unfamiliar
            record.states[found.life.value] += 1
            record.note_state(time_s, found)
            for one in found.measures:
                history = record.histories.setdefault(one.name, MeasureHistory(one.title, one.unit, one.classes))
                is_steady, confidence = history.add(time_s, one) and not one.unfit, _confidence(found)
                best = record.best.setdefault(one.name, FittestFrame())
                if best.is_better(one, confidence, is_steady=is_steady):
                    best.keep(self._overlay.draw(result), time_s, one, confidence, is_steady=is_steady)

    def close(self) -> None:
        """Write the report. Raises SinkError; closing twice is harmless."""
        record, self._record = self._record, None
        if record is not None:
            page = report_page(record, self._model).encode()
            write_or_refuse(self._path, self._printed(page) if self._browser else page)

    def _printed(self, page: bytes) -> bytes:
        """Return the page as PDF. Raises SinkError where it cannot be printed; the page then stands beside it as HTML."""
        try:
            return print_pdf(page, self._path.parent, self._browser)
        except SinkError as error:
            beside = self._path.with_suffix(".html")
            write_or_refuse(beside, page)
            raise SinkError(f"{error}: the report is in {beside}; print it from a browser") from None


def _confidence(found: Segmentation) -> float:
    known = [value for value in found.confidence if value]
    return float(np.mean(known)) if known else 0.0
