"""Replays a recording of `rtseg run --record`."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns
from typing import BinaryIO
from urllib.parse import parse_qs

import av
import numpy as np
from av.error import FFmpegError

from rtseg.errors import ConfigError, SourceError
from rtseg.frame import Frame, Image, Spacing, StreamInfo
from rtseg.sources.base import existing_file
from rtseg.sources.files.frame_values import FrameValues
from rtseg.sources.files.recording import (
    FRAMES_FILE,
    PIXEL_FORMATS,
    RecordedFrame,
    declared_frames,
    is_end_line,
    pictures_name,
    read_header,
    read_line,
)
from rtseg.sources.pixels.decoder import size_limit, video_stream
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)
_PACES = ("original", "fast")
_GAPS = ("wait", "skip")
_LONG_GAP_NS = 5_000_000_000  # a longer one is logged, as the program seems to hang
_MAX_LINE = 1 << 24  # bytes; a line may hold what was written into the network's states


class Replay:
    """Yields the frames of a recording with their decisions, at the original pace or as fast as they are taken.

    No frame is dropped, whatever the pace: only the frames dropped then are missing. A recording that was interrupted ends
    with its last whole frame, which is logged; one that was finished and lacks frames now raises SourceError after those
    that are left. gaps: "skip" leaves out pauses of more than 5 s, which are logged in any case. Raises SourceError,
    SourceNotFound.
    """

    def __init__(
        self, folder: str | Path, pace: str = "original", spacing_mm: Spacing | None = None, *, gaps: str = "wait"
    ) -> None:
        if pace not in _PACES:
            raise ConfigError(f"{pace!r} is no pace: replay a folder with ?pace={' or ?pace='.join(_PACES)}")
        if gaps not in _GAPS:
            raise ConfigError(f"gaps={gaps!r} is not known: replay a folder with ?gaps={' or ?gaps='.join(_GAPS)}")
        self._folder, self._paced, self._skips = Path(folder), pace == "original", gaps == "skip"
        lines = existing_file(self._folder / FRAMES_FILE)
        with _translated_errors(lines), lines.open("rb") as file:
            recorded = read_header(file.readline(_MAX_LINE))
            frames, self._declared = 0, None
            for line in _whole_lines(file):
                frames += not is_end_line(line)
                self._declared = declared_frames(line)
        self.was_live = recorded.live
        self._has_given_spacing = spacing_mm is not None  # by the user: it replaces what was read from a depth scale
        self._info = replace(recorded, live=False, frames=frames, spacing_mm=spacing_mm or recorded.spacing_mm)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._frames = self._read(lines)

    @property
    def info(self) -> StreamInfo:
        """Return the recorded stream's description, but not live: no frame of a replay is dropped."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        offset_ns, before_ns = 0, None
        while (frame := self._next_frame()) is not None and frame.decision is not None:
            then_ns, now_ns = frame.decision.captured_ns, perf_counter_ns()
            if before_ns is None or self._is_skipped(frame.index, then_ns - before_ns):
                offset_ns = now_ns - then_ns
            before_ns = then_ns
            if self._paced and self._closed.wait(min(max(0, then_ns + offset_ns - now_ns) / 1e9, threading.TIMEOUT_MAX)):
                return
            yield replace(frame, captured_ns=perf_counter_ns())

    def _is_skipped(self, index: int, gap_ns: int) -> bool:
        """Return whether the pause before a frame is left out; log a long one."""
        if not self._paced or gap_ns <= _LONG_GAP_NS:
            return False
        what = "it is skipped" if self._skips else "it is waited for; leave such gaps out with --skip-gaps or ?gaps=skip"
        _log.warning("%s has a gap of %.1f s before frame %d: %s", self._folder, gap_ns / 1e9, index, what)
        return self._skips

    def close(self) -> None:
        """Close the files; a pending frame is not yielded."""
        self._closed.set()
        with self._lock:
            self._frames.close()

    def _next_frame(self) -> RecordedFrame | None:
        with self._lock:
            return None if self._closed.is_set() else next(self._frames, None)

    def _read(self, path: Path) -> Generator[RecordedFrame, None, None]:
        """Yield the frames in order, as long as both their lines and their pictures are whole."""
        pictures, values, given, before_ns = _PartReader(self._folder), FrameValues(self._info), 0, 0
        try:
            with _translated_errors(path), path.open("rb") as file:
                file.readline(_MAX_LINE)
                for number, line in enumerate(_whole_lines(file), start=2):
                    if is_end_line(line):
                        break
                    with _located_errors(path, number):
                        recorded = read_line(line, not_before_ns=before_ns)
                    before_ns, image = recorded.decision.captured_ns, pictures.at(*recorded.place)
                    if image is None:
                        break
                    stated = recorded.decision.spacing_mm or (recorded.origin.spacing_mm if recorded.origin else None)
                    spacing_mm = values.spacing_mm(image, stated, recorded.pixel_aspect)
                    yield recorded.frame(image, spacing_mm, "" if self._has_given_spacing else recorded.decision.spacing_from)
                    given += 1
            if self._declared == given:
                return
            if self._declared is not None:
                raise SourceError(
                    f"{self._folder} is cut off or damaged: {given} of its {self._declared} frames could be read; "
                    "go on with those, or copy it again"
                )
            _log.warning("%s was not finished: its %d whole frames were played", self._folder, given)
        finally:
            pictures.close()


def open_replay(words: str, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> Replay:
    """Open what follows `replay:`: a folder, with `?pace=fast` to play it without waiting.

    Raises ConfigError, SourceError.
    """
    if fps is not None:
        raise ConfigError("a recording has its own times: leave --fps out, or add ?pace=fast to play it without waiting")
    folder, _, options = words.partition("?")
    known = parse_qs(options, keep_blank_values=True)
    if unknown := sorted(set(known) - {"pace", "gaps"}):
        raise ConfigError(f"replay: knows no option {unknown[0]!r}: give ?pace=fast, ?gaps=skip or nothing")
    return Replay(folder, known.get("pace", ["original"])[-1], spacing_mm, gaps=known.get("gaps", ["wait"])[-1])


def without_gaps(uri: str) -> str:
    """Return the address of a replay that leaves out long pauses. Raises ConfigError for another kind of source."""
    if not uri.lower().startswith("replay:"):
        raise ConfigError("--skip-gaps is for replay:FOLDER alone: leave it out")
    return f"{uri}{'&' if '?' in uri else '?'}gaps=skip"


class _PartReader:
    """Reads the pictures of a recording, part after part, each once and in order."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._part, self._next = folder, -1, 0
        self._images: Generator[Image, None, None] | None = None

    def at(self, part: int, number: int) -> Image | None:
        """Return the picture with this number in its part; None where the part ends before it. Raises SourceError."""
        if part != self._part:
            self.close()
            self._part, self._next, self._images = part, 0, _decoded(self._folder / pictures_name(part))
        image = None
        while self._images is not None and self._next <= number:
            image, self._next = next(self._images, None), self._next + 1
            if image is None:
                return None
        return image

    def close(self) -> None:
        """Close the file."""
        if self._images is not None:
            self._images.close()


def _decoded(path: Path) -> Generator[Image, None, None]:
    """Yield the pictures of one file, up to where it is cut off."""
    try:
        with av.open(f"file:{existing_file(path)}", options=size_limit(), metadata_errors="replace") as container:
            stream = video_stream(container, str(path))
            stream.thread_type = "AUTO"
            wanted = dict(PIXEL_FORMATS.values()).get(stream.codec_context.pix_fmt or "")
            if wanted is None:
                raise SourceError(f"{path} is not what rtseg recorded ({stream.codec_context.pix_fmt}): record it again")
            for picture in container.decode(stream):
                yield picture.to_ndarray(format=wanted).astype(np.uint8, copy=False)
    except (FFmpegError, IndexError) as error:
        _log.warning("%s cannot be read on: %s", path, error)


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines that end with a newline."""
    while (line := file.readline(_MAX_LINE)).endswith(b"\n"):
        yield line


@contextmanager
def _located_errors(path: Path, line: int) -> Iterator[None]:
    """Add the file and the line to an error."""
    try:
        yield
    except SourceError as error:
        raise SourceError(f"{path}, line {line}: {error}") from error


@contextmanager
def _translated_errors(path: Path) -> Iterator[None]:
    """Turn errors of the system into SourceError."""
    try:
        yield
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
