"""Tests which source an address or path opens."""

import cv2
import numpy as np
import pytest

from rtseg.errors import ConfigError, SourceError, SourceNotFound
from rtseg.sources import open_source
from rtseg.sources.files import bundled_clips
from rtseg.sources.files.images import ImageFiles
from rtseg.sources.files.video import VideoFile
from rtseg.sources.synthetic import SyntheticProbe


def test_each_kind_of_source(tmp_path, write_video, grey_frames):
    assert isinstance(open_source(str(write_video("a.mp4", grey_frames))), VideoFile)
    assert isinstance(open_source("synthetic:"), SyntheticProbe)
    assert isinstance(open_source("SYNTHETIC:vessel?height=32&width=32"), SyntheticProbe)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8), np.uint8))
    assert isinstance(open_source(str(tmp_path)), ImageFiles)


@pytest.mark.parametrize("uri", ["foo:bar", "gopher://host/x", "x-ray:1"])
def test_an_unknown_kind_is_told_the_known_ones(uri):
    with pytest.raises(SourceError, match=r"is not a kind of source: give a video file, .*clip:NAME, synthetic:"):
        open_source(uri)


@pytest.mark.parametrize(
    "uri", ["", ".mp4", "C:\\scans\\a.mp4", "no/such/file.mp4", "a\0b.mp4", "x" * 5000, "x" * 5000 + ".png", "y" * 5000 + "*"]
)
def test_a_path_to_nothing_is_not_found(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((SourceNotFound, SourceError), match=r"does not exist|holds no image"):
        open_source(uri)


def test_a_long_script_is_no_path():
    cuts = ",".join(f"cut@{frame}" for frame in range(1000))
    assert len(open_source(f"synthetic:vessel?height=16&width=16&faults={cuts}").events) == 1000


def test_a_file_with_a_colon_in_its_name_is_a_file(write_video, grey_frames, tmp_path, monkeypatch):
    write_video("scan:2.mp4", grey_frames)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_source("scan:2.mp4"))) == 30


def test_a_bundled_clip_is_found_by_its_name(write_video, grey_frames, tmp_path, monkeypatch):
    write_video("carotid.mp4", grey_frames)
    monkeypatch.setattr(bundled_clips, "files", lambda package: tmp_path.parent / "none")
    with pytest.raises(SourceNotFound, match=r"the clips are none in this installation"):
        open_source("clip:carotid")
    (tmp_path / "clips").mkdir()
    (tmp_path / "carotid.mp4").rename(tmp_path / "clips" / "carotid.mp4")
    monkeypatch.setattr(bundled_clips, "files", lambda package: tmp_path)
    assert len(list(open_source("clip:carotid", fps=10))) == 30
    for name in ("liver", "../clips/carotid", ""):
        with pytest.raises(SourceNotFound, match=r"there is no bundled clip .*: the clips are clip:carotid"):
            open_source(f"clip:{name}")


def test_the_clips_that_are_bundled_play_clean():
    assert "carotid" in bundled_clips.bundled_clips()
    for name in bundled_clips.bundled_clips():
        source = open_source(f"clip:{name}")
        assert sum(1 for _ in source) == source.info.frames


@pytest.mark.parametrize("uri", ["synthetic:", "synthetic:vessel?height=32&width=40"])
def test_rate_and_spacing_override_what_the_source_knows(uri):
    source = open_source(uri, fps=12, spacing_mm=(0.3, 0.4))
    assert (source.info.fps, source.info.spacing_mm) == (12, (0.3, 0.4))
    with pytest.raises(ConfigError, match=r"--fps"):
        open_source(uri, fps=-1)
