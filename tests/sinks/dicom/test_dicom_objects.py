"""Test the DICOM objects of a stream: pixels, references, codes, calibration, UIDs under replay, and bad input."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
import results

from rtseg.errors import ConfigError, SinkError
from rtseg.result import Redaction
from rtseg.sinks.dicom import DicomFiles, DicomSink
from rtseg.sinks.dicom.patient import read_patient
from rtseg.sources import open_source

FRAMES = 5
REDACTED = Redaction("auto", "known", 0, 0)


def picture(index, *, is_color=False):
    rng = np.random.default_rng(index)
    return rng.integers(0, 256, (48, 64, 3) if is_color else (48, 64), np.uint8)


def shown(index, image=None, classes=("lumen",), redaction=REDACTED, labels=None):
    image = picture(index) if image is None else image
    labels = np.roll(results.square((48, 64)), index, 1) if labels is None else labels
    one = results.result(image, labels, index, captured_ns=index * 50_000_000, classes=classes, spacing_mm=(0.2, 0.3))
    return replace(one, redaction=redaction)


def written(folder, *frames, **options):
    paths = folder / "us.dcm", folder / "seg.dcm"
    sink = DicomSink(DicomFiles(*paths), model="carotid", model_digest="ab" * 32, codes=("SCT:32062004",), **options)
    sink.open(results.stream())
    for one in frames:
        sink.write(one)
    sink.close()
    sink.close()
    return [pydicom.dcmread(path) for path in paths]


def test_pixels_references_and_calibration(tmp_path):
    recording, masks = written(tmp_path, *map(shown, range(FRAMES)))
    np.testing.assert_array_equal(recording.pixel_array, [picture(i) for i in range(FRAMES)])
    np.testing.assert_array_equal(masks.pixel_array, [shown(i).segmentation.labels for i in range(FRAMES)])
    assert list(recording.FrameTimeVector) == [0, 50, 50, 50, 50]
    region = recording.SequenceOfUltrasoundRegions[0]
    assert (region.PhysicalDeltaX, region.PhysicalDeltaY) == pytest.approx((0.03, 0.02))
    assert (recording.BurnedInAnnotation, masks.SegmentationType, masks.Modality) == ("NO", "LABELMAP", "SEG")
    assert masks.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == recording.SOPInstanceUID
    for number, groups in enumerate(masks.PerFrameFunctionalGroupsSequence, start=1):
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        assert (source.ReferencedSOPInstanceUID, source.ReferencedFrameNumber) == (recording.SOPInstanceUID, number)
    segment = masks.SegmentSequence[0]
    assert (segment.SegmentNumber, segment.SegmentLabel) == (1, "lumen")
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "32062004"
    assert (recording.PatientName, recording.PatientID) == ("", "")
    assert recording.StudyInstanceUID == masks.StudyInstanceUID
    assert recording.SeriesInstanceUID != masks.SeriesInstanceUID


def test_the_same_stream_gives_the_same_uids_and_another_one_others(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
    first = written(tmp_path / "a", *map(shown, range(FRAMES)))
    again = written(tmp_path / "b", *map(shown, range(FRAMES)))
    other = written(tmp_path / "c", *map(shown, range(1, FRAMES)))
    for mine, same, different in zip(first, again, other, strict=True):
        assert mine.SOPInstanceUID == same.SOPInstanceUID != different.SOPInstanceUID


def test_color_exposed_surroundings_and_frames_of_another_size(tmp_path, caplog):
    frames = [shown(i, picture(i, is_color=i == 0), redaction=Redaction("off", "unknown", 0, 1)) for i in range(3)]
    recording, masks = written(tmp_path, *frames, shown(3, np.zeros((20, 30), np.uint8)))
    assert (recording.PhotometricInterpretation, recording.NumberOfFrames, masks.NumberOfFrames) == ("RGB", 3, 3)
    np.testing.assert_array_equal(recording.pixel_array[0], picture(0, is_color=True))
    np.testing.assert_array_equal(recording.pixel_array[2], np.repeat(picture(2)[..., None], 3, 2))
    assert recording.BurnedInAnnotation == "YES"
    assert "1 frames of another size" in caplog.text


def test_a_stated_sector_says_nothing_of_text_and_nobody_states_a_date(tmp_path):
    recording, masks = written(tmp_path, shown(0, redaction=Redaction("auto", "stated", 0, 0)))
    assert "BurnedInAnnotation" not in recording
    assert (recording.StudyDate, masks.StudyTime) == ("", "")
    assert len(masks.ContentDate) == 8


def test_objects_that_come_and_go_keep_their_numbers(tmp_path):
    both = np.zeros((48, 64), np.uint8)
    both[:10], both[20:30] = 1, 2
    first, second = shown(0, classes=(), labels=0 * both), shown(1, classes=("cyst", "nerve"), labels=both)
    _, masks = written(tmp_path, first, second, shown(2, classes=("nerve",), labels=both // 2))
    assert [segment.SegmentLabel for segment in masks.SegmentSequence] == ["cyst", "nerve"]
    assert [sorted(set(plane.ravel())) for plane in masks.pixel_array] == [[0], [0, 1, 2], [0, 2]]
    np.testing.assert_array_equal(masks.pixel_array[2] == 2, both == 2)


def test_only_the_masks_and_a_stream_without_frames(tmp_path):
    sink = DicomSink(DicomFiles(None, tmp_path / "seg.dcm"))
    sink.open(results.stream())
    sink.write(shown(0))
    sink.close()
    assert pydicom.dcmread(tmp_path / "seg.dcm").NumberOfFrames == 1
    assert [path.name for path in tmp_path.iterdir()] == ["seg.dcm"]
    sink.open(results.stream())
    sink.close()
    with pytest.raises(SinkError, match="not open"):
        sink.write(shown(0))
    with pytest.raises(SinkError, match="make it first"):
        DicomSink(DicomFiles(tmp_path / "none" / "us.dcm")).open(results.stream())


def test_what_the_user_says_of_the_patient(tmp_path):
    file = tmp_path / "patient.toml"
    file.write_text('PatientID = "17"\nPatientName = "Doe^Jane"\nPatientBirthDate = "19700131"\n')
    recording, masks = written(tmp_path, shown(0), patient=read_patient(file))
    assert (recording.PatientID, masks.PatientName, masks.PatientBirthDate) == ("17", "Doe^Jane", "19700131")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Weight = 3", "'Weight' is no attribute that is taken"),
        ("PatientID = 3", "PatientID is no text of one line"),
        ('PatientSex = "X"', "give M, F or O"),
        ('PatientBirthDate = "1.2.70"', "give year, month and day"),
        ('StudyInstanceUID = "abc"', "give numbers with dots"),
        ("PatientID =", "is not TOML"),
    ],
)
def test_a_patient_file_that_cannot_be(tmp_path, text, message):
    (tmp_path / "patient.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_patient(tmp_path / "patient.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_patient(tmp_path / "none.toml")


@pytest.mark.parametrize(("jitter_ns", "keyword"), [(1000, "FrameTime"), (9_000_000, "FrameTimeVector")])
def test_the_times_of_a_long_recording_are_read_back(tmp_path, jitter_ns, keyword):
    sink, count, tiny = DicomSink(DicomFiles(tmp_path / "us.dcm")), 9500, np.zeros((2, 2), np.uint8)
    sink.open(results.stream())
    for i in range(count):
        sink.write(results.result(tiny, tiny, i, captured_ns=i * 33_366_700 + i % 2 * jitter_ns))
    sink.close()
    assert keyword in pydicom.dcmread(tmp_path / "us.dcm")
    source = open_source(f"dicom:{tmp_path / 'us.dcm'}")
    source.close()
    assert source.info.frames == count
    assert source.info.fps == pytest.approx(1e9 / 33_366_700, rel=1e-4)
