"""States in DICOM objects which pictures of other objects their frames refer to."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rtseg.frame import SourceInstance
from rtseg.sinks.dicom.instance import StreamIdentity, code
from rtseg.sources.files.dicom_codec import pydicom


def set_references(header: pydicom.Dataset, identity: StreamIdentity, images: Sequence[SourceInstance]) -> None:
    """State all objects that frames refer to (Common Instance Reference, PS3.3 C.12.2), by series and study."""
    instances = dict.fromkeys(replace(one, number=1) for one in images)
    mine = [one for one in instances if one.study == identity.study]
    if mine:
        header.ReferencedSeriesSequence = list(_series(mine))
    studies = []
    for study in dict.fromkeys(one.study for one in instances if one.study != identity.study):
        other = pydicom.Dataset()
        other.StudyInstanceUID = study
        other.ReferencedSeriesSequence = list(_series([one for one in instances if one.study == study]))
        studies.append(other)
    if studies:
        header.StudiesContainingOtherReferencedInstancesSequence = studies


def _series(instances: Sequence[SourceInstance]) -> Iterator[pydicom.Dataset]:
    for uid in dict.fromkeys(one.series for one in instances):
        series = pydicom.Dataset()
        series.SeriesInstanceUID = uid
        series.ReferencedInstanceSequence = [_instance(one) for one in instances if one.series == uid]
        yield series


def _instance(image: SourceInstance) -> pydicom.Dataset:
    reference = pydicom.Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.sop_class, image.sop_instance
    return reference


def derivation(image: SourceInstance) -> pydicom.Dataset:
    """Return the item of a Derivation Image Sequence: a segmentation of this picture, pixel by pixel."""
    source, item = _instance(image), pydicom.Dataset()
    if image.frames > 1:
        source.ReferencedFrameNumber = image.number
    source.SpatialLocationsPreserved = "YES"
    source.PurposeOfReferenceCodeSequence = [code("121322", "DCM", "Source image for image processing operation")]
    item.SourceImageSequence, item.DerivationCodeSequence = [source], [code("113076", "DCM", "Segmentation")]
    return item
