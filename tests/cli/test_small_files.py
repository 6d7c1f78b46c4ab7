"""Tests of truncated files and of small files that decode to huge images: one line, exit code 1, and the outputs are kept."""

import json

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from rtseg.cli.app import _TAKES_MAX_PIXELS, app, load_command

pytestmark = pytest.mark.attack

OPENING = [["run"], ["build"], ["doctor"], ["eval"], ["train"], ["bench", "run"], ["bench", "loop"], ["bench", "temporal"]]


def rtseg(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("command", OPENING, ids=" ".join)
def test_every_command_that_opens_a_source_has_the_limit(command):
    found = load_command(command[0])
    for word in command[1:]:
        found = found.commands[word]
    assert [one.opts for one in found.params if one.name == "max_pixels"] == [["--max-pixels"]]
    assert command[-1] in _TAKES_MAX_PIXELS


def test_the_limit_is_set_by_the_option_and_holds_for_one_command(tiny):
    refused = rtseg("run", "clip:carotid", "--model", tiny, "--max-pixels", 1000)
    assert refused.exit_code == 1
    assert "708x748 pixels, and 1000 are the most" in " ".join(refused.output.split())
    assert rtseg("run", "synthetic:vessel?height=64&width=96&frames=3", "--model", tiny).exit_code == 0
    from rtseg.limits import DEFAULT_MAX_PIXELS, max_pixels

    assert max_pixels() == DEFAULT_MAX_PIXELS


def test_a_jpeg_of_16000_pixels_a_side_is_one_line(tiny, tmp_path):
    data = bytearray(cv2.imencode(".jpg", np.zeros((64, 64), np.uint8))[1].tobytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\x3e\x80\x3e\x80"
    (tmp_path / "a.jpg").write_bytes(data)
    done = rtseg("run", tmp_path / "a.jpg", "--model", tiny)
    assert done.exit_code == 1
    assert "has pictures of 16000x16000 pixels" in " ".join(done.output.split())


@pytest.mark.parametrize(("name", "codec"), [("a.gif", "gif"), ("a.webm", "libvpx")])
def test_a_cut_file_keeps_its_masks_and_video_and_is_an_error(tiny, tmp_path, name, codec):
    path, frames = tmp_path / name, np.random.default_rng(0).integers(0, 256, (20, 48, 64), np.uint8)
    with av.open(str(path), "w") as container:
        coder = container.add_stream(codec, rate=25)
        coder.width, coder.height, coder.pix_fmt = 64, 48, "gray" if codec == "gif" else "yuv420p"
        for image in frames:
            container.mux(coder.encode(av.VideoFrame.from_ndarray(image, "gray").reformat(format=coder.pix_fmt)))
        container.mux(coder.encode(None))
    assert rtseg("run", path, "--model", tiny).exit_code == 0
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    masks, out, rows = tmp_path / "masks", tmp_path / "out.mp4", tmp_path / "out.jsonl"
    done = rtseg("run", path, "--model", tiny, "--masks", masks, "--out", out, "--json", rows)
    assert done.exit_code == 1
    given = len(list(masks.glob("*.png")))
    assert 8 < given < 20
    assert f"is damaged or cut off: {given} frames could be read" in " ".join(done.output.split())
    assert sum("index" in json.loads(line) for line in rows.read_text().splitlines()) == given
    with av.open(str(out)) as video:
        assert sum(1 for _ in video.decode(video=0)) == given
