"""Attacks by coded DICOM frames: native decoders crash, hang or fill memory in their child process, and never in this one."""

import signal
import struct
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import psutil
import pytest
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import JPEGBaseline8Bit
from sources.damage import drain, opened
from sources.dicoms import multiframe, save
from sources.files.test_dicom import SAMPLES

from rtseg.errors import SourceError
from rtseg.sources import open_source
from rtseg.sources.files import dicom_decoder
from rtseg.sources.files.coded_size import coded_size
from rtseg.sources.files.dicom import open_dicom

pytestmark = pytest.mark.attack

SMOOTH = np.stack([np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8) * 2 + i for i in range(3)])
SOF = b"\xff\xc0\x00\x0b"  # of one component
PLAY = """
import sys
from rtseg.errors import RtsegError
from rtseg.sources import open_source
count = 0
try:
    for frame in open_source(sys.argv[1]):
        count += 1
except RtsegError as error:
    print(error)
print(count)
"""


def jpeg(frame):
    return cv2.imencode(".jpg", frame)[1].tobytes()


def precision_255(coded):
    """GDCM takes it for a picture of more than 8 bits, and writes where nothing is."""
    at = coded.index(SOF) + 4
    return coded[:at] + b"\xff" + coded[at + 1 :]


def tables_lost(coded):
    """The marker of the tables becomes none: GDCM throws what nobody catches."""
    at = coded.index(b"\xff\xdb")
    return coded[:at] + b"\x00" + coded[at + 1 :]


def resized(coded, height, width):
    at = coded.index(SOF) + 5
    return coded[:at] + struct.pack(">HH", height, width) + coded[at + 4 :]


def write(path, coded, frames=SMOOTH, syntax=JPEGBaseline8Bit):
    return save(multiframe(frames, syntax=syntax, coded=coded), path)


def children():
    """The decoders of this process; what ended meanwhile has no command line."""
    return [one for one in psutil.Process().children(recursive=True) if "dicom_codec" in " ".join(one.cmdline())]


@pytest.mark.parametrize("damage", [precision_255, tables_lost])
def test_a_frame_that_crashes_its_decoder_is_a_damaged_frame(tmp_path, damage):
    path = write(tmp_path / "a.dcm", [jpeg(SMOOTH[0]), damage(jpeg(SMOOTH[1])), jpeg(SMOOTH[2])])
    done = subprocess.run([sys.executable, "-c", PLAY, path], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    words, count = done.stdout.splitlines()
    assert count == "1"
    assert "cannot be decoded (the frame ends its decoder" in words
    assert words.endswith("1 of its 3 frames could be read")


@pytest.mark.parametrize("size", [(4000, 4000), (64, 48), (16, 16), (0, 0)], ids=str)
def test_a_frame_of_another_size_than_the_file_declares_is_refused_undecoded(tmp_path, monkeypatch, size):
    monkeypatch.setattr(dicom_decoder, "_start", lambda: pytest.fail("it was decoded"))
    path = write(tmp_path / "a.dcm", [resized(jpeg(frame), *size) for frame in SMOOTH])
    with pytest.raises(SourceError, match=f"has {size[1]}x{size[0]} pixels, and the file declares 64x48"):
        list(open_source(path))


def test_a_frame_without_a_size_is_refused_undecoded(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_decoder, "_start", lambda: pytest.fail("it was decoded"))
    with pytest.raises(SourceError, match="declares no size"):
        list(open_source(write(tmp_path / "a.dcm", [b"no picture"] * 3)))


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_jp2klossless.dcm",
        "examples_jpeg2k.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
    ],
)
def test_the_size_of_a_frame_in_every_coding(name):
    if not (SAMPLES / name).is_file():
        pytest.skip(f"this pydicom has no {name}")
    whole = dcmread(SAMPLES / name)
    coded = next(generate_frames(whole.PixelData, number_of_frames=1))
    assert coded_size(coded) == (whole.Rows, whole.Columns)
    assert coded_size(coded[:10]) is None


def test_a_decoder_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_decoder, "_BASE_S", 1)
    monkeypatch.setattr(dicom_decoder, "_CODEC", str(hanging_codec(tmp_path)))
    started = time.monotonic()
    with pytest.raises(SourceError, match="the frame takes more than 1 s: it is damaged"):
        list(open_source(write(tmp_path / "a.dcm", [jpeg(frame) for frame in SMOOTH])))
    assert time.monotonic() - started < 15
    assert children() == []


def hanging_codec(folder):
    (folder / "codec.py").write_text("import time\ntime.sleep(600)\n")
    return folder / "codec.py"


def test_a_decoder_has_a_limit_of_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_decoder, "_BASE_BYTES", 0)
    monkeypatch.setattr(dicom_decoder, "_BYTES_PER_SAMPLE", 1)
    large = np.zeros((1, 3000, 4000), np.uint8)
    with pytest.raises(SourceError, match=r"cannot be decoded .*0 of its 1 frames could be read"):
        list(open_source(write(tmp_path / "a.dcm", [jpeg(large[0])], large)))


@pytest.mark.parametrize("answer", ["", "{", '{"pixels": 99999999999}', '{"pixels": -1}', '{"pixels": 50}'], ids=repr)
def test_what_a_decoder_answers_is_not_trusted(tmp_path, monkeypatch, answer):
    (tmp_path / "codec.py").write_text(f"import os\nos.write(1, {answer.encode() + bytes([10])!r})\n")
    monkeypatch.setattr(dicom_decoder, "_CODEC", str(tmp_path / "codec.py"))
    with pytest.raises(SourceError, match="the frame ends its decoder"):
        list(open_source(write(tmp_path / "a.dcm", [jpeg(frame) for frame in SMOOTH])))


def test_one_decoder_serves_a_folder_and_leaves_nothing(tmp_path, open_files):
    for number in range(3):
        write(tmp_path / f"{number}.dcm", [jpeg(SMOOTH[number])], SMOOTH[number : number + 1])
    before, threads = open_files(), threading.active_count()
    source = open_source(f"dicom:{tmp_path}")
    frames = iter(source)
    next(frames)
    (decoder,) = children()
    next(frames)
    assert children() == [decoder]
    source.close()
    assert children() == []
    assert (open_files(), threading.active_count()) == (before, threads)


def test_a_decoder_ends_with_a_process_that_is_killed(tmp_path):
    path = write(tmp_path / "a.dcm", [jpeg(frame) for frame in SMOOTH])
    waits = (
        "import sys, time; from rtseg.sources import open_source; frames = iter(open_source(sys.argv[1])); "
        "next(frames); print(1, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", waits, path], stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline()
        (decoder,) = psutil.Process(parent.pid).children()
        parent.send_signal(signal.SIGKILL)
    decoder.wait(30)


def test_flipped_bytes_of_coded_frames_end_no_process(tmp_path):
    rng = np.random.default_rng(5)
    for number in range(12):
        coded = [bytearray(jpeg(frame)) for frame in SMOOTH]
        for at in rng.integers(2, 200, 6):
            coded[number % 3][at] = rng.integers(256)
        read, _ = drain(opened(open_dicom, write(tmp_path / "a.dcm", [bytes(one) for one in coded])))
        assert len(read) >= number % 3


def test_a_frame_with_a_hole_is_marked(tmp_path):
    coded = [bytearray(jpeg(frame)) for frame in SMOOTH]
    size = len(coded[1])
    coded[1][size * 7 // 10 : size * 8 // 10] = bytes(size * 8 // 10 - size * 7 // 10)
    read = list(open_source(write(tmp_path / "a.dcm", [bytes(one) for one in coded])))
    assert [bool(frame.damage) for frame in read] == [False, True, False]
    assert "its coded data are damaged" in read[1].damage
