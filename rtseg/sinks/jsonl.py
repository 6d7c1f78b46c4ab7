"""Write measurements as JSON lines: a header, then one line for each frame."""

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from rtseg.errors import SinkError
from rtseg.frame import Omission, Segmentation, StreamInfo
from rtseg.measure.region import Measurement, measure
from rtseg.result import Redaction, Result
from rtseg.sinks.recording.unbuffered_file import UnbufferedFile, UnbufferedStream, created_file
from rtseg.text.safe_text import json_text
from rtseg.wall_clock import utc_text

_COUNT_ROOM = 40  # blanks at the header's end, for the counts of a longer stream


class JsonSink:
    """Writes each frame's measurements, latencies, times, pixel spacing and pixel aspect to `path`.

    path: a file, or an open binary stream, such as `sys.stdout.buffer`, which stays open.

    Each frame has four times. captured_ns: `time.perf_counter_ns()` at which its pixels were ready. captured_at: the same
    moment by the wall clock, ISO 8601 in UTC with microseconds; in a replay, the time of the recording. source_ns: the time
    in nanoseconds that the source gives, on the source's own clock. presentation_ns: when the frame is shown, in nanoseconds
    from the start of a recorded file; null for a live source.

    The first line is a header: rtseg's version, the model's name, the stream, the classes, and the redaction. Each line is one
    complete write, so that a killed process leaves complete lines; a last line without its line break was cut off. The counts
    of the redaction are those up to the first frame; where `path` is a file, those of all frames replace them at the end of the
    stream, so that the header ends in blanks. Unknown values are null.

    familiarity: how much the picture resembles those that the model was made from, 0 to 1, null where unknown; unfamiliar:
    whether it is known not to. The measures of an unfamiliar picture are null, unless the session measures those too.

    spacing_from: "scale" where the spacing was read from the depth scale on the screen; null where the user or the source
    states it.

    measures: by name, what the model or the user has measured: value, low and high (the range by the network's probabilities),
    unit, spacing_from ("user", "source" or "scale"), withheld, why there is no value, unfit, why the frame is not fit to be
    measured, and best, the best frame so far.

    cycle, only where a measure follows the heart beat: measure, heart_rate per minute, phase (share of the beat since
    end-diastole), and marks, the moments that were found on this line: "ED", "ES" or "PS", each with the index of its own
    frame, which lies some frames back.

    objects, only where a user points at what is segmented: whether each object is lost, how sure the network is of it, and its
    area, centroid and box, which are null while it is lost. The classes are then the objects, and those of the header the ones
    of the first frame.

    omitted: what the source left out, which may grow meanwhile; where there is any, a last line names it.
    """

    def __init__(self, path: str | Path | BinaryIO, model: str | None = None) -> None:
        self._stream = None if isinstance(path, (str, Path)) else path
        self._path, self._model = Path(path) if isinstance(path, (str, Path)) else Path("the stream"), model
        self.omitted: Collection[Omission] = ()
        self._file: UnbufferedFile | UnbufferedStream | None = None
        self._header: dict[str, Any] | None = None  # held back until the first frame, which names the classes
        self._written: dict[str, Any] = {}  # the header that was written
        self._header_width = 0  # bytes of its line
        self._redaction: Redaction | None = None  # of the newest frame

    def open(self, info: StreamInfo) -> None:
        """Create or overwrite the file. Raises SinkError."""
        self.close()
        self._file = UnbufferedStream(self._stream) if self._stream else created_file(self._path)
        self._header = {"rtseg": version("rtseg"), "model": self._model, "stream": asdict(info)}

    def write(self, result: Result) -> None:
        """Append one frame's line. Raises SinkError."""
        if self._file is None:
            raise SinkError(f"{self._path} is not open: call open(info) first, as Pipeline does")
        self._redaction = result.redaction
        self._write_header(result.segmentation.classes)
        self._write(encoded_result(result) + b"\n")

    def close(self) -> None:
        """Close the file; after a stream without frames, it holds the header alone."""
        if self._file is None:
            return
        try:
            self._write_header(())
            if self.omitted:
                self._write_line({"omitted": [asdict(part) for part in self.omitted]})
            self._complete_header()
        finally:
            self._file.close()
            self._file = None

    def _write_header(self, classes: tuple[str, ...]) -> None:
        header, self._header = self._header, None
        if header is not None:
            self._written = header | {"classes": classes}
            line = _encoded(self._written | _redaction_fields(self._redaction)) + b" " * _COUNT_ROOM + b"\n"
            self._header_width = len(line)
            self._write(line)

    def _complete_header(self) -> None:
        """Write the redaction of all frames over that of the first one, unless `path` is no file, such as a pipe."""
        written, redaction, self._redaction = self._written, self._redaction, None
        if redaction is None or self._file is None or not self._file.seekable():
            return
        line = _encoded(written | _redaction_fields(redaction))
        if len(line) < self._header_width:
            self._file.seek(0)
            self._write(line.ljust(self._header_width - 1) + b"\n")

    def _write_line(self, values: Mapping[str, Any]) -> None:
        self._write(_encoded(values) + b"\n")

    def _write(self, line: bytes) -> None:
        assert self._file is not None
        try:
            self._file.write(line)
        except OSError as error:
            remedy = "keep its reader running" if self._stream else "free some space, or name another file"
            raise SinkError(f"{self._path} cannot be written to ({error.strerror}): {remedy}") from error


def _encoded(values: Mapping[str, Any]) -> bytes:
    return json_text(_finite(values), allow_nan=False).encode()


def encoded_result(result: Result) -> bytes:
    """Return one frame's line as JSON in UTF-8, without its line break."""
    return _encoded(_line(result))


def _redaction_fields(redaction: Redaction | None) -> dict[str, Any]:
    return {"redaction": redaction.to_json() if redaction else None}


def _line(result: Result) -> dict[str, Any]:
    segmentation, trace, origin = result.segmentation, result.trace, result.frame.origin
    return {
        "index": result.frame.index,
        "captured_ns": result.frame.captured_ns,
        "captured_at": utc_text(result.wall_ns),
        "source_ns": origin.timestamp_ns if origin else None,
        "presentation_ns": result.frame.presentation_ns,
        "spacing_mm": segmentation.spacing_mm,
        "spacing_from": segmentation.spacing_from or None,
        "pixel_aspect": result.frame.pixel_aspect,
        "latency_ms": _ms(trace.total_ns),
        "stages_ms": {name: _ms(duration_ns) for name, duration_ns in trace.stages_ns.items()},
        "life": segmentation.life.value,
        "reason": segmentation.reason,
        "dropped": result.dropped,
        "familiarity": segmentation.familiarity,
        "unfamiliar": segmentation.is_unfamiliar,
        "classes": _classes_fields(segmentation),
        **segmentation.measured_values(),
        **({"withheld": result.redaction.is_withheld} if result.redaction else {}),
    }


def _classes_fields(segmentation: Segmentation) -> dict[str, Any]:
    """Return the measures by class; None for each class where they are withheld, since the picture is unfamiliar."""
    measured = {measurement.name: _measurement_fields(measurement) for measurement in measure(segmentation)}
    return {name: measured.get(name) for name in segmentation.classes}


def _measurement_fields(measurement: Measurement) -> dict[str, Any]:
    return {name: value for name, value in asdict(measurement).items() if name != "name"}


def _ms(duration_ns: int) -> float:
    return round(duration_ns / 1e6, 4)


def _finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON lacks, by None, and round floats to six decimals."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
