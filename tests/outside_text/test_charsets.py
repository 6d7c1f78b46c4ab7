"""Test that headers and tables not in UTF-8 are read, or refused in one line that does not quote the file."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sources.dicoms import FRAMES, NAME, multiframe, save
from sources.files.test_volumes import write_nifti, write_nrrd

from rtseg.cli.options.dataset import _split_names
from rtseg.errors import ConfigError, DatasetError, ModelError, ReportError, RtsegError, SourceError
from rtseg.evaluation.dataset.folder import _rows as folder_rows
from rtseg.evaluation.dataset.hc18 import _rows as hc18_rows
from rtseg.igtl.text import Status, read_status, write_status
from rtseg.sources import open_source
from rtseg.train.config import read_config

pytestmark = pytest.mark.attack

PATIENT = "Müller".encode("latin-1")


def frames_of(path: Path) -> int:
    with closing(open_source(str(path))) as source:
        return len(list(source))


@pytest.mark.parametrize("charset", ["ISO_IR 192", "ISO_IR 100", "NO SUCH SET", "ISO 2022 IR 87"])
def test_dicom_text_of_a_wrong_character_set(tmp_path: Path, charset: str, capfd: pytest.CaptureFixture[str]):
    path = Path(save(multiframe(FRAMES, SpecificCharacterSet="ISO_IR 100"), tmp_path / "a.dcm"))
    content = path.read_bytes().replace(NAME.encode(), b"M\xfcLLER^J").replace(b"ISO_IR 100", charset.encode()[:10].ljust(10))
    assert b"M\xfcLLER" in content
    path.write_bytes(content)
    assert frames_of(path) == len(FRAMES)
    assert "LLER" not in "".join(capfd.readouterr())


def test_a_metaimage_header_in_latin_1(tmp_path: Path):
    path = tmp_path / "a.mha"
    header = b"ObjectType = Image\nNDims = 3\nComment = " + PATIENT + b"\nDimSize = 4 3 2\nElementType = MET_UCHAR\n"
    path.write_bytes(header + b"ElementDataFile = LOCAL\n" + bytes(24))
    assert frames_of(path) == 2


def test_an_nrrd_header_in_latin_1(tmp_path: Path):
    path = tmp_path / "a.nrrd"
    write_nrrd(path, FRAMES)
    lines = path.read_bytes().split(b"\n", 1)
    path.write_bytes(lines[0] + b"\n# " + PATIENT + b"\npatient:=" + PATIENT + b"\n" + lines[1])
    assert frames_of(path) == len(FRAMES)


def test_a_nifti_description_in_latin_1(tmp_path: Path):
    path = tmp_path / "a.nii"
    write_nifti(path, np.zeros((4, 3, 2), np.uint8))
    content = bytearray(path.read_bytes())
    content[148 : 148 + len(PATIENT)] = PATIENT  # descrip
    path.write_bytes(content)
    assert frames_of(path) == 2


def test_a_status_of_openigtlink_in_latin_1():
    content = write_status(Status(1, 0, "name", "Mxller")).replace(b"Mxller", PATIENT)
    assert read_status(memoryview(content)).text == "M\N{REPLACEMENT CHARACTER}ller"


@pytest.mark.parametrize("read", [folder_rows, hc18_rows, lambda path: _split_names(path, "training"), read_config])
def test_a_table_in_latin_1_is_refused_in_a_line_that_does_not_hold_it(tmp_path: Path, read):
    path = tmp_path / "table"
    path.write_bytes(b"filename,pixel size(mm)\n" + b"a,1\n" * 1000 + PATIENT + b"\n")
    with pytest.raises((ConfigError, DatasetError), match="can't decode byte 0xfc") as refused:
        read(path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300 + len(str(path))


def test_reports_in_latin_1_are_refused(tmp_path: Path):
    from rtseg.bench.frontier import _read
    from rtseg.bench.line.report import read_report

    path = tmp_path / "report.json"
    path.write_bytes(b'{"format": "' + PATIENT + b'"}')
    with pytest.raises(ReportError, match="is no report"):
        read_report(path)
    with pytest.raises(ConfigError, match="cannot be read as a report"):
        _read(path)


def test_a_plan_with_a_head_in_latin_1_is_refused_in_a_short_line(tmp_path: Path):
    from rtseg.engines.tensorrt.plan_cache import MAGIC, PlanFile

    path = tmp_path / "a.plan"
    path.write_bytes(MAGIC + b'{"tag": "' + PATIENT * 1000 + b'"}\n')
    with pytest.raises(ModelError) as refused:
        PlanFile.read(path)
    assert len(str(refused.value)) < 300 + len(str(path))


def test_a_recording_in_latin_1_is_refused(tmp_path: Path):
    (tmp_path / "frames.jsonl").write_bytes(b'{"recording": 1, "model": "' + PATIENT + b'"}\n')
    with pytest.raises(SourceError, match="header is not one of a recording"):
        open_source(f"replay:{tmp_path}")


def test_a_recordings_device_name_may_be_shown_and_sent():
    from rtseg.sources.files.recording import _origin

    values = {"timestamp_ns": None, "corrected_ns": None, "spacing_mm": None, "matrix": None}
    hostile = json.loads('"\\udcff\\u001b[31mprobe\\u202e"')
    origin = _origin(values | {"device": hostile, "transforms": {hostile: [[1.0]]}})
    assert origin is not None
    for name in (origin.device, *origin.transforms):
        name.encode()
        assert "\x1b" not in name
        assert "\u202e" not in name


def test_an_error_is_one_line_that_can_be_encoded():
    text = str(RtsegError("a\udcff\nb\x1b[31m\u202e\x9b"))
    text.encode()
    assert text == "a� b�[31m��"
