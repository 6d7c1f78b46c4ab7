"""Write what is measured as CSV: a line for each measure of each frame."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from rtseg.errors import SinkError
from rtseg.frame import StreamInfo
from rtseg.measure.stream_time import StreamTime
from rtseg.overlay_text import printable
from rtseg.result import Result
from rtseg.sinks.recording.unbuffered_file import UnbufferedFile, created_file
from rtseg.wall_clock import utc_text

COLUMNS = (
    "index",
    "seconds",
    "captured_at",
    "life",
    "measure",
    "value",
    "unit",
    "low",
    "high",
    "spacing_from",
    "withheld",
    "unfit",
    "best_index",
)

_MAX_TEXT = 200  # characters of a name or a reason


class CsvSink:
    """Writes the measures of each frame to `path`, under the names of the JSON lines.

    seconds: from the first frame. captured_at: ISO 8601 in UTC. A cell is empty where a value is withheld or unknown, and
    `withheld` says why. unfit: why the frame is not fit to be measured. best_index: of the best frame so far. The lines of a
    frame are one complete write, so that a killed process leaves complete lines.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._file: UnbufferedFile | None = None
        self._time = StreamTime()

    def open(self, info: StreamInfo) -> None:  # noqa: ARG002 - any stream will do
        """Create or overwrite the file, and write the names of the columns. Raises SinkError."""
        self.close()
        self._file = created_file(self._path)
        self._time = StreamTime()
        self._write([COLUMNS])

    def write(self, result: Result) -> None:
        """Append the lines of one frame. Raises SinkError."""
        if self._file is None:
            raise SinkError(f"{self._path} is not open: call open(info) first, as Pipeline does")
        seconds = f"{self._time.seconds(result.frame):.6f}"
        found = result.segmentation
        about = (str(result.frame.index), seconds, utc_text(result.wall_ns) or "", found.life.value)
        rows = [
            (
                *about,
                _text(one.name),
                _number(one.value),
                one.unit,
                _number(one.low),
                _number(one.high),
                one.spacing_from,
                _text(one.withheld),
                _text(one.unfit),
                str(one.best.index) if one.best else "",
            )
            for one in found.measures
        ]
        if rows:
            self._write(rows)

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _write(self, rows: Sequence[Sequence[str]]) -> None:
        assert self._file is not None
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows(rows)
        try:
            self._file.write(lines.getvalue().encode())
        except OSError as error:
            raise SinkError(
                f"{self._path} cannot be written to ({error.strerror}): free some space, or name another file"
            ) from error


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6g}"


def _text(value: str) -> str:
    """Return text in one line; class names come from model files, so that no cell may start a formula of a spreadsheet."""
    shown = printable(value, _MAX_TEXT)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown
