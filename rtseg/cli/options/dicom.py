"""The options of `rtseg run` that write DICOM objects."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from rtseg.cli.options.outputs import check_no_input, print_written
from rtseg.engines.base import ModelSpec
from rtseg.engines.load import PLAN, model_path
from rtseg.errors import ConfigError
from rtseg.sinks.base import Sink
from rtseg.sinks.dicom import DicomFiles, DicomSink, SegmentationType
from rtseg.sinks.dicom.patient import read_patient


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
    patient: Annotated[
        Path | None,
        typer.Option("--patient", help="A TOML file with what DICOM objects say of the patient: PatientID and others."),
    ] = None

    def sinks(self, spec: ModelSpec, *, source: str, model: str) -> list[Sink]:
        """Return the sink that writes the objects, in a list, or an empty list. Raises ConfigError."""
        if not (self.dicom_seg or self.dicom_us):
            if self.patient:
                raise ConfigError("--patient is for DICOM objects: give --dicom-seg or --dicom-us too")
            return []
        check_no_input([self.dicom_seg, self.dicom_us], source, model)
        file = Path(model) if Path(model).suffix == PLAN else model_path(model)
        patient = read_patient(self.patient) if self.patient else {}
        digest = sha256(file.read_bytes()).hexdigest()
        files = DicomFiles(self.dicom_us, self.dicom_seg)
        kind = self.dicom_seg_type
        return [DicomSink(files, kind=kind, model=spec.name, model_digest=digest, codes=spec.codes, patient=patient)]

    @property
    def needs_probabilities(self) -> bool:
        """Return whether the session must hand out the network's probabilities."""
        return bool(self.dicom_seg) and self.dicom_seg_type is SegmentationType.FRACTIONAL

    def print_paths(self) -> None:
        """Print the paths of the files that were written."""
        print_written(self.dicom_seg, self.dicom_us)
