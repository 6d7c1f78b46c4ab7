"""Test the baseline pipelines: they process the same frames as ours, and targets are judged by the ratios of the rounds."""

import av
import numpy as np
import pytest
from peers import line, loops

from rtseg.engines.base import ModelSpec
from rtseg.engines.load import load_engine
from rtseg.sources import open_source

SPEC = ModelSpec("bright", (32, 48), ("lumen",), (100.0,), (50.0,))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for frame in open_source("synthetic:vessel?height=64&width=96&frames=6"):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, "gray")))
        container.mux(stream.encode(None))
    return str(path)


def bright(x):
    return (x[0, 0] > 0).view(np.uint8)


@pytest.mark.parametrize("drawing", ["draw_with_opencv", "draw_with_supervision"])
def test_the_loop_plays_the_clip_again_and_draws_the_mask(clip, drawing):
    if drawing == "draw_with_supervision":
        pytest.importorskip("supervision", reason="pip install supervision, to compare with it")
    pictures = list(loops.loop(clip, SPEC, bright, getattr(loops, drawing)())(15))
    assert len(pictures) == 15
    assert pictures[0].shape == (64, 96, 3)
    assert (pictures[0][..., 0] != pictures[0][..., 2]).any()  # a color on a gray image


def test_our_line_gives_as_many_frames_as_are_asked(clip, tiny):
    assert sum(1 for _ in line.ours(clip, str(tiny))(15)) == 15


def test_onnx_runtime_answers_as_our_engine(tmp_path):
    import networks

    path = networks.stateless(tmp_path / "unet16.onnx", networks.spec(states=(), image_input="input", logits_output="output"))
    engine = load_engine(path)
    x = np.random.default_rng(0).normal(size=(1, 1, 32, 48)).astype(np.float32)
    ours, _ = engine.infer(x, engine.initial_state())
    theirs = loops.onnx_runtime(tmp_path, engine.spec)(x)
    assert np.array_equal(theirs, ours[0, 0] > 0)  # the first of its two logits
    engine.close()


def test_a_goal_is_judged_on_the_median_of_the_rounds_ratios():
    found = line.compared({"rtseg, U-Net FP32": [20.0, 9.0, 14.0], line.PLAIN: [10.0, 9.0, 10.0]})
    assert found["the same U-Net in FP32"]["rounds"] == [2.0, 1.0, 1.4]
    assert found["the same U-Net in FP32"]["reached"]
    assert "as shipped" not in found  # was not measured
