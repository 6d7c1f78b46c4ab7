"""Label maps are written atomically, with unchanged pixels."""

import io
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import results

from rtseg.errors import ConfigError, SinkError
from rtseg.output.private_file import lock_folder
from rtseg.sinks import MaskSink
from rtseg.sinks.mask_manifest import MaskRun
from rtseg.sinks.recording.unbuffered_file import UnbufferedFile


def _labels(seed):
    return np.random.default_rng(seed).integers(0, 255, (33, 47), np.uint8)


def _write(sink, *indices):
    sink.open(results.stream())
    for index in indices:
        _add(sink, index)
    sink.close()


def _add(sink, index):
    labels = _labels(index)
    sink.write(results.result(np.zeros_like(labels), labels, index, classes=("lumen", "wall"), confidence=(0.25, 0.5)))


def _manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def _indices(folder):
    return [frame["index"] for frame in _manifest(folder)["frames"]]


def _disk_full():
    raise OSError(28, "No space left on device")


def test_png_by_index(tmp_path):
    _write(MaskSink(tmp_path / "deep" / "masks"), 0, 7, 1234567)
    files = sorted((tmp_path / "deep" / "masks").iterdir())
    assert [file.name for file in files] == ["000000.png", "000007.png", "1234567.png", "manifest.json"]
    for index, file in zip((0, 7, 1234567), files[:-1], strict=True):
        np.testing.assert_array_equal(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), _labels(index))


def test_npz_with_confidence(tmp_path):
    _write(MaskSink(tmp_path, "npz"), 3)
    with np.load(tmp_path / "000003.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["labels"], _labels(3))
        np.testing.assert_array_equal(file["confidence"], np.float32([0.25, 0.5]))
        assert file["classes"].tolist() == ["lumen", "wall"]


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    sink = MaskSink(tmp_path)
    sink.open(results.stream())
    _add(sink, 0)
    with monkeypatch.context() as full:
        full.setattr("rtseg.sinks.masks._png", lambda segmentation: _disk_full())
        for index in (0, 1):
            with pytest.raises(SinkError, match=r"No space left on device.*free some space"):
                _add(sink, index)
    sink.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["000000.png", "manifest.json"]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "000000.png"), cv2.IMREAD_UNCHANGED), _labels(0))
    assert _indices(tmp_path) == [0]


def test_a_full_disk_leaves_masks_and_a_manifest_that_are_whole(tmp_path, monkeypatch):
    sink = MaskSink(tmp_path)
    sink.open(results.stream())
    for index in range(3):
        _add(sink, index)
    with monkeypatch.context() as full:
        full.setattr(UnbufferedFile, "write", _half_written)
        for _ in range(2):
            with pytest.raises(SinkError, match=r"No space left on device.*free some space"):
                _add(sink, 3)
    sink.close()
    assert [file.name for file in sorted(tmp_path.glob("*.png"))] == ["000000.png", "000001.png", "000002.png"]


class TestManifest:
    """Tests the manifest of a folder: what it names, and what it keeps apart."""

    RUN = MaskRun("rtsp://user:secret@probe/live", "tiny", "ab" * 32)

    def test_it_names_the_run_and_each_frame(self, tmp_path):
        sink = MaskSink(tmp_path, run=self.RUN)
        sink.open(results.stream())
        shown = results.result(index=4, captured_ns=5, classes=("lumen", "wall"), wall_ns=1_700_000_000_000_000_000)
        sink.write(replace(shown, frame=replace(shown.frame, presentation_ns=40_000_000)))
        assert _manifest(tmp_path)["complete"] is False
        sink.close()
        text = (tmp_path / "manifest.json").read_text()
        found = json.loads(text)
        assert "secret" not in text
        assert (found["model"], found["model_sha256"], found["format"], found["complete"]) == ("tiny", "ab" * 32, "png", True)
        assert found["source"].endswith("probe/live")
        assert found["classes"] == ["lumen", "wall"]
        (frame,) = found["frames"]
        assert frame == {
            "file": "000004.png",
            "index": 4,
            "captured_ns": 5,
            "captured_at": "2023-11-14T22:13:20.000000Z",
            "presentation_ns": 40_000_000,
        }

    def test_it_is_valid_after_each_frame(self, tmp_path):
        sink = MaskSink(tmp_path)
        sink.open(results.stream())
        for index in range(30):
            _add(sink, index)
            assert _indices(tmp_path) == [*range(index + 1)]
        sink.close()
        assert _manifest(tmp_path)["complete"] is True

    @pytest.mark.parametrize("first", ["png", "npz"])
    @pytest.mark.parametrize("second", ["png", "npz"])
    def test_masks_of_another_run_are_refused(self, tmp_path, first, second):
        _write(MaskSink(tmp_path, first), 0, 1, 2)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(SinkError, match=r"holds masks of an earlier run .*\(3\).*name another folder.*--overwrite"):
            MaskSink(tmp_path, second).open(results.stream())
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
        lock_folder(tmp_path).release()

    @pytest.mark.parametrize("first", ["png", "npz"])
    def test_overwrite_replaces_them_all(self, tmp_path, first):
        (tmp_path / "notes.txt").write_text("mine")
        _write(MaskSink(tmp_path, first), 0, 1, 2)
        sink = MaskSink(tmp_path, overwrite=True)
        sink.open(results.stream())
        sink.close()
        assert len(list(tmp_path.glob(f"*.{first}"))) == 3, "a run without a frame removed the masks"
        _write(sink, 7)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["000007.png", "manifest.json", "notes.txt"]
        assert _indices(tmp_path) == [7]

    @pytest.mark.parametrize("name", ["000009.png", "scan.PNG", "other.npz"])
    def test_pictures_that_are_not_ours_are_never_removed(self, tmp_path, name):
        _write(MaskSink(tmp_path), 0)
        (tmp_path / name).write_bytes(b"a picture")
        with pytest.raises(SinkError, match=f"no manifest of rtseg names, such as {name}.*remove them yourself"):
            MaskSink(tmp_path, overwrite=True).open(results.stream())
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["000000.png", "manifest.json", name])

    @pytest.mark.parametrize("text", ["", "{", "[1]", '{"frames": [{"file": "../a.png"}, {"file": 3}, 4]}', "[" * 100_000])
    def test_a_broken_or_hostile_manifest_removes_nothing(self, tmp_path, text):
        folder = tmp_path / "masks"
        folder.mkdir()
        for path in (tmp_path / "a.png", folder / "000000.png"):
            path.write_bytes(b"a picture")
        (folder / "manifest.json").write_text(text)
        with pytest.raises(SinkError, match="no manifest of rtseg names"):
            MaskSink(folder, overwrite=True).open(results.stream())
        assert (tmp_path / "a.png").exists()

    def test_two_formats_of_one_run_share_a_folder(self, tmp_path):
        both = [MaskSink(tmp_path), MaskSink(tmp_path, "npz")]
        for sink in both:
            sink.open(results.stream())
        for index in (0, 1):
            for sink in both:
                _add(sink, index)
        for sink in both:
            sink.close()
        assert len(list(tmp_path.glob("0*.*"))) == 4
        _write(MaskSink(tmp_path, overwrite=True), 5)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["000005.png", "manifest.json"]


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
