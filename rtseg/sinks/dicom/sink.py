"""Write the redacted recording of a stream and its masks as DICOM objects, when the stream ends."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import SinkError
from rtseg.frame import Labels, StreamInfo
from rtseg.output.atomic_file import reserve, write_or_refuse
from rtseg.result import Redaction, Result
from rtseg.sinks.dicom.frame_spool import FrameSpool
from rtseg.sources.files.quiet_pydicom import SILENCE
from rtseg.text.log_records import get_logger
from rtseg.wall_clock import utc_now

_log = get_logger(__name__)


class DicomSink:
    """Writes an Ultrasound Multi-frame Image of the redacted frames, and a Label Map Segmentation that refers to each of them.

    recording, segmentation: the files; None: that object is not written. codes: of the classes, as in `ModelSpec.codes`.
    patient: values by DICOM keyword, see `read_patient`; nothing about the patient is made up. Both are coded without loss, and
    have the same UIDs when a recording is replayed. Memory stays flat; frames of another size than the first one are left out,
    which is logged. Raises MissingExtra without pydicom.
    """

    def __init__(
        self,
        recording: Path | None,
        segmentation: Path | None,
        *,
        model: str = "",
        model_digest: str = "",
        codes: Sequence[str] = (),
        patient: Mapping[str, str] | None = None,
    ) -> None:
        import_module("rtseg.sources.files.dicom_codec")  # pydicom, or an error that names the extra
        self._recording, self._segmentation = recording, segmentation
        self._model, self._model_digest, self._codes, self._patient = model, model_digest, tuple(codes), dict(patient or {})
        self._stream: _SpooledStream | None = None
        self._info: StreamInfo | None = None

    def open(self, info: StreamInfo) -> None:
        """Begin the objects; open ones are written first. Raises SinkError."""
        self.close()
        for path in filter(None, (self._recording, self._segmentation)):
            if not path.parent.is_dir():
                raise SinkError(f"there is no folder {path.parent} for {path.name}: make it first, or write elsewhere")
            reserve(path)
        self._info = info

    def write(self, result: Result) -> None:
        """Add one frame. Raises SinkError where the disk is full."""
        if self._info is None:
            raise SinkError("the DICOM objects are not open: call open first")
        folder = (self._recording or self._segmentation or Path()).parent
        self._stream = self._stream or _SpooledStream(
            result, folder, self._recording is not None, self._segmentation is not None
        )
        with result.trace.stage("dicom"), SILENCE:
            try:
                self._stream.add(result)
            except OSError as error:
                raise SinkError(f"the frames cannot be kept in {folder} ({error.strerror}): make room on its disk") from None

    def close(self) -> None:
        """Write the objects. Raises SinkError; closing twice is harmless."""
        stream, self._stream, self._info = self._stream, None, None
        if stream is None:
            return
        try:
            with SILENCE:
                self._write_objects(stream)
        finally:
            stream.close()

    def _write_objects(self, stream: "_SpooledStream") -> None:
        from rtseg.sinks.dicom.instance import StreamIdentity, instance_bytes
        from rtseg.sinks.dicom.label_map import frame_groups, segmentation_header
        from rtseg.sinks.dicom.ultrasound_multiframe import recording_header

        identity = StreamIdentity(stream.digest(), self._model, self._model_digest, utc_now(), self._patient)
        if stream.left_out:
            _log.warning("DICOM: %d frames of another size than the first one are left out", stream.left_out)
        if self._recording:
            header = recording_header(identity, stream.shape, stream.times_ms, stream.spacing_mm, burned_in=stream.burned_in)
            write_or_refuse(self._recording, instance_bytes(header, (), stream.pictures.pixel_data()))
        if self._segmentation:
            frames = stream.masks.count
            head = segmentation_header(identity, (stream.shape[0], stream.shape[1]), frames, stream.classes, self._codes)
            groups = frame_groups(identity, frames)
            write_or_refuse(self._segmentation, instance_bytes(head, groups, stream.masks.pixel_data()))


class _SpooledStream:
    """Holds the frames and masks of one stream in spools, and what all of its frames share."""

    def __init__(self, first: Result, folder: Path, has_pictures: bool, has_masks: bool) -> None:
        self.shape: tuple[int, ...] = first.frame.image.shape
        self.classes = list(first.segmentation.classes)
        self.spacing_mm, self.times_ms = first.segmentation.spacing_mm, list[float]()
        self.burned_in, self.left_out = "NO", 0
        self.pictures, self.masks = FrameSpool(folder), FrameSpool(folder)
        self._has_pictures, self._has_masks, self._newest_ns = has_pictures, has_masks, 0

    def add(self, result: Result) -> None:
        image, labels = result.frame.image, result.segmentation.labels
        if image.shape[:2] != self.shape[:2]:
            self.left_out += 1
            return
        now_ns = result.frame.captured_ns if result.frame.presentation_ns is None else result.frame.presentation_ns
        self.times_ms.append(max(0.0, (now_ns - self._newest_ns) / 1e6) if self.times_ms else 0.0)
        self._newest_ns = now_ns
        self._note_redaction(result.redaction)
        if result.segmentation.spacing_mm != self.spacing_mm:
            self.spacing_mm = None
        self.pictures.add(self._as_first(image), is_kept=self._has_pictures)
        if self._has_masks:
            self.masks.add(self._renumbered(labels, result.segmentation.classes))

    def _note_redaction(self, redaction: Redaction | None) -> None:
        """Note whether a frame may show text that identifies the patient; within a stated sector nobody has looked for it."""
        if redaction is None or redaction.mode == "off" or redaction.exposed:
            self.burned_in = "YES"
        elif redaction.sector == "stated" and self.burned_in == "NO":
            self.burned_in = ""

    def _renumbered(self, labels: Labels, classes: Sequence[str]) -> Labels:
        """Return the labels by the names of the whole stream, since objects that users point at come and go."""
        if list(classes) == self.classes[: len(classes)]:
            return labels
        self.classes += [name for name in classes if name not in self.classes]
        return np.array([0, *(self.classes.index(name) + 1 for name in classes)], np.uint8)[labels]

    def _as_first(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        if image.ndim == len(self.shape):
            return image
        code = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_RGB2GRAY
        return np.asarray(cv2.cvtColor(image, code), np.uint8)

    def digest(self) -> bytes:
        return self.pictures.digest()

    def close(self) -> None:
        self.pictures.close()
        self.masks.close()
