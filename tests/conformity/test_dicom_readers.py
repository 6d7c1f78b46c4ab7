"""Checks that `dciodvfy`, highdicom and dcmjs accept the DICOM objects, in environments of their own (`make conformity`)."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import results
from dicom_streams import ODD, SHAPE, picture, planes_of, shown, two_classes

from rtseg.measured_value import MeasuredValue
from rtseg.sinks.dicom import DicomFiles, DicomSink, SegmentationType

WHOLE = bool(os.environ.get("RTSEG_CONFORMITY"))
FRAMES = 4
READ = """
import sys, highdicom, numpy, pydicom
masks, recording = highdicom.seg.segread(sys.argv[1]), pydicom.dcmread(sys.argv[2])
found = masks.get_pixels_by_source_frame(recording.SOPInstanceUID, [1, 2, 3, 4], rescale_fractional=False)
numpy.save(sys.argv[3], found)
groups = highdicom.sr.srread(sys.argv[4]).content.get_image_measurement_groups()
assert [float(one.value) for group in groups for one in group.get_measurements()] == [12.5]
"""
MEASURES = (
    MeasuredValue("area", "area", "mm2", ("lumen",), 12.5, 11.0, 13.25, "user"),
    MeasuredValue("hc", "head circumference", "mm", ("wall",), withheld="no wall is in the picture"),
)

pytestmark = pytest.mark.skipif(not WHOLE, reason="downloads dicom3tools, highdicom and dcmjs: `make conformity` runs it")


@pytest.fixture(scope="module")
def readers(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("readers")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    packages = ["dicom3tools>=20260101", "highdicom>=0.28", "pylibjpeg-rle"]
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages], check=True)
    return folder / "bin"


@pytest.fixture(scope="module")
def with_dcmjs(tmp_path_factory) -> Path:
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("there is no node")
    folder = tmp_path_factory.mktemp("dcmjs")
    (folder / "package.json").write_text("{}")
    subprocess.run(["npm", "install", "--silent", "--ignore-scripts", "dcmjs@0.52"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module", params=[(kind, shape) for kind in SegmentationType for shape in (SHAPE, ODD)], ids=str)
def objects(request, tmp_path_factory) -> DicomFiles:
    """Return the recording, in color where its size is odd, the masks of each type, and the report of a stream."""
    (kind, shape), folder = request.param, tmp_path_factory.mktemp("objects")
    files = DicomFiles(folder / "us.dcm", folder / "seg.dcm", folder / "sr.dcm")
    sink = DicomSink(files, kind=kind, model="x", model_digest="ab" * 32, codes=("SCT:32062004", ""))
    sink.open(results.stream())
    for i in range(FRAMES):
        image = picture(i, shape, is_color=shape == ODD)
        one = shown(i, two_classes(i, shape), image=image, planes=planes_of(i, box=(0, 0, *shape)), wall_ns=10**18)
        sink.write(replace(one, segmentation=replace(one.segmentation, measures=MEASURES)))
    sink.close()
    return files


def expected(files: DicomFiles) -> np.ndarray:
    """Return the masks by frame and class, (N, H, W, 2)."""
    masks = pydicom.dcmread(files.segmentation)
    found = np.zeros((FRAMES, masks.Rows, masks.Columns, 2), np.uint8)
    for groups, pixels in zip(masks.PerFrameFunctionalGroupsSequence, masks.pixel_array, strict=True):
        number = groups.FrameContentSequence[0].TemporalPositionIndex - 1
        if masks.SegmentationType == "LABELMAP":
            found[number] = np.stack([pixels == 1, pixels == 2], -1)
        else:
            found[number, ..., groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber - 1] = pixels
    return found


def test_the_objects_are_valid(readers, objects):
    for path in objects.paths:
        done = subprocess.run([readers / "dciodvfy", path], capture_output=True, text=True, check=False)
        assert "Error" not in done.stdout + done.stderr


def test_highdicom_reads_the_masks_and_the_values(readers, objects, tmp_path):
    found = tmp_path / "found.npy"
    script = [readers / "python", "-c", READ, objects.segmentation, objects.recording, found, objects.report]
    subprocess.run(script, check=True)
    np.testing.assert_array_equal(np.load(found), expected(objects))


def test_dcmjs_reads_the_masks_and_the_values(with_dcmjs, objects):
    script = Path(__file__).with_name("read_with_dcmjs.mjs")
    command = ["node", script, objects.segmentation, objects.report]
    done = subprocess.run(command, cwd=with_dcmjs, check=True, capture_output=True)
    masks, report = json.loads(done.stdout)
    written, recording = pydicom.dcmread(objects.segmentation), pydicom.dcmread(objects.recording)
    assert masks["type"] == written.SegmentationType
    np.testing.assert_array_equal(np.reshape(masks["pixels"], written.pixel_array.shape), written.pixel_array)
    numbers = [groups.FrameContentSequence[0].TemporalPositionIndex for groups in written.PerFrameFunctionalGroupsSequence]
    assert masks["sources"] == [[recording.SOPInstanceUID, number] for number in numbers]
    assert report["values"] == [[12.5, "mm2"], [0.75, "mm2"], [1.5, "mm2"]]
