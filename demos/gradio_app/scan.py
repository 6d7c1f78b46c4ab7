"""A recording from its first frame to its last: the overlay as a clip, the masks, the measurements, and what to tell of it."""

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

from rtseg.demos.gradio_app.settings import Settings
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
from rtseg.sinks.video.sink import VideoSink
from rtseg.sources import open_source
from rtseg.text.safe_text import safe_text

MOST_FRAMES, MOST_S = 10_000, 600.0  # of a recording that a visitor brings
OVERLAY, MASKS, CSV, JSON = "overlay.mp4", "masks.zip", "measurements.csv", "measurements.jsonl"

_BEST = 3
_APART_S = 0.5  # between two of the best frames: neighbours look alike
_COLUMNS = (
    *("frame", "seconds", "life", "reason", "class", "confidence"),
    *("area_px", "area_mm2", "diameter_px", "diameter_mm", "row", "column"),
)

Progress = Callable[[int, int | None], None]  # frames done, and of how many


@dataclass(frozen=True, slots=True)
class Row:
    """What is kept of a frame."""

    index: int
    seconds: float
    life: Life
    reason: str
    measurements: tuple[Measurement, ...]

    @property
    def confidence(self) -> float:
        """Of the surest class; 0 where nothing was found."""
        return max((measured.confidence for measured in self.measurements), default=0.0)


@dataclass(frozen=True, slots=True)
class Still:
    """A frame worth looking at, drawn; picture: (H, W, 3) RGB."""

    row: Row
    picture: Image


@dataclass(slots=True)
class Scan:
    """What came of a recording. cut_short: why it was not followed to its end, or nothing."""

    model: str
    fps: float
    rows: list[Row] = field(default_factory=list)
    best: list[Still] = field(default_factory=list)
    cut_short: str = ""

    def add(self, result: Result, overlay: Overlay) -> None:
        """Take the next frame."""
        segmentation = result.segmentation
        seconds = result.frame.index / self.fps
        row = Row(result.frame.index, seconds, segmentation.life, segmentation.reason, measure(segmentation))
        self.rows.append(row)
        if self._is_good(row):
            self._keep(Still(row, overlay.draw(result)))

    def _is_good(self, row: Row) -> bool:
        """Whether a frame is surer than one of the best, or than its neighbour among them."""
        if row.life is Life.HELD or not row.confidence:
            return False
        near = [still.row.confidence for still in self.best if abs(still.row.seconds - row.seconds) < _APART_S]
        if near:
            return row.confidence > max(near)
        return len(self.best) < _BEST or row.confidence > min(still.row.confidence for still in self.best)

    def _keep(self, still: Still) -> None:
        others = [one for one in self.best if abs(one.row.seconds - still.row.seconds) >= _APART_S]
        surest = sorted([*others, still], key=lambda one: one.row.confidence)[-_BEST:]
        self.best = sorted(surest, key=lambda one: one.row.seconds)


def follow(path: Path, settings: Settings, folder: Path, progress: Progress, leaving: threading.Event) -> Scan:
    """Segment a recording into `folder`. Raises SourceError, ModelError; SourceError too where `leaving` is set on the way."""
    with closing(load_engine(settings.model, settings.engine)) as engine:
        source = open_source(str(path))
        session = Session(engine, spacing_mm=source.info.spacing_mm)
        settings.set_on(session)
        overlay = Overlay(settings.opacity, settings.contour)
        sinks = VideoSink(folder / OVERLAY, overlay), MaskSink(folder / "masks"), JsonSink(folder / JSON, settings.model)
        scan = Scan(settings.model, source.info.fps)
        _follow(Pipeline(source, session, *sinks), scan, Overlay(settings.opacity, settings.contour), progress, leaving)
    _write_csv(folder / CSV, scan.rows)
    shutil.make_archive(str(folder / "masks"), "zip", folder / "masks")
    shutil.rmtree(folder / "masks")
    return scan


def _follow(pipeline: Pipeline, scan: Scan, overlay: Overlay, progress: Progress, leaving: threading.Event) -> None:
    total, started_s = pipeline.source.info.frames, perf_counter()
    with closing(iter(pipeline)) as results:
        for result in results:
            if leaving.is_set():
                raise SourceError("the page was closed, and its work stopped: open it again")
            scan.add(result, overlay)
            progress(len(scan.rows), total)
            if len(scan.rows) >= MOST_FRAMES or perf_counter() - started_s > MOST_S:
                scan.cut_short = f"only the first {len(scan.rows)} frames: use `rtseg run` for longer recordings"
                return
    if not scan.rows:
        raise SourceError("the recording has no frame: check that it plays in another program")


def _write_csv(path: Path, rows: list[Row]) -> None:
    """A line for each class of each frame."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for row in rows:
            writer.writerows(_line(row, measured) for measured in row.measurements)


def _line(row: Row, measured: Measurement) -> tuple[object, ...]:
    frame = (
        row.index,
        round(row.seconds, 4),
        row.life.value,
        _cell(row.reason),
        _cell(measured.name),
        round(measured.confidence, 4),
    )
    area = measured.area_px, measured.area_mm2, round(measured.diameter_px, 2), measured.diameter_mm
    return *frame, *area, *(measured.centroid or (None, None))


def _cell(text: str) -> str:
    """A word for a table: a spreadsheet takes one that begins like a formula for a formula."""
    text = safe_text(text)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def as_png(picture: Image) -> bytes:
    """A picture (H, W, 3) RGB as a file."""
    _, coded = cv2.imencode(".png", cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR))
    return coded.tobytes()
