"""Tests that the shipped clip can be made again, is small, and has its description."""

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from rtseg.errors import DatasetError
from rtseg.train import demo_clip

SHIPPED = Path(__file__).parents[2] / "rtseg" / "sources" / "files" / "clips" / "carotid.mp4"


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream, [frame.to_ndarray(format="gray") for frame in container.decode(stream)]


def test_a_still_becomes_a_clip_that_moves_and_a_text_that_says_so(dataset_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(demo_clip, "SECONDS", 1)
    demo_clip.main(str(dataset_folder), "scan00_frame00001", str(tmp_path / "clip.mp4"))
    stream, frames = decoded(tmp_path / "clip.mp4")
    assert (len(frames), frames[0].shape, stream.codec_context.pix_fmt) == (demo_clip.FPS, (48, 40), "yuv420p")
    changes = [np.abs(np.subtract(one, other, dtype=np.float32)).mean() for one, other in pairwise(frames)]
    assert min(changes) > 0.1
    text = (tmp_path / "clip.txt").read_text()
    assert "scan00_frame00001.png" in text
    assert text.startswith("Simulated motion")


def test_a_case_that_is_not_there(dataset_folder, tmp_path):
    with pytest.raises(DatasetError, match="has no case 'nobody': name one by the stem"):
        demo_clip.main(str(dataset_folder), "nobody", str(tmp_path / "clip.mp4"))
    assert not list(tmp_path.glob("clip*"))


def test_what_is_shipped():
    stream, frames = decoded(SHIPPED)
    assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    assert len(frames) == demo_clip.FPS * demo_clip.SECONDS
    assert frames[0].shape == (748, 708)
    assert SHIPPED.stat().st_size < 3e6
    assert "Simulated motion" in SHIPPED.with_suffix(".txt").read_text()
