"""Tests that `rtseg run` measures each frame with its own spacing, and gives it its own time."""

import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from rtseg.cli.app import app


def lines_of(source: object, tiny: Path, folder: Path, *options: object) -> list[dict]:
    path = folder / "lines.jsonl"
    arguments = "run", source, "--model", tiny, "--warmup", 0, "--sector", "off", "--json", path, *options
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in path.read_text().splitlines()]


DEEPER = "synthetic:vessel?height=64&width=80&frames=4&faults=depth@2:2"


@pytest.mark.parametrize("given", [None, 0.3])
def test_a_change_of_depth_changes_the_measures(tiny, tmp_path, given):
    header, *frames = lines_of(DEEPER, tiny, tmp_path, *(("--spacing", given) if given else ()))
    first = header["stream"]["spacing_mm"]
    assert given is None or first == [given, given]
    assert [frame["spacing_mm"] for frame in frames] == [
        pytest.approx([scale * mm for mm in first], abs=1e-5) for scale in (1, 1, 2, 2)
    ]


def test_a_size_change_under_a_given_spacing_withholds_what_is_not_known(tiny, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for number, height in enumerate((64, 64, 32, 64)):
        cv2.imwrite(str(images / f"{number}.png"), np.full((height, 96), 60 + 40 * number, np.uint8))
    _, *frames = lines_of(images, tiny, tmp_path, "--spacing", 0.5)
    assert [frame["spacing_mm"] for frame in frames] == [[0.5, 0.5], [0.5, 0.5], None, [0.5, 0.5]]
    assert [frame["classes"]["lumen"]["area_mm2"] is None for frame in frames] == [False, False, True, False]


def test_pixels_of_a_video_that_are_not_square_are_corrected(tiny, tmp_path):
    film, out = tmp_path / "film.mp4", tmp_path / "out.mp4"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for number in range(4):
            picture = av.VideoFrame.from_ndarray(np.full((64, 96), 60 + 40 * number, np.uint8), "gray")
            picture.pts = (0, 1, 10, 50)[number]
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    header, *frames = lines_of(film, tiny, tmp_path, "--spacing", 0.5, "--out", out)
    assert header["stream"]["spacing_mm"] == [0.5, 1.0]
    assert {tuple(frame["spacing_mm"]) for frame in frames} == {(0.5, 1.0)}
    assert [round(frame["presentation_ns"] / 1e6) for frame in frames] == [0, 40, 400, 2000]
    with av.open(str(out)) as clip:
        assert clip.streams.video[0].sample_aspect_ratio == 2
        assert [round(float(picture.time), 2) for picture in clip.decode(video=0)] == [0, 0.04, 0.4, 2]
