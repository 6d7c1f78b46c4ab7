"""Test what DICOM files state about their patient, and what names their frames."""

import numpy as np
import pytest
from sources import dicoms

from rtseg.errors import ConfigError, SourceError
from rtseg.sources import open_source
from rtseg.sources.files.dicom_patient import read_source_patient

FRAMES = np.zeros((3, 12, 20), np.uint8)
STUDY = {"StudyInstanceUID": "1.2.3.4", "StudyDate": "20240131", "AccessionNumber": "A\n7"}


def test_the_patient_and_the_study_of_a_file(tmp_path):
    path = dicoms.save(dicoms.multiframe(FRAMES, **STUDY), tmp_path / "one.dcm")
    expected = {"PatientName": dicoms.NAME, "PatientID": "4711", "StudyInstanceUID": "1.2.3.4", "StudyDate": "20240131"}
    assert read_source_patient(tmp_path / "one.dcm") == expected
    assert read_source_patient(tmp_path) == expected
    instances = [frame.origin.instance for frame in open_source(f"dicom:{path}")]
    assert [one.number for one in instances] == [1, 2, 3]
    assert {(one.study, one.series, one.frames, one.is_known) for one in instances} == {("1.2.3.4", "1.2.3", 3, True)}


def test_several_patients_and_none_are_refused(tmp_path):
    dicoms.save(dicoms.multiframe(FRAMES, **STUDY), tmp_path / "one.dcm")
    dicoms.save(dicoms.multiframe(FRAMES, **STUDY, PatientID="4712"), tmp_path / "two.dcm")
    with pytest.raises(ConfigError, match="several patients or studies"):
        read_source_patient(tmp_path)
    dicoms.save(dicoms.multiframe(FRAMES), tmp_path / "three.dcm")
    with pytest.raises(ConfigError, match="names no study"):
        read_source_patient(tmp_path / "three.dcm")
    with pytest.raises(SourceError):
        read_source_patient(tmp_path / "none.dcm")


@pytest.mark.parametrize("study", ["", "abc", "1.02.3", "1." + "2" * 70, "1..2"])
def test_uids_that_cannot_be_are_none(tmp_path, study):
    made = dicoms.multiframe(FRAMES)
    made.add_new(0x0020000D, "UT", study)  # which no library checks
    path = dicoms.save(made, tmp_path / "one.dcm")
    assert not any(frame.origin.instance.is_known for frame in open_source(f"dicom:{path}"))
