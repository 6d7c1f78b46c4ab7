"""Label maps are written atomically, with unchanged pixels."""

import io

import cv2
import numpy as np
import pytest
import results

from rtseg.errors import ConfigError, SinkError
from rtseg.sinks import MaskSink
from rtseg.sinks.recording.unbuffered_file import UnbufferedFile


def _labels(seed):
    return np.random.default_rng(seed).integers(0, 255, (33, 47), np.uint8)


def _write(sink, *indices):
    sink.open(results.stream())
    for index in indices:
        labels = _labels(index)
        sink.write(results.result(np.zeros_like(labels), labels, index, classes=("lumen", "wall"), confidence=(0.25, 0.5)))
    sink.close()


def test_png_by_index(tmp_path):
    _write(MaskSink(tmp_path / "deep" / "masks"), 0, 7, 1234567)
    files = sorted((tmp_path / "deep" / "masks").iterdir())
    assert [file.name for file in files] == ["000000.png", "000007.png", "1234567.png"]
    for index, file in zip((0, 7, 1234567), files, strict=True):
        np.testing.assert_array_equal(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), _labels(index))


def test_npz_with_confidence(tmp_path):
    _write(MaskSink(tmp_path, "npz"), 3)
    with np.load(tmp_path / "000003.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["labels"], _labels(3))
        np.testing.assert_array_equal(file["confidence"], np.float32([0.25, 0.5]))
        assert file["classes"].tolist() == ["lumen", "wall"]


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    sink = MaskSink(tmp_path)
    _write(sink, 0)
    monkeypatch.setattr(UnbufferedFile, "write", _half_written)
    for index in (0, 1):
        with pytest.raises(SinkError, match=r"No space left on device.*free some space"):
            _write(sink, index)
    assert [file.name for file in tmp_path.iterdir()] == ["000000.png"]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "000000.png"), cv2.IMREAD_UNCHANGED), _labels(0))


def test_what_a_killed_process_left_goes_with_the_next_run(tmp_path):
    (tmp_path / ".part.png").write_bytes(b"half")
    _write(MaskSink(tmp_path))
    assert not list(tmp_path.iterdir())


def test_not_a_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match=r"cannot be a folder of masks.*name one you may write to"):
        MaskSink(tmp_path / "file").open(results.stream())


def test_unknown_format(tmp_path):
    with pytest.raises(ConfigError, match="not written as 'bmp': choose one of png, npz"):
        MaskSink(tmp_path, "bmp")


def _half_written(file, data):
    io.FileIO.write(file, data[: len(data) // 2])
    raise OSError(28, "No space left on device")
