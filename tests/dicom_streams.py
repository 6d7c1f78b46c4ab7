"""Write streams as DICOM objects for tests."""

from dataclasses import replace

import numpy as np
import pydicom
import results

from rtseg.frame import Origin, SourceInstance
from rtseg.probability_planes import ProbabilityPlanes
from rtseg.result import Redaction
from rtseg.sinks.dicom import DicomFiles, DicomSink

SHAPE = (48, 64)
ODD = (47, 63)  # whose pixels are no multiple of eight
REDACTED = Redaction("auto", "known", 0, 0)


def picture(index, shape=SHAPE, *, is_color=False):
    """Return noise (H, W) or (H, W, 3)."""
    return np.random.default_rng(index).integers(0, 256, (*shape, 3) if is_color else shape, np.uint8)


def two_classes(index, shape=SHAPE):
    """Return labels with a square that moves, and a second class in odd frames."""
    labels = np.roll(results.square(shape), index, 1)
    labels[:5, :7] = 2 * (index % 2)
    return labels


def shown(
    index, labels=None, *, image=None, classes=("lumen", "wall"), planes=None, instance=None, redaction=REDACTED, **values
):
    """Return the result of one frame."""
    labels = two_classes(index) if labels is None else labels
    image = picture(index, labels.shape) if image is None else image
    origin = Origin(instance=instance) if instance else None
    made = results.result(
        image, labels, index, captured_ns=index * 50_000_000, classes=classes, spacing_mm=(0.2, 0.3), origin=origin, **values
    )
    return replace(made, segmentation=replace(made.segmentation, planes=planes), redaction=redaction)


def planes_of(index, classes=2, cells=(12, 16), box=(0, 0, *SHAPE)):
    """Return random probabilities on the cells of a network."""
    shares = np.random.default_rng(index).dirichlet(np.ones(classes + 1) / 3, cells).astype(np.float32)
    return ProbabilityPlanes(np.ascontiguousarray(shares[..., 1:].transpose(2, 0, 1)), box)


def instance(number=1, *, sop="1.2.3.4", study="1.2.3", frames=5):
    """Return the frame of a DICOM file."""
    return SourceInstance(pydicom.uid.UltrasoundMultiFrameImageStorage, sop, "1.2.3.9", study, number, frames)


def written(folder, *frames, has_recording=True, live=False, **options):
    """Return the objects of frames: the recording (None: not written), and the segmentation."""
    files = DicomFiles(folder / "us.dcm" if has_recording else None, folder / "seg.dcm")
    sink = DicomSink(files, **{"model": "carotid", "model_digest": "ab" * 32, "codes": ("SCT:32062004", ""), **options})
    sink.open(results.stream(live=live))
    for one in frames:
        sink.write(one)
    sink.close()
    return [pydicom.dcmread(path) if path else None for path in (files.recording, files.segmentation)]
