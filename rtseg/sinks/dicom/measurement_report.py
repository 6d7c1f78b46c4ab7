"""Describes the measures of a stream as a structured report (DICOM PS3.16, TID 1500), with highdicom."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from rtseg.errors import MissingExtra
from rtseg.frame import SourceInstance
from rtseg.measured_value import MeasuredValue
from rtseg.sinks.dicom.frame_references import digest_of
from rtseg.sinks.dicom.instance import OWN_SCHEME, StreamIdentity, common_header, own_code
from rtseg.sinks.dicom.measure_codes import MEASURE_CODES, UNIT_CODES
from rtseg.sinks.dicom.measure_log import ReportedValue
from rtseg.sources.files.dicom_codec import pydicom

try:
    from highdicom import sr
except ImportError as error:
    raise MissingExtra("--dicom-sr", "dicom") from error

PURPOSE = "report"
_STORAGE = "1.2.840.10008.5.1.4.1.1.88.33"  # Comprehensive SR
_ULTRASOUND = sr.CodedConcept("16310003", "SCT", "Diagnostic ultrasonography")
_DECIMALS = 6  # as in JSON lines
_LONGEST_MEANING = 64  # characters
_NOTHING = ReportedValue(MeasuredValue("measures", "measures", "", withheld="nothing was measured"), 0)
_DOCUMENT = (  # what highdicom makes; the rest is that of all objects of a stream
    *("ValueType", "ConceptNameCodeSequence", "ContinuityOfContent", "ContentTemplateSequence", "ContentSequence"),
    *("CompletionFlag", "VerificationFlag", "PreliminaryFlag", "PerformedProcedureCodeSequence"),
    *("ReferencedPerformedProcedureStepSequence", "CurrentRequestedProcedureEvidenceSequence"),
    "PertinentOtherEvidenceSequence",
)


def report_header(
    identity: StreamIdentity,
    values: Sequence[ReportedValue],
    images: Sequence[SourceInstance],
    codes: dict[str, str],
) -> pydicom.Dataset:
    """Return the report as a data set without pixels.

    values: what it states. images: what each frame of the stream refers to. codes: of the classes by their names, as
    "SCT:32062004". A value has its name in JSON lines as its tracking identifier, its range as the uncertainty (TID 310), and
    the frame that it was measured on. A measure without a value is stated as withheld, with the reason, and never as a number.
    """
    values = values or [_NOTHING]
    content = repr([(one.measured, one.number) for one in values]).encode() + digest_of(images)
    header = common_header(identity, _STORAGE, PURPOSE, "SR", 3, content)
    groups = [_group(identity, content, one, images, codes) for one in values]
    device = sr.DeviceObserverIdentifyingAttributes(
        identity.uid("device"),
        f"rtseg {version('rtseg')}, model {identity.model}"[:64],
        "rtseg",
        identity.model[:64] or "rtseg",
    )
    observer = sr.ObserverContext(sr.CodedConcept("121007", "DCM", "Device"), device)
    report = sr.MeasurementReport(sr.ObservationContext(observer_device_context=observer), _ULTRASOUND, groups)
    made = sr.ComprehensiveSR(
        _evidence(header, values, images), report[0], header.SeriesInstanceUID, 3, header.SOPInstanceUID, 1, is_complete=True
    )
    for keyword in _DOCUMENT:
        if keyword in made:
            setattr(header, keyword, made[keyword].value)
    if images[0].study != identity.study and "CurrentRequestedProcedureEvidenceSequence" in header:
        header.PertinentOtherEvidenceSequence = header.CurrentRequestedProcedureEvidenceSequence
        del header.CurrentRequestedProcedureEvidenceSequence
    return header


def _evidence(
    header: pydicom.Dataset, values: Sequence[ReportedValue], images: Sequence[SourceInstance]
) -> list[pydicom.Dataset]:
    """Return the objects that the report refers to, as far as they are described."""
    found, items = dict.fromkeys(replace(images[max(0, one.number - 1)], number=1) for one in values), []
    for one in found or [images[0]]:
        item = deepcopy(header)
        item.SOPClassUID, item.SOPInstanceUID = one.sop_class, one.sop_instance
        item.SeriesInstanceUID, item.StudyInstanceUID = one.series, one.study
        items.append(item)
    return items


def _group(
    identity: StreamIdentity, content: bytes, one: ReportedValue, images: Sequence[SourceInstance], codes: dict[str, str]
) -> sr.MeasurementsAndQualitativeEvaluations:
    """Return the measurement group of one value (TID 1501)."""
    measured, evaluations, measurements, sources = one.measured, [], [], None
    if one.number:
        measurements = [_measurement(measured)]
        image = images[one.number - 1]
        numbers = [image.number] if image.frames > 1 else None
        sources = [sr.SourceImageForMeasurementGroup(image.sop_class, image.sop_instance, numbers)]
        if measured.spacing_from:
            evaluations = [_evaluation("spacing_from", "pixel size known from", measured.spacing_from)]
    else:
        evaluations = [sr.QualitativeEvaluation(_concept(measured), _own("withheld", f"withheld: {measured.withheld}"))]
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(identity.uid(f"tracking {measured.name}", content), measured.name),
        finding_type=_finding(measured, codes),
        algorithm_id=sr.AlgorithmIdentification(f"rtseg {identity.model}"[:64], version("rtseg")),
        measurements=measurements or None,
        qualitative_evaluations=evaluations or None,
        source_images=sources,
    )
    if not one.number:
        reason = sr.TextContentItem(_own("withheld", "withheld"), measured.withheld, sr.RelationshipTypeValues.CONTAINS)
        group[0].ContentSequence.append(reason)
    return group


def _measurement(measured: MeasuredValue) -> sr.Measurement:
    """Return a value with its range (TID 300, with the uncertainty of TID 310)."""
    assert measured.value is not None
    value, unit, properties = round(float(measured.value), _DECIMALS), sr.CodedConcept(*UNIT_CODES[measured.unit]), None
    if measured.low is not None or measured.high is not None:
        properties = sr.MeasurementProperties(
            upper_measurement_uncertainty=None if measured.high is None else round(float(measured.high) - value, _DECIMALS),
            lower_measurement_uncertainty=None if measured.low is None else round(value - float(measured.low), _DECIMALS),
        )
        for end in properties:  # highdicom states them without a unit
            end.MeasuredValueSequence[0].MeasurementUnitsCodeSequence = [unit]
    return sr.Measurement(_concept(measured), value, unit, properties=properties)


def _concept(measured: MeasuredValue) -> sr.CodedConcept:
    """Return the name of a measure."""
    name = measured.name.partition(":")[0]
    known = MEASURE_CODES.get(name)
    return sr.CodedConcept(*known) if known else _own(name, measured.title)


def _finding(measured: MeasuredValue, codes: dict[str, str]) -> sr.CodedConcept | None:
    """Return the code of the class that was measured; None without a class."""
    if not measured.classes:
        return None
    name = measured.classes[0]
    scheme, _, value = codes.get(name, "").partition(":")
    return sr.CodedConcept(value, scheme, name[:_LONGEST_MEANING]) if value else _own(name, name)


def _own(name: str, meaning: str) -> sr.CodedConcept:
    item: Any = own_code(name)
    return sr.CodedConcept(item.CodeValue, OWN_SCHEME, meaning[:_LONGEST_MEANING])


def _evaluation(name: str, meaning: str, value: str) -> sr.QualitativeEvaluation:
    return sr.QualitativeEvaluation(_own(name, meaning), _own(value, value))
