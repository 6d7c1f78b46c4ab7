"""A recording of `rtseg run --record`, played again."""

import logging
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
from rtseg.sources.base import existing
from rtseg.sources.recording import LINES, PIXELS, RecordedFrame, is_end, pictures_name, read_header, read_line

_log = logging.getLogger(__name__)
_PACES = ("original", "fast")
_MOST_LINE = 1 << 20


class Replay:
    """The frames of a recording, with what became of them then, at their original pace or as fast as they are taken.

    Nothing is dropped, whatever the pace: what was dropped then is missing, and only that. A recording that was cut off ends
    with its last whole frame, which is said on the log. Raises SourceError, SourceNotFound.
    """

    def __init__(self, folder: str | Path, pace: str = "original", spacing_mm: Spacing | None = None) -> None:
        if pace not in _PACES:
            raise ConfigError(f"{pace!r} is no pace: replay a folder with ?pace={' or ?pace='.join(_PACES)}")
        self._folder, self._paced = Path(folder), pace == "original"
        lines = existing(self._folder / LINES)
        with _reading(lines), lines.open("rb") as file:
            recorded = read_header(file.readline(_MOST_LINE))
            frames = sum(not is_end(line) for line in _whole_lines(file))
        self.was_live = recorded.live
        self._info = replace(recorded, live=False, frames=frames, spacing_mm=spacing_mm or recorded.spacing_mm)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._frames = self._read(lines)

    @property
    def info(self) -> StreamInfo:
        """The stream's as it was recorded, but not live: a replay is never dropped from."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        offset_ns = None
        while (frame := self._next_frame()) is not None and frame.decision is not None:
            then_ns, now_ns = frame.decision.captured_ns, perf_counter_ns()
            offset_ns = now_ns - then_ns if offset_ns is None else offset_ns
            if self._paced and self._closed.wait(max(0, then_ns + offset_ns - now_ns) / 1e9):
                return
            yield replace(frame, captured_ns=perf_counter_ns())

    def close(self) -> None:
        """Close the files; a frame that is being waited for is not given."""
        self._closed.set()
        with self._lock:
            self._frames.close()

    def _next_frame(self) -> RecordedFrame | None:
        with self._lock:
            return None if self._closed.is_set() else next(self._frames, None)

    def _read(self, path: Path) -> Generator[RecordedFrame, None, None]:
        """The frames in order, as long as both their lines and their pictures are whole."""
        pictures, given = _Pictures(self._folder), 0
        try:
            with _reading(path), path.open("rb") as file:
                file.readline(_MOST_LINE)
                for line in _whole_lines(file):
                    if is_end(line):
                        return
                    index, place, decision, origin = read_line(line)
                    image = pictures.at(*place)
                    if image is None:
                        break
                    yield RecordedFrame(image, index, 0, origin, decision)
                    given += 1
            _log.warning("%s was not finished: its %d whole frames were played", self._folder, given)
        finally:
            pictures.close()


def open_replay(words: str, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> Replay:
    """What follows `replay:`: a folder, and with `?pace=fast` no waiting between frames. Raises ConfigError, SourceError."""
    if fps is not None:
        raise ConfigError("a recording has its own times: leave --fps out, or add ?pace=fast to play it without waiting")
    folder, _, options = words.partition("?")
    known = parse_qs(options, keep_blank_values=True)
    if set(known) - {"pace"}:
        raise ConfigError(f"replay: knows no option {sorted(set(known) - {'pace'})[0]!r}: give ?pace=fast or nothing")
    return Replay(folder, known.get("pace", ["original"])[-1], spacing_mm)


class _Pictures:
    """The pictures of a recording, part after part, each once and in order."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._part, self._next = folder, -1, 0
        self._images: Generator[Image, None, None] | None = None

    def at(self, part: int, number: int) -> Image | None:
        """The picture with this number in its part; None where the part ends before it. Raises SourceError."""
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
    """The pictures of one file, up to where it is cut off."""
    try:
        with av.open(f"file:{existing(path)}", metadata_errors="replace") as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            wanted = dict(PIXELS.values()).get(stream.codec_context.pix_fmt or "")
            if wanted is None:
                raise SourceError(f"{path} is not what rtseg recorded ({stream.codec_context.pix_fmt}): record it again")
            for picture in container.decode(stream):
                yield picture.to_ndarray(format=wanted).astype(np.uint8, copy=False)
    except (FFmpegError, IndexError) as error:
        _log.warning("%s cannot be read on: %s", path, error)


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines that were written to their end."""
    while (line := file.readline(_MOST_LINE)).endswith(b"\n"):
        yield line


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
