"""Write the redacted recording of a stream, its masks and its measures as DICOM objects, when the stream ends."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from rtseg.errors import SinkError
from rtseg.frame import SourceInstance, StreamInfo
from rtseg.output.atomic_file import reserve, write_or_refuse
from rtseg.result import Result
from rtseg.sinks.dicom.coding_thread import CodingThread
from rtseg.sinks.dicom.measure_log import MOST_VALUES, MeasureLog, ReportedFrames
from rtseg.sinks.dicom.segment_frames import SegmentationType, SegmentFrames
from rtseg.sinks.dicom.stream_spool import StreamSpool
from rtseg.sources.files.quiet_pydicom import SILENCE
from rtseg.text.log_records import get_logger
from rtseg.wall_clock import utc_now

if TYPE_CHECKING:
    from rtseg.sinks.dicom.archive_sender import ArchiveSender
    from rtseg.sinks.dicom.instance import StreamIdentity
    from rtseg.sources.files.dicom_codec import pydicom  # an extra

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DicomFiles:
    """Names the objects to write; None: that object is not written."""

    recording: Path | None = None
    """Ultrasound Multi-frame Image of the redacted frames."""
    segmentation: Path | None = None
    """Segmentation, of the type that `DicomSink` is given."""
    report: Path | None = None
    """Structured report of the measures."""

    @property
    def paths(self) -> list[Path]:
        """Return the files."""
        return [path for path in (self.recording, self.segmentation, self.report) if path]


class DicomSink:
    """Writes DICOM objects of a stream.

    kind: how the segmentation holds the masks. reported: of which frames the report states values. codes: of the classes, as in
    `ModelSpec.codes`. patient: values by DICOM keyword, see `read_patient`; nothing about the patient is made up. Pixels are
    coded without loss, in a thread of its own, which a live stream never waits for. Masks and measures refer to the frame of
    the DICOM file that they were made from, or else to the recording. The UIDs are the same when a recording is replayed.
    Memory stays flat; frames of another size than the first one are left out, which is logged. Raises MissingExtra without
    pydicom, and for a report without highdicom. sender: gets each object once it is written.
    """

    def __init__(
        self,
        files: DicomFiles,
        *,
        kind: SegmentationType = SegmentationType.LABELMAP,
        reported: ReportedFrames = ReportedFrames.BEST,
        model: str = "",
        model_digest: str = "",
        codes: Sequence[str] = (),
        patient: Mapping[str, str] | None = None,
        sender: "ArchiveSender | None" = None,
    ) -> None:
        import_module("rtseg.sources.files.dicom_codec")  # pydicom, or an error that names the extra
        if files.report:
            import_module("rtseg.sinks.dicom.measurement_report")  # highdicom, likewise
        self._files, self._kind, self._reported, self.sender = files, kind, reported, sender
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
        if self.sender:
            self.sender.open()
        self._info = info

    def write(self, result: Result) -> None:
        """Add one frame. Raises SinkError where the disk is full, and where the masks have nothing to refer to."""
        if self._info is None:
            raise SinkError("the DICOM objects are not open: call open first")
        with result.trace.stage("dicom"):
            if self._coder is None:
                self._check_source(result)
                masks = self._kind if self._files.segmentation else None
                log = MeasureLog(self._reported) if self._files.report else None
                spool = StreamSpool(result, self._folder, has_pictures=self._files.recording is not None, masks=masks, log=log)
                self._coder = CodingThread(spool, self._folder, is_live=self._info.live)
            try:
                self._coder.put(result)
            except OSError as error:
                raise self._full(error) from None

    def _check_source(self, first: Result) -> None:
        """Raise SinkError where the masks could refer to nothing that exists."""
        named = first.frame.origin.instance if first.frame.origin else None
        if named is None or named.is_known or self._files.recording or not (self._files.segmentation or self._files.report):
            return
        raise SinkError(
            "the DICOM source states no valid UIDs, so that masks and measures have nothing to refer to: give --dicom-us too, "
            "for a recording that they refer to"
        )

    def close(self) -> None:
        """Write the objects. Raises SinkError; closing twice is harmless."""
        coder, self._coder, self._info = self._coder, None, None
        try:
            if coder is not None:
                self._finish(coder)
        finally:
            if self.sender:
                self.sender.close()

    def _finish(self, coder: CodingThread) -> None:
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
        from rtseg.sinks.dicom.instance import StreamIdentity
        from rtseg.sinks.dicom.ultrasound_multiframe import recorded_images

        identity = StreamIdentity(stream.pictures.digest(), self._model, self._model_digest, utc_now(), self._patient)
        if stream.left_out:
            _log.warning("DICOM: %d frames of another size than the first one are left out", stream.left_out)
        if stream.references.has_nameless:
            _log.warning("DICOM: a source file states no valid UIDs: the objects refer to the redacted recording")
        recorded = recorded_images(identity, len(stream.times_ms), stream.spacing_mm)
        images = stream.references.images() if stream.references.are_known else recorded
        if not images:
            return
        if self._files.recording:
            self._write_recording(self._files.recording, identity, stream)
        if self._files.segmentation and stream.masks:
            self._write_segmentation(self._files.segmentation, identity, stream, stream.masks, images)
        if self._files.report and stream.log:
            self._write_report(self._files.report, identity, stream, stream.log, images)

    def _write_recording(self, path: Path, identity: "StreamIdentity", stream: StreamSpool) -> None:
        from rtseg.sinks.dicom.instance import instance_bytes
        from rtseg.sinks.dicom.ultrasound_multiframe import recording_header

        header = recording_header(identity, stream.shape, stream.times_ms, stream.spacing_mm, burned_in=stream.burned_in)
        self._write(path, header, instance_bytes(header, (), stream.pictures.syntax, stream.pictures.pixel_data()))

    def _write_segmentation(
        self, path: Path, identity: "StreamIdentity", stream: StreamSpool, masks: SegmentFrames, images: list[SourceInstance]
    ) -> None:
        from rtseg.sinks.dicom.instance import instance_bytes
        from rtseg.sinks.dicom.segmentation import frame_groups, segmentation_header

        size = stream.shape[0], stream.shape[1]
        if masks.unknown:
            _log.warning("DICOM: the probabilities of %d frames are unknown: they are left out", masks.unknown)
        masks.complete(size)
        header = segmentation_header(identity, size, masks, images, stream.classes, self._codes)
        groups = frame_groups(masks, images)
        self._write(path, header, instance_bytes(header, groups, masks.spool.syntax, masks.spool.pixel_data()))

    def _write_report(
        self, path: Path, identity: "StreamIdentity", stream: StreamSpool, log: MeasureLog, images: list[SourceInstance]
    ) -> None:
        from rtseg.sinks.dicom.instance import EXPLICIT_LITTLE_ENDIAN, instance_bytes
        from rtseg.sinks.dicom.measurement_report import report_header

        if log.left_out:
            _log.warning("DICOM: the report leaves out %d values: it holds %d at most", log.left_out, MOST_VALUES)
        values = log.values()
        if not values:
            _log.warning("DICOM: nothing was measured, as the report says: give --measure")
        codes = dict(zip(stream.classes, self._codes, strict=False))
        header = report_header(identity, values, images, codes)
        self._write(path, header, instance_bytes(header, (), EXPLICIT_LITTLE_ENDIAN, ()))

    def _write(self, path: Path, header: "pydicom.Dataset", content: Iterator[bytes]) -> None:
        write_or_refuse(path, content)
        if self.sender:
            self.sender.add(path, str(header.SOPInstanceUID))
