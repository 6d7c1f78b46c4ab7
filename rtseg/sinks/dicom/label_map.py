"""Describes the masks of a stream as a Label Map Segmentation (DICOM PS3.3, A.51 and C.8.20), frame by frame."""

from collections.abc import Iterator, Sequence

from rtseg.sinks.dicom.instance import StreamIdentity, code, common_header, set_pixels
from rtseg.sinks.dicom.ultrasound_multiframe import PURPOSE as RECORDING
from rtseg.sources.files.dicom_codec import pydicom

LABEL_MAP_STORAGE = pydicom.uid.UID("1.2.840.10008.5.1.4.1.1.66.7")
PURPOSE = "segmentation"

_TISSUE = ("85756007", "SCT", "Tissue")
_OWN_SCHEME = "99RTSEG"  # of classes without a code


def segmentation_header(
    identity: StreamIdentity, shape: tuple[int, int], frames: int, classes: Sequence[str], codes: Sequence[str]
) -> pydicom.Dataset:
    """Return the header of a label map, 0 background and i + 1 classes[i]. codes: of the classes, as "SCT:32062004", or ""."""
    header = common_header(identity, LABEL_MAP_STORAGE, PURPOSE, "SEG", 2)
    set_pixels(header, shape, frames)
    header.ImageType, header.PatientOrientation = ["DERIVED", "PRIMARY"], ""
    header.SegmentationType, header.PixelPaddingValue = "LABELMAP", 0
    header.ContentLabel, header.ContentDescription, header.ContentCreatorName = "SEGMENTATION", identity.model[:64], ""
    header.BurnedInAnnotation = "NO"
    codes = [*codes, *[""] * (len(classes) - len(codes))]
    header.SegmentSequence = [_segment(i, *pair, identity.model) for i, pair in enumerate(zip(classes, codes, strict=True), 1)]
    series = pydicom.Dataset()
    series.SeriesInstanceUID, series.ReferencedInstanceSequence = identity.uid(f"series {RECORDING}"), [_recording(identity)]
    header.ReferencedSeriesSequence = [series]
    organization, index = pydicom.Dataset(), pydicom.Dataset()
    organization.DimensionOrganizationUID = index.DimensionOrganizationUID = identity.uid("dimensions")
    index.DimensionIndexPointer, index.FunctionalGroupPointer = 0x00209128, 0x00209111  # temporal position, frame content
    index.DimensionDescriptionLabel = "Temporal Position Index"
    header.DimensionOrganizationSequence, header.DimensionIndexSequence = [organization], [index]
    header.SharedFunctionalGroupsSequence = [pydicom.Dataset()]
    return header


def frame_groups(identity: StreamIdentity, frames: int) -> Iterator[pydicom.Dataset]:
    """Yield the functional groups of each frame: its place in time, and the frame of the recording that it was made from."""
    for number in range(1, frames + 1):
        content, source, derivation, groups = pydicom.Dataset(), _recording(identity), pydicom.Dataset(), pydicom.Dataset()
        content.DimensionIndexValues, content.TemporalPositionIndex = [number], number
        source.ReferencedFrameNumber, source.SpatialLocationsPreserved = number, "YES"
        source.PurposeOfReferenceCodeSequence = [code("121322", "DCM", "Source image for image processing operation")]
        derivation.SourceImageSequence = [source]
        derivation.DerivationCodeSequence = [code("113076", "DCM", "Segmentation")]
        groups.FrameContentSequence, groups.DerivationImageSequence = [content], [derivation]
        yield groups


def _recording(identity: StreamIdentity) -> pydicom.Dataset:
    reference = pydicom.Dataset()
    reference.ReferencedSOPClassUID = pydicom.uid.UltrasoundMultiFrameImageStorage
    reference.ReferencedSOPInstanceUID = identity.uid(RECORDING)
    return reference


def _segment(number: int, name: str, known: str, model: str) -> pydicom.Dataset:
    segment, (scheme, _, value) = pydicom.Dataset(), known.partition(":")
    segment.SegmentNumber, segment.SegmentLabel = number, name[:64]
    segment.SegmentAlgorithmType, segment.SegmentAlgorithmName = "AUTOMATIC", f"rtseg {model}"[:64]
    segment.SegmentedPropertyCategoryCodeSequence = [code(*_TISSUE)]
    kind = code(value, scheme, name) if value else code(name[:16], _OWN_SCHEME, name)
    segment.SegmentedPropertyTypeCodeSequence = [kind]
    return segment
