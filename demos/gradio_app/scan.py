"""Segment a whole recording, and write the overlay as a clip, the masks, the measurements and a summary."""

import csv
import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np

from rtseg.demos.gradio_app.settings import DemoSettings
from rtseg.engines.load import load_engine
from rtseg.errors import SourceError
from rtseg.frame import Image, Life
from rtseg.measure.region import Measurement, measure
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.result import Result
from rtseg.session.session import Session
from rtseg.sinks.jsonl import JsonSink
from rtseg.sinks.masks import MaskSink
from rtseg.sinks.report import ReportSink
from rtseg.sinks.video.sink import VideoSink
from rtseg.sources import open_source
from rtseg.text.safe_text import safe_text

MAX_FRAMES, MAX_DURATION_S = 10_000, 600.0  # limits of a visitor's recording: frames, and seconds of work
OVERLAY, MASKS, CSV, JSON = "overlay.mp4", "masks.zip", "measurements.csv", "measurements.jsonl"
SCAN_REPORT = "scan-report.html"

_BEST_COUNT = 3
_MIN_DISTANCE_S = 0.5  # minimum time between two of the best frames, since neighbors look alike
_COLUMNS = (
    *("frame", "seconds", "life", "reason", "class", "confidence"),
    *("area_px", "area_mm2", "diameter_px", "diameter_mm", "row", "column"),
)

Progress = Callable[[int, int | None], None]  # frames done, total if known


@dataclass(frozen=True, slots=True)
class ScanRow:
    """Holds the measurements of one frame."""

    index: int
    seconds: float  # since the first frame, by the nominal rate
    life: Life
    reason: str  # the session's reason for `life`, or ""
    measurements: tuple[Measurement, ...]  # one for each class

    @property
    def confidence(self) -> float:
        """Return the highest confidence of any class; 0 when nothing was found."""
        return max((measured.confidence for measured in self.measurements), default=0.0)


@dataclass(frozen=True, slots=True)
class BestFrame:
    """Holds the drawing of a frame of high confidence."""

    row: ScanRow
    picture: Image  # (H, W, 3) uint8 RGB


@dataclass(slots=True)
class ScanResult:
    """Holds the results of a segmented recording."""

    model: str
    fps: float  # the source's nominal rate, for frames without a presentation time
    rows: list[ScanRow] = field(default_factory=list)  # one for each frame
    best: list[BestFrame] = field(default_factory=list)  # the frames of highest confidence, in order of time
    cut_short: str = ""  # reason why the recording was not segmented to its end, or ""

    def add(self, result: Result, overlay: Overlay) -> None:
        """Add the next frame's result."""
        segmentation = result.segmentation
        shown_ns = result.frame.presentation_ns
        seconds = result.frame.index / self.fps if shown_ns is None else shown_ns / 1e9
        row = ScanRow(result.frame.index, seconds, segmentation.life, segmentation.reason, measure(segmentation))
        self.rows.append(row)
        if self._is_good(row):
            self._keep(BestFrame(row, overlay.draw(result)))

    def _is_good(self, row: ScanRow) -> bool:
        """Return whether a frame's confidence exceeds that of its near best frames, or else of any best frame."""
        if row.life is Life.HELD or not row.confidence:
            return False
        near = [still.row.confidence for still in self.best if abs(still.row.seconds - row.seconds) < _MIN_DISTANCE_S]
        if near:
            return row.confidence > max(near)
        return len(self.best) < _BEST_COUNT or row.confidence > min(still.row.confidence for still in self.best)

    def _keep(self, still: BestFrame) -> None:
        others = [one for one in self.best if abs(one.row.seconds - still.row.seconds) >= _MIN_DISTANCE_S]
        surest = sorted([*others, still], key=lambda one: one.row.confidence)[-_BEST_COUNT:]
        self.best = sorted(surest, key=lambda one: one.row.seconds)


def segment_recording(
    path: Path, settings: DemoSettings, folder: Path, progress: Progress, leaving: threading.Event
) -> ScanResult:
    """Segment a recording and write the results into `folder`. Raises ModelError, SourceError; also when `leaving` is set."""
    with closing(load_engine(settings.model, settings.engine)) as engine:
        source = open_source(str(path))
        session = Session(engine)
        settings.apply_to(session)
        overlay = Overlay(settings.opacity, settings.contour)
        shutil.rmtree(folder / "masks", ignore_errors=True)  # of a scan that failed
        video, report = VideoSink(folder / OVERLAY, overlay), ReportSink(folder / SCAN_REPORT, settings.model, settings.opacity)
        sinks = video, MaskSink(folder / "masks"), JsonSink(folder / JSON, settings.model), report
        scan = ScanResult(settings.model, source.info.fps)
        _run_pipeline(Pipeline(source, session, *sinks), scan, Overlay(settings.opacity, settings.contour), progress, leaving)
    _write_csv(folder / CSV, scan.rows)
    shutil.make_archive(str(folder / "masks"), "zip", folder / "masks")
    shutil.rmtree(folder / "masks")
    return scan


def _run_pipeline(pipeline: Pipeline, scan: ScanResult, overlay: Overlay, progress: Progress, leaving: threading.Event) -> None:
    total, started_s = pipeline.source.info.frames, perf_counter()
    with closing(iter(pipeline)) as results:
        for result in results:
            if leaving.is_set():
                raise SourceError("the page was closed, and its work stopped: open it again")
            scan.add(result, overlay)
            progress(len(scan.rows), total)
            if len(scan.rows) >= MAX_FRAMES or perf_counter() - started_s > MAX_DURATION_S:
                scan.cut_short = f"only the first {len(scan.rows)} frames: use `rtseg run` for longer recordings"
                return
    if not scan.rows:
        raise SourceError("the recording has no frame: check that it plays in another program")


def _write_csv(path: Path, rows: list[ScanRow]) -> None:
    """Write one line for each class of each frame."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for row in rows:
            writer.writerows(_line(row, measured) for measured in row.measurements)


def _line(row: ScanRow, measured: Measurement) -> tuple[object, ...]:
    frame = (
        row.index,
        round(row.seconds, 4),
        row.life.value,
        _escape_cell(row.reason),
        _escape_cell(measured.name),
        round(measured.confidence, 4),
    )
    area = measured.area_px, measured.area_mm2, round(measured.diameter_px, 2), measured.diameter_mm
    return *frame, *area, *(measured.centroid or (None, None))


def _escape_cell(text: str) -> str:
    """Return a table cell that a spreadsheet does not execute: text that begins like a formula gets an apostrophe."""
    text = safe_text(text)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def encode_png(picture: Image) -> bytes:
    """Encode an image (H, W, 3) uint8 RGB as PNG."""
    _, coded = cv2.imencode(".png", cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR))
    return coded.tobytes()
