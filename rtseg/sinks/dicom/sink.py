"""Write the redacted recording of a stream, its masks and its measures as DICOM objects, when the stream ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rtseg.errors import SinkError
from rtseg.frame import StreamInfo
from rtseg.output.atomic_file import reserve, write_or_refuse
from rtseg.result import Result
from rtseg.sinks.dicom.coding_thread import CodingThread
from rtseg.sinks.dicom.segment_frames import SegmentationType
from rtseg.sinks.dicom.stream_spool import StreamSpool
from rtseg.sources.files.quiet_pydicom import SILENCE
from rtseg.text.log_records import get_logger
from rtseg.wall_clock import utc_now

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DicomFiles:
    """Names the objects to write; None: that object is not written."""

    recording: Path | None = None
    """Ultrasound Multi-frame Image of the redacted frames."""
    segmentation: Path | None = None
    """Segmentation, of the type that `DicomSink` is given."""

    @property
    def paths(self) -> list[Path]:
        """Return the files."""
        return [path for path in (self.recording, self.segmentation) if path]


class DicomSink:
    """Writes DICOM objects of a stream.

    kind: how the segmentation holds the masks. codes: of the classes, as in `ModelSpec.codes`. patient: values by DICOM
    keyword, see `read_patient`; nothing about the patient is made up. Pixels are coded without loss, in a thread of its own,
    which a live stream never waits for. Each frame of the segmentation refers to the frame of the DICOM file that it was made
    from, or else to the recording. The UIDs are the same when a recording is replayed. Memory stays flat; frames of another
    size than the first one are left out, which is logged. Raises MissingExtra without pydicom.
    """

    def __init__(
        self,
        files: DicomFiles,
        *,
        kind: SegmentationType = SegmentationType.LABELMAP,
        model: str = "",
        model_digest: str = "",
        codes: Sequence[str] = (),
        patient: Mapping[str, str] | None = None,
    ) -> None:
        import_module("rtseg.sources.files.dicom_codec")  # pydicom, or an error that names the extra
        self._files, self._kind = files, kind
        self._model, self._model_digest, self._codes, self._patient = model, model_digest, tuple(codes), dict(patient or {})
        self._folder = files.paths[0].parent if files.paths else Path()
        self._coder: CodingThread | None = None
        self._info: StreamInfo | None = None

    def open(self, info: StreamInfo) -> None:
        """Begin the objects; open ones are written first. Raises SinkError."""
        self.close()
        for path in self._files.paths:
            if not path.parent.is_dir():
                raise SinkError(f"there is no folder {path.parent} for {path.name}: make it first, or write elsewhere")
            reserve(path)
        self._info = info

    def write(self, result: Result) -> None:
        """Add one frame. Raises SinkError where the disk is full, and where the masks have nothing to refer to."""
        if self._info is None:
            raise SinkError("the DICOM objects are not open: call open first")
        with result.trace.stage("dicom"):
            if self._coder is None:
                self._check_source(result)
                masks = self._kind if self._files.segmentation else None
                spool = StreamSpool(result, self._folder, has_pictures=self._files.recording is not None, masks=masks)
                self._coder = CodingThread(spool, self._folder, is_live=self._info.live)
            try:
                self._coder.put(result)
            except OSError as error:
                raise self._full(error) from None

    def _check_source(self, first: Result) -> None:
        """Raise SinkError where the masks could refer to nothing that exists."""
        named = first.frame.origin.instance if first.frame.origin else None
        if named is None or named.is_known or self._files.recording or not self._files.segmentation:
            return
        raise SinkError(
            "the DICOM source states no valid UIDs, so that its masks have nothing to refer to: give --dicom-us too, for a "
            "recording that they refer to"
        )

    def close(self) -> None:
        """Write the objects. Raises SinkError; closing twice is harmless."""
        coder, self._coder, self._info = self._coder, None, None
        if coder is None:
            return
        failure = coder.finish()
        try:
            with SILENCE:
                self._write_objects(coder.spool)
        finally:
            coder.spool.close()
        if isinstance(failure, OSError):
            raise self._full(failure)
        if failure:
            raise failure

    def _full(self, error: OSError) -> SinkError:
        return SinkError(f"the frames cannot be kept in {self._folder} ({error.strerror}): make room on its disk")

    def _write_objects(self, stream: StreamSpool) -> None:
        from rtseg.sinks.dicom.instance import StreamIdentity, instance_bytes
        from rtseg.sinks.dicom.segmentation import frame_groups, segmentation_header
        from rtseg.sinks.dicom.ultrasound_multiframe import recorded_images, recording_header

        identity = StreamIdentity(stream.pictures.digest(), self._model, self._model_digest, utc_now(), self._patient)
        if stream.left_out:
            _log.warning("DICOM: %d frames of another size than the first one are left out", stream.left_out)
        if self._files.recording:
            header = recording_header(identity, stream.shape, stream.times_ms, stream.spacing_mm, burned_in=stream.burned_in)
            pictures = stream.pictures
            write_or_refuse(self._files.recording, instance_bytes(header, (), pictures.syntax, pictures.pixel_data()))
        references = stream.references
        if references.has_nameless:
            _log.warning("DICOM: a source file states no valid UIDs: the objects refer to the redacted recording")
        recorded = recorded_images(identity, len(stream.times_ms), stream.spacing_mm)
        images = references.images() if references.are_known else recorded
        if self._files.segmentation and stream.masks:
            masks, size = stream.masks, (stream.shape[0], stream.shape[1])
            if masks.unknown:
                _log.warning("DICOM: the probabilities of %d frames are unknown: they are left out", masks.unknown)
            masks.complete(size)
            head = segmentation_header(identity, size, masks, images, stream.classes, self._codes)
            groups = frame_groups(masks, images)
            write_or_refuse(
                self._files.segmentation, instance_bytes(head, groups, masks.spool.syntax, masks.spool.pixel_data())
            )
