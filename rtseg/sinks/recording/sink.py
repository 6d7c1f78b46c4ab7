"""Record the frames of a stream and the session's decisions, for replay with `replay:FOLDER`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rtseg.engines.base import Floats
from rtseg.errors import SinkError
from rtseg.frame import Image, StreamInfo
from rtseg.output.private_file import lock_folder, make_folder
from rtseg.result import Result
from rtseg.session.sector import Sector
from rtseg.session.session import Session
from rtseg.sinks.recording.ffv1 import Ffv1Writer
from rtseg.sinks.recording.unbuffered_file import UnbufferedFile
from rtseg.sinks.worker import Worker, queue_depth
from rtseg.sources.files.recorded_values import StateValues
from rtseg.sources.files.recording import FRAMES_FILE, Decision, end_line, frame_line, header_line, labels_crc32, pictures_name
from rtseg.text.log_records import get_logger
from rtseg.text.safe_text import json_text

_log = get_logger(__name__)
_QUEUE_DEPTH = 8  # frames queued for the disk
_UNWRITTEN = 2  # frames in the encoder and the muxer


class RecordSink:
    """Writes each frame losslessly to `folder`, with its times, its origin and the session's decisions.

    session: the session that produces the results; a `RedactedSession` unless keep_surroundings, so that a replay gets the
    same input. Encoding and writing run in a thread of their own. A live stream never blocks on it: frames that do not fit
    into the queue are counted in `dropped` and in the recording. When the disk is full, the recording of a live stream ends,
    `broken` holds the reason, and the stream continues; for a file, SinkError is raised. A killed process loses at most half a
    second, as long as the disk keeps up. Raises SinkError.
    """

    def __init__(
        self, folder: str | Path, session: Session, *, model: str | None = None, keep_surroundings: bool = False
    ) -> None:
        self._folder, self._session, self._model, self._surroundings = Path(folder), session, model, keep_surroundings
        self._worker: Worker[tuple[Result, Sector, int, tuple[StateValues, ...], Mapping[str, int]]] | None = None
        self._writes: dict[str, Floats] = {}  # into the network's states, not recorded yet
        self._live = False
        self.dropped, self._unrecorded, self.broken = 0, 0, ""

    def open(self, info: StreamInfo) -> None:
        """Start a recording in a folder that holds none. Raises SinkError."""
        self.close()
        self._live, self.dropped, self._unrecorded, self.broken, self._writes = info.live, 0, 0, "", {}
        self._files = _RecordingFiles(self._folder, info, header_line(info, self._model, self._surroundings, version("rtseg")))
        depth = _QUEUE_DEPTH if info.live else queue_depth(info.fps, _QUEUE_DEPTH, _UNWRITTEN)
        self._worker = Worker("rtseg-record", lambda item: self._files.add(*item), depth)

    def write(self, result: Result) -> None:
        """Queue one result for the recording thread. Raises SinkError, but not for a live stream."""
        if self.broken:
            return
        if self._worker is None:
            raise SinkError(f"{self._folder} is not open: call open(info) first, as Pipeline does")
        self._writes |= self._session.writes.newest
        if self._live and self._worker.is_full:
            self.dropped, self._unrecorded = self.dropped + 1, self._unrecorded + 1
            return
        with self._errors_contained():
            writes = tuple(StateValues(name, values) for name, values in self._writes.items())
            objects = self._session.object_places if result.segmentation.objects is not None else {}
            self._worker.put((result, self._session.sector, self._unrecorded, writes, objects))
            self._unrecorded, self._writes = 0, {}

    def close(self) -> None:
        """Drain the queue and finish the recording. Raises SinkError, but not for a live stream."""
        worker, self._worker = self._worker, None
        if worker is not None:
            with self._errors_contained():
                try:
                    worker.close()
                finally:
                    self._files.close(self.dropped)

    @contextmanager
    def _errors_contained(self) -> Iterator[None]:
        """Store and log a SinkError of a live stream instead of raising it."""
        try:
            yield
        except SinkError as error:
            if not self._live:
                raise
            if not self.broken:
                self.broken = str(error)
                _log.error("the recording ends: %s", error)


class _RecordingFiles:
    """Writes the files of one recording, from one thread. Raises SinkError."""

    def __init__(self, folder: Path, info: StreamInfo, header: dict[str, Any]) -> None:
        self._folder, self._fps = folder, info.fps
        self._pictures: Ffv1Writer | None = None
        self._part, self._number, self._frames, self._first_ns = -1, 0, 0, 0
        try:
            make_folder(folder)
            self._lock = lock_folder(folder)
        except SinkError:
            raise
        except OSError as error:
            raise SinkError(f"{folder} cannot hold a recording ({error.strerror}): name a folder you may write to") from error
        try:
            self._lines = self._create(folder / FRAMES_FILE)
            self._write(header)
        except BaseException:
            self._lock.release()
            raise

    def _create(self, lines: Path) -> UnbufferedFile:
        try:
            return UnbufferedFile(lines, "xb")
        except FileExistsError as error:
            raise SinkError(f"{self._folder} holds a recording already: name another folder, or remove it") from error
        except OSError as error:
            reason = getattr(error, "strerror", None) or error
            raise SinkError(f"{self._folder} cannot hold a recording ({reason}): name a folder you may write to") from error

    def add(
        self,
        result: Result,
        sector: Sector,
        unrecorded: int,
        writes: tuple[StateValues, ...],
        objects: Mapping[str, int],
    ) -> None:
        """Write one frame, its image before its line. Raises SinkError.

        In a recording that was cut off, only the last line can therefore lack its image.
        """
        frame, made = result.frame, result.segmentation
        if self._pictures is None or self._pictures.shape != frame.image.shape:
            self._begin_part(frame.image)
        assert self._pictures is not None
        self._first_ns = self._first_ns or frame.captured_ns
        self._pictures.add(frame.image, (frame.captured_ns - self._first_ns) / 1e9)
        decision = Decision(
            captured_ns=frame.captured_ns,
            life=made.life,
            reason=made.reason,
            kind=sector.kind.value,
            outline=sector.outline,
            confidence=sector.confidence,
            labels=labels_crc32(made.labels),
            dropped=result.dropped,
            unrecorded=unrecorded,
            wall_ns=result.wall_ns,
            spacing_mm=made.spacing_mm,
            face=sector.face,
            writes=writes,
            spacing_from=made.spacing_from,
            objects=objects,
        )
        self._write(frame_line(frame, decision, (self._part, self._number)))
        self._number, self._frames = self._number + 1, self._frames + 1

    def close(self, unrecorded: int) -> None:
        """Write the last line, close the files and release the folder. Raises SinkError."""
        try:
            if self._pictures is not None:
                self._pictures.close()
            self._write(end_line(self._frames, unrecorded))
        finally:
            self._lines.close()
            self._lock.release()

    def _begin_part(self, image: Image) -> None:
        if self._pictures is not None:
            self._pictures.close()
        self._part, self._number = self._part + 1, 0
        self._pictures = Ffv1Writer(self._folder / pictures_name(self._part), image, self._fps)

    def _write(self, values: dict[str, Any]) -> None:
        try:
            self._lines.write(json_text(values).encode() + b"\n")
        except OSError as error:
            raise SinkError(f"{self._folder} cannot be written to ({error.strerror}): free some space") from error
