"""Test the structured report of the measures: values, ranges, units, codes, references, and what is withheld."""

import json
from dataclasses import replace

import highdicom
import pydicom
import pytest
import results
from dicom_streams import instance, shown
from pydicom.sr._concepts_dict import concepts

from rtseg.errors import SinkError
from rtseg.measure.quantities import QUANTITIES
from rtseg.measured_value import MeasuredValue
from rtseg.sinks.dicom import DicomFiles, DicomSink, ReportedFrames
from rtseg.sinks.dicom import measure_log as module
from rtseg.sinks.dicom.measure_codes import MEASURE_CODES, UNIT_CODES

UNKNOWN = "the pixel size is unknown: give --spacing MM, or use a source that carries it"
VALUES = (10.25, 11.5, 30.123456789, 12.0)
UPPER, LOWER = "371886008", "371885007"


def measured(index, value):
    area = MeasuredValue("area:lumen", "area", "mm2", ("lumen",), value, value - 1, value + 2, "user")
    hidden = MeasuredValue("hc", "head circumference", "mm", ("wall",), withheld=UNKNOWN)
    ratio = MeasuredValue("taller_than_wide", "height over width", "", ("wall",), 1.5, None, 1.75)
    return area, hidden, ratio


def frames(with_instance=False, values=VALUES):
    made = []
    for index, value in enumerate(values):
        named = instance(index + 1) if with_instance else None
        one = shown(index, instance=named, confidence=(0.99 if index == 1 else 0.6, 0.5))
        made.append(replace(one, segmentation=replace(one.segmentation, measures=measured(index, value))))
    return made


def reported(folder, results_, **options):
    path = folder / "sr.dcm"
    files = DicomFiles(folder / "us.dcm" if options.pop("has_recording", False) else None, report=path)
    sink = DicomSink(files, **{"model": "carotid", "model_digest": "ab" * 32, "codes": ("SCT:32062004", ""), **options})
    sink.open(results.stream())
    for one in results_:
        sink.write(one)
    sink.close()
    return highdicom.sr.srread(path)


def groups_of(report):
    return {group.tracking_identifier: group for group in report.content.get_image_measurement_groups()}


def uncertainty(measurement):
    """Return the range of a value, by the code of its end."""
    items = measurement[0].ContentSequence
    units = {
        item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue for item in items if item.ValueType == "NUM"
    }
    assert units <= {measurement.unit.value}
    named = {item.ConceptNameCodeSequence[0].CodeValue: item for item in items}
    return {code: float(named[code].MeasuredValueSequence[0].NumericValue) for code in (LOWER, UPPER) if code in named}


def test_the_best_frame_of_each_measure_is_stated_under_its_name(tmp_path):
    report = reported(tmp_path, frames(), has_recording=True)
    groups, recording = groups_of(report), pydicom.dcmread(tmp_path / "us.dcm")
    assert set(groups) == {"area:lumen", "hc", "taller_than_wide"}
    (area,) = groups["area:lumen"].get_measurements()
    assert (area.name.value, area.name.scheme_designator) == ("42798000", "SCT")
    assert (float(area.value), area.unit.value, area.unit.scheme_designator) == (11.5, "mm2", "UCUM")
    assert uncertainty(area) == {LOWER: 1, UPPER: 2}
    assert groups["area:lumen"].finding_type.value == "32062004"
    (source,) = groups["area:lumen"].source_images
    assert source.referenced_sop_instance_uid == recording.SOPInstanceUID
    assert source.referenced_frame_numbers == [2]
    (evaluation,) = groups["area:lumen"].get_qualitative_evaluations()
    assert (evaluation.name.value, evaluation.value.meaning) == ("spacing_from", "user")
    (ratio,) = groups["taller_than_wide"].get_measurements()
    assert (float(ratio.value), ratio.unit.value, ratio.name.scheme_designator) == (1.5, "1", "99RTSEG")
    assert uncertainty(ratio) == {UPPER: 0.25}
    assert (report.StudyInstanceUID, report.Modality) == (recording.StudyInstanceUID, "SR")
    assert report.PatientName == ""


def test_what_is_withheld_is_no_number(tmp_path):
    report = reported(tmp_path, frames())
    withheld = groups_of(report)["hc"]
    assert withheld.get_measurements() == []
    (evaluation,) = withheld.get_qualitative_evaluations()
    assert (evaluation.name.value, evaluation.value.value) == ("11984-2", "withheld")
    texts = [item.TextValue for item in withheld[0].ContentSequence if item.ValueType == "TEXT"]
    assert UNKNOWN in texts


def test_all_frames_are_stated_up_to_a_limit(tmp_path, monkeypatch, caplog):
    report = reported(tmp_path, frames(), reported=ReportedFrames.ALL)
    areas = [group for group in report.content.get_image_measurement_groups() if group.tracking_identifier == "area:lumen"]
    found = [float(group.get_measurements()[0].value) for group in areas]
    assert found == [json.loads(json.dumps(round(value, 6))) for value in VALUES]
    assert [group.source_images[0].referenced_frame_numbers for group in areas] == [[1], [2], [3], [4]]
    monkeypatch.setattr(module, "MOST_VALUES", 2)
    report = reported(tmp_path, frames(), reported=ReportedFrames.ALL)
    assert len(report.content.get_image_measurement_groups()) == 4  # the first two, the best area, and what is withheld
    assert "leaves out 6 values" in caplog.text


def test_values_of_a_dicom_source_refer_to_its_frames(tmp_path):
    report = reported(tmp_path, frames(with_instance=True))
    (source,) = groups_of(report)["area:lumen"].source_images
    assert (source.referenced_sop_instance_uid, source.referenced_frame_numbers) == ("1.2.3.4", [2])
    assert report.PertinentOtherEvidenceSequence[0].StudyInstanceUID == "1.2.3"
    assert "CurrentRequestedProcedureEvidenceSequence" not in report
    patient = {"StudyInstanceUID": "1.2.3", "PatientID": "17"}
    report = reported(tmp_path, frames(with_instance=True), patient=patient)
    assert report.CurrentRequestedProcedureEvidenceSequence[0].StudyInstanceUID == report.StudyInstanceUID == "1.2.3"
    assert report.PatientID == "17"
    with pytest.raises(SinkError, match="give --dicom-us too"):
        reported(tmp_path, [shown(0, instance=replace(instance(), study=""))])


def test_a_replay_gives_the_same_uid_and_other_values_another(tmp_path):
    first, again = reported(tmp_path, frames()), reported(tmp_path, frames())
    other = reported(tmp_path, frames(values=(9.0, *VALUES[1:])), reported=ReportedFrames.ALL)
    assert first.SOPInstanceUID == again.SOPInstanceUID != other.SOPInstanceUID
    assert groups_of(first)["area:lumen"].tracking_uid == groups_of(again)["area:lumen"].tracking_uid


def test_a_stream_without_measures_and_values_that_are_not_finite(tmp_path, caplog):
    report = reported(tmp_path, [shown(0)])
    assert [group.get_measurements() for group in groups_of(report).values()] == [[]]
    assert "nothing was measured" in caplog.text
    report = reported(tmp_path, frames(values=(float("nan"), float("inf"))))
    assert groups_of(report)["area:lumen"].get_measurements() == []


def test_codes_are_those_of_dicom():
    for name, (value, scheme, meaning) in MEASURE_CODES.items():
        assert name in QUANTITIES
        assert meaning in [known[value][0] for known in concepts[scheme].values() if value in known]
    assert {quantity.unit for quantity in QUANTITIES.values()} <= set(UNIT_CODES)
