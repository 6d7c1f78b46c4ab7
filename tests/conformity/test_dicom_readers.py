"""Checks that `dciodvfy` and highdicom accept the DICOM objects, in an environment of their own (`make conformity`)."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import results

from rtseg.sinks.dicom import DicomFiles, DicomSink

WHOLE = bool(os.environ.get("RTSEG_CONFORMITY"))
READ = """
import sys, highdicom, numpy, pydicom
masks, recording = highdicom.seg.segread(sys.argv[1]), pydicom.dcmread(sys.argv[2])
found = masks.get_pixels_by_source_frame(recording.SOPInstanceUID, [1, 3], combine_segments=True)
numpy.save(sys.argv[3], found)
"""

pytestmark = pytest.mark.skipif(not WHOLE, reason="downloads dicom3tools and highdicom: `make conformity` runs it")


@pytest.fixture(scope="module")
def readers(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("readers")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    packages = ["dicom3tools>=20260101", "highdicom>=0.28", "pylibjpeg-rle"]
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages], check=True)
    return folder / "bin"


@pytest.mark.parametrize("is_color", [False, True])
def test_the_objects_are_valid_and_highdicom_reads_the_masks(readers, tmp_path, is_color):
    labels = [np.roll(results.square((48, 64)), i, 1) for i in range(4)]
    image = np.zeros((48, 64, 3) if is_color else (48, 64), np.uint8)
    files = DicomFiles(tmp_path / "us.dcm", tmp_path / "seg.dcm")
    sink = DicomSink(files, model="x", model_digest="ab" * 32, codes=("SCT:32062004",))
    sink.open(results.stream())
    for i, one in enumerate(labels):
        sink.write(results.result(image, one, i, captured_ns=i * 40_000_000, spacing_mm=(0.2, 0.2), wall_ns=10**18))
    sink.close()
    for name in ("us.dcm", "seg.dcm"):
        done = subprocess.run([readers / "dciodvfy", tmp_path / name], capture_output=True, text=True, check=False)
        assert "Error" not in done.stdout + done.stderr
    script = [readers / "python", "-c", READ, tmp_path / "seg.dcm", tmp_path / "us.dcm", tmp_path / "found.npy"]
    subprocess.run(script, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), [labels[0], labels[2]])
