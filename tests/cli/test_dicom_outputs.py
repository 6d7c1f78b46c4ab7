"""Test the options of `rtseg run` that write DICOM objects, from a DICOM source to the objects that refer to it."""

import json

import highdicom
import numpy as np
import pydicom
import pytest
from sources import dicoms
from typer.testing import CliRunner

from rtseg.cli.app import app

FRAMES = np.random.default_rng(2).integers(0, 256, (4, 48, 64), np.uint8)
STUDY = {"StudyInstanceUID": "1.2.3.4", "StudyDate": "20240131"}


def run(source, tiny, *options):
    arguments = "run", source, "--model", tiny, "--warmup", 0, "--sector", "off", "--spacing", 0.2, *options
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def source(tmp_path):
    return dicoms.save(dicoms.multiframe(FRAMES, **STUDY), tmp_path / "source.dcm")


def test_the_objects_lie_in_the_study_of_the_source(tmp_path, tiny, source):
    masks, report, lines = tmp_path / "seg.dcm", tmp_path / "sr.dcm", tmp_path / "a.jsonl"
    outputs = "--dicom-seg", masks, "--dicom-seg-type", "fractional", "--dicom-sr", report, "--json", lines
    done = run(source, tiny, *outputs, "--measure", "area", "--dicom-sr-frames", "all", "--patient", "source")
    assert done.exit_code == 0, done.output
    found, read, origin = pydicom.dcmread(masks), highdicom.sr.srread(report), pydicom.dcmread(source)
    for one in (found, read):
        assert (one.PatientID, str(one.PatientName), one.StudyInstanceUID) == ("4711", dicoms.NAME, "1.2.3.4")
        assert one.StudyDate == "20240131"
    item = found.PerFrameFunctionalGroupsSequence[-1].DerivationImageSequence[0].SourceImageSequence[0]
    assert (item.ReferencedSOPInstanceUID, item.ReferencedFrameNumber) == (origin.SOPInstanceUID, 4)
    assert found.SegmentationType == "FRACTIONAL"
    assert found.pixel_array.any()
    measured = [json.loads(line).get("measures", {}).get("area") for line in lines.read_text().splitlines()]
    values = [one["value"] for one in measured if one and one["value"] is not None]
    groups = read.content.get_image_measurement_groups()
    assert [float(one.value) for group in groups for one in group.get_measurements()] == pytest.approx(values, abs=1e-6)


def test_without_patient_nothing_is_said_of_the_patient(tmp_path, tiny, source):
    masks = tmp_path / "seg.dcm"
    assert run(source, tiny, "--dicom-seg", masks, "--dicom-seg-type", "binary").exit_code == 0
    content = masks.read_bytes()
    assert dicoms.NAME.encode() not in content
    assert b"4711" not in content
    assert pydicom.dcmread(masks).StudyInstanceUID != "1.2.3.4"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dicom-send", "PACS@localhost:104"], "--dicom-send is for DICOM objects"),
        (["--patient", "source"], "--patient is for DICOM objects"),
        (["--dicom-sr", "sr.dcm", "--dicom-send", "PACS"], "names no archive"),
        (["--dicom-seg", "seg.dcm", "--dicom-seg-type", "bits"], "is not one of 'labelmap', 'binary', 'fractional'"),
    ],
)
def test_options_that_cannot_be(tmp_path, tiny, source, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    done = run(source, tiny, *options)
    assert done.exit_code != 0
    assert message in done.output + str(done.exception)


def test_the_patient_of_a_source_that_is_no_dicom(tmp_path, tiny):
    done = run("clip:carotid", tiny, "--dicom-seg", tmp_path / "seg.dcm", "--patient", "source")
    assert "is no DICOM file or folder" in done.output + str(done.exception)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)  # see test_archive_sender
def test_what_waits_for_an_archive_is_told(tmp_path, tiny, source, caplog):
    options = "--dicom-seg", tmp_path / "seg.dcm", "--dicom-send", "PACS@127.0.0.1:1", "--dicom-spool", tmp_path / "spool"
    done = run(source, tiny, *options)
    assert done.exit_code == 0, done.output
    assert "sent 0 DICOM objects to PACS@127.0.0.1:1" in done.output
    assert "1 DICOM objects wait for PACS@127.0.0.1:1" in caplog.text
    assert len(list((tmp_path / "spool").glob("*/*.dcm"))) == 1
