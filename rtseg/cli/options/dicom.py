"""The options of `rtseg run` that write DICOM objects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtseg.cli.app import console
from rtseg.cli.options.outputs import check_no_input, print_written
from rtseg.engines.base import ModelSpec
from rtseg.engines.load import PLAN, model_path
from rtseg.errors import ConfigError
from rtseg.sinks.base import Sink
from rtseg.sinks.dicom import DicomFiles, DicomSink, ReportedFrames, SegmentationType
from rtseg.sinks.dicom.archive_address import parse_archive
from rtseg.sinks.dicom.patient import read_patient
from rtseg.sources.base import path_exists
from rtseg.sources.files.formats import detect_format
from rtseg.system.state_folder import state_folder

if TYPE_CHECKING:
    from rtseg.sinks.dicom.archive_sender import ArchiveSender

_FROM_SOURCE, _SCHEME = "source", "dicom:"


@dataclass(frozen=True, slots=True)
class DicomOutputs:
    """Holds the paths of the DICOM objects; none is written by default."""

    dicom_seg: Annotated[
        Path | None,
        typer.Option("--dicom-seg", help="Write the masks to this file as a DICOM segmentation, frame by frame."),
    ] = None
    dicom_seg_type: Annotated[
        SegmentationType,
        typer.Option(
            "--dicom-seg-type",
            help="How --dicom-seg holds the masks: labelmap (one picture a frame), binary (one bit a pixel, a picture for each "
            "class; more programs read it), or fractional (the network's probabilities).",
        ),
    ] = SegmentationType.LABELMAP
    dicom_us: Annotated[
        Path | None, typer.Option("--dicom-us", help="Write the redacted recording to this file as DICOM ultrasound.")
    ] = None
    dicom_sr: Annotated[
        Path | None,
        typer.Option("--dicom-sr", help="Write the measures to this file as a DICOM structured report (TID 1500)."),
    ] = None
    dicom_sr_frames: Annotated[
        ReportedFrames,
        typer.Option(
            "--dicom-sr-frames", help="Of which frames --dicom-sr states values: the best one of each measure, or all."
        ),
    ] = ReportedFrames.BEST
    patient: Annotated[
        str,
        typer.Option(
            "--patient",
            help="What DICOM objects say of the patient: a TOML file with PatientID and others, or source for what the DICOM "
            "source says, so that they are filed in its study.",
            show_default="nothing",
        ),
    ] = ""

    dicom_send: Annotated[
        str,
        typer.Option(
            "--dicom-send", help="Send the DICOM objects to this archive, TITLE@HOST:PORT, as in PACS@archive.local:104."
        ),
    ] = ""
    dicom_aet: Annotated[str, typer.Option("--dicom-aet", help="The title under which --dicom-send calls the archive.")] = (
        "RTSEG"
    )
    dicom_spool: Annotated[
        Path | None,
        typer.Option(
            "--dicom-spool",
            help="The folder in which objects wait until the archive has taken them.",
            show_default="~/.local/state/rtseg/dicom-spool",
        ),
    ] = None

    def sinks(self, spec: ModelSpec, *, source: str, model: str) -> list[Sink]:
        """Return the sink that writes the objects, in a list, or an empty list. Raises ConfigError."""
        if not self._files.paths:
            if self.patient or self.dicom_send:
                given = "--patient" if self.patient else "--dicom-send"
                raise ConfigError(f"{given} is for DICOM objects: give --dicom-seg, --dicom-us or --dicom-sr too")
            return []
        check_no_input(self._files.paths, source, model)
        file = Path(model) if Path(model).suffix == PLAN else model_path(model)
        patient = _patient(self.patient, source)
        digest = sha256(file.read_bytes()).hexdigest()
        sink = DicomSink(
            self._files,
            kind=self.dicom_seg_type,
            reported=self.dicom_sr_frames,
            model=spec.name,
            model_digest=digest,
            codes=spec.codes,
            patient=patient,
            sender=self._sender(),
        )
        return [sink]

    def _sender(self) -> "ArchiveSender | None":
        if not self.dicom_send:
            return None
        archive = parse_archive(self.dicom_send, self.dicom_aet)
        from rtseg.sinks.dicom.archive_sender import ArchiveSender  # pynetdicom is an extra

        return ArchiveSender(archive, self.dicom_spool or state_folder() / "dicom-spool")

    @property
    def _files(self) -> DicomFiles:
        return DicomFiles(self.dicom_us, self.dicom_seg, self.dicom_sr)

    @property
    def needs_probabilities(self) -> bool:
        """Return whether the session must hand out the network's probabilities."""
        return bool(self.dicom_seg) and self.dicom_seg_type is SegmentationType.FRACTIONAL

    def print_paths(self, sinks: Iterable[Sink]) -> None:
        """Print the paths of the files that were written, and how many objects the archive has taken."""
        print_written(self.dicom_seg, self.dicom_us, self.dicom_sr)
        for sink in sinks:
            if isinstance(sink, DicomSink) and sink.sender:
                console.print(f"sent {sink.sender.sent} DICOM objects to {self.dicom_send}", highlight=False, markup=False)


def _patient(given: str, source: str) -> Mapping[str, str]:
    """Return what DICOM objects say of the patient, by keyword. Raises ConfigError, SourceError."""
    if given != _FROM_SOURCE:
        return read_patient(given) if given else {}
    path = Path(source.removeprefix(_SCHEME))
    if not path_exists(path) or not (source.startswith(_SCHEME) or detect_format(source) == "dicom"):
        raise ConfigError(f"--patient {_FROM_SOURCE}: {source} is no DICOM file or folder: give a TOML file instead")
    from rtseg.sources.files.dicom_patient import read_source_patient

    return read_source_patient(path)
