"""Test the chain of steps before the network: its parsing, its order, and the pictures that persistence blends."""

from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from rtseg import kernels
from rtseg.cli.app import app
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Life
from rtseg.session.enhancement import ContrastEqualization, Enhancement, LogCompression, Persistence, StreamFilter, parse_step
from rtseg.session.judgement import Judgement
from rtseg.session.sector import FixedSector, WholeFrame
from rtseg.session.session import Session
from rtseg.session.speckle import SpeckleFilter

SPECKLED = np.random.default_rng(0).integers(0, 256, (40, 56), dtype=np.uint8)
WHOLE = (0, 0, 40, 56), (40, 56)
HALF = Enhancement((Persistence(0.5),))


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("clahe", ContrastEqualization(2, 8)),
        ("clahe:clip=3,tiles=4", ContrastEqualization(3, 4)),
        ("clahe:tiles=4", ContrastEqualization(2, 4)),
        ("clahe:1.5", ContrastEqualization(1.5, 8)),
        ("persistence:0.25", Persistence(0.25)),
        ("log", LogCompression(60)),
        ("log:40", LogCompression(40)),
        ("lee:0.3", SpeckleFilter("lee", 0.3)),
    ],
)
def test_a_step_is_parsed(text: str, step: object):
    assert parse_step(text) == step


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sharpen", "no speckle filter or enhancement 'sharpen': give one of median, .*clahe, persistence, log"),
        ("clahe:0.5", "the clip of clahe is 0.5: give a value from 1 to 100"),
        ("clahe:nan", "the clip of clahe is nan"),
        ("clahe:tiles=65", "the tiles of clahe are 65.0: give a whole number from 1 to 64"),
        ("clahe:tiles=2.5", "whole number"),
        ("clahe:limit=2", "no option 'limit=2', or has it twice: give clahe:clip=2,tiles=8"),
        ("clahe:clip=2,clip=3", "twice"),
        ("clahe:", "'' is no number: give clahe:clip=2,tiles=8"),
        ("persistence:0", "the weight of persistence is 0.0: give a value from 0.05 to 1"),
        ("persistence:1.1", "from 0.05 to 1"),
        ("persistence:much", "'much' is no number: give persistence:weight=0.5"),
        ("log:0", "the dynamic range of log in dB is 0.0: give a value from 1 to 200"),
        ("log:inf", "from 1 to 200"),
    ],
)
def test_a_wrong_step_is_refused_with_the_choices_and_the_range(text: str, message: str):
    with pytest.raises(ConfigError, match=message):
        parse_step(text)


def test_an_enhancement_without_steps_is_refused():
    assert Enhancement.parse([]) is None
    with pytest.raises(ConfigError, match="no step"):
        Enhancement(())


def filtered(chosen: Any, *images: np.ndarray) -> np.ndarray:
    """Return the view of the last image."""
    stream = StreamFilter()
    for image in images:
        view = stream.select(chosen).view(image, (0, 0, *image.shape), image.shape)  # type: ignore[union-attr]
        stream.commit()
    return view


def test_steps_are_applied_in_the_order_given():
    there = filtered(Enhancement.parse(["median:3", "clahe:clip=3,tiles=4"]), SPECKLED)
    back = filtered(Enhancement.parse(["clahe:clip=3,tiles=4", "median:3"]), SPECKLED)
    np.testing.assert_array_equal(there, kernels.clahe(kernels.median(SPECKLED, 3), 3.0, 4))
    np.testing.assert_array_equal(back, kernels.median(kernels.clahe(SPECKLED, 3.0, 4), 3))
    assert (there != back).any()


def test_log_takes_gray_levels_for_amplitudes():
    levels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    expected = np.zeros(256)
    expected[1:] = 255 * (1 + 20 * np.log10(np.arange(1, 256) / 255) / 40)
    found = filtered(Enhancement((LogCompression(40),)), levels)
    np.testing.assert_allclose(found.ravel().astype(float), expected.clip(0, 255), atol=1)


def test_persistence_blends_each_frame_with_the_result_before_it():
    images = [np.random.default_rng(seed).integers(0, 256, (9, 13), np.uint8) for seed in range(4)]
    expected = images[0]
    for image in images[1:]:
        expected = kernels.persistence.reference(image, expected, 0.25)
    np.testing.assert_array_equal(filtered(Enhancement((Persistence(0.25),)), *images), expected)


def test_two_persistences_have_a_past_each():
    images = [np.random.default_rng(seed).integers(0, 256, (9, 13), np.uint8) for seed in range(3)]
    twice = filtered(Enhancement((Persistence(0.5), Persistence(0.25))), *images)
    first = second = images[0]
    for image in images[1:]:
        first = kernels.persistence.reference(image, first, 0.5)
        second = kernels.persistence.reference(first, second, 0.25)
    np.testing.assert_array_equal(twice, second)


@pytest.mark.parametrize(
    ("box", "size"), [((0, 0, 40, 50), (40, 50)), ((0, 0, 40, 56), (20, 28)), ((0, 4, 40, 52), (40, 56))], ids=str
)
def test_nothing_is_blended_across_another_box_or_size(box: tuple[int, int, int, int], size: tuple[int, int]):
    stream = StreamFilter()
    stream.select(HALF)
    stream.view(np.zeros_like(SPECKLED), *WHOLE)
    stream.commit()
    for _ in range(2):  # nor is the view of before found again
        np.testing.assert_array_equal(stream.view(SPECKLED, box, size), kernels.grey_view(SPECKLED, box, size_of(box, size)))
        box, size = WHOLE


def size_of(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int]:
    return min(size[0], box[2]), min(size[1], box[3])


def test_a_frame_that_is_not_committed_leaves_no_trace():
    stream = StreamFilter()
    stream.select(HALF)
    stream.view(SPECKLED, *WHOLE)
    stream.commit()
    stream.view(255 - SPECKLED, *WHOLE)
    np.testing.assert_array_equal(stream.view(SPECKLED, *WHOLE), SPECKLED)


class RecordingEngine:
    """Records the network's inputs."""

    def __init__(self, engine: OpenVinoEngine) -> None:
        self._engine, self.spec, self.inputs = engine, engine.spec, list[np.ndarray]()
        self.initial_state, self.upload, self.download = engine.initial_state, engine.upload, engine.download

    def infer(self, x: Any, state: Any) -> Any:
        self.inputs.append(np.array(x))
        return self._engine.infer(x, state)

    def close(self) -> None:
        self._engine.close()


@pytest.fixture
def recording(engine: OpenVinoEngine) -> RecordingEngine:
    return RecordingEngine(engine)


def picture(index: int, seed: int = 0, **changes: Any) -> Frame:
    """Return a frame of a scene that moves slowly; another seed is another scene."""
    scene = np.random.default_rng(seed).integers(40, 200, (8, 12), np.uint8).repeat(8, 0).repeat(8, 1)
    return Frame(**{"image": np.roll(scene, index % 5, 1), "index": index, "captured_ns": 0} | changes)


def session_of(engine: Any, speckle: Any = HALF) -> Session:
    return Session(engine, locator=WholeFrame(), temporal=None, speckle=speckle)


def inputs_of(engine: RecordingEngine, frames: list[Frame], speckle: Any = HALF) -> list[np.ndarray]:
    engine.inputs.clear()
    session = session_of(engine, speckle)
    for frame in frames:
        session.step(frame)
    return list(engine.inputs)


def test_a_session_blends_the_views_of_frames_that_follow_each_other(recording: RecordingEngine):
    blended = inputs_of(recording, [picture(0), picture(1)])
    plain = inputs_of(recording, [picture(0), picture(1)], None)
    assert np.abs(blended[0] - plain[0]).max() < 0.02  # the view's rounding to gray levels
    assert np.abs(blended[1] - plain[1]).mean() > 0.02


@pytest.mark.parametrize(
    ("frame", "life"), [(picture(2, seed=5), Life.CUT), (picture(500), Life.GAP)], ids=["another scene", "lost frames"]
)
def test_persistence_is_reset_with_the_memory(recording: RecordingEngine, frame: Frame, life: Life):
    session = session_of(recording)
    for earlier in (picture(0), picture(1)):
        session.step(earlier)
    assert session.step(frame).life is life
    np.testing.assert_array_equal(recording.inputs[-1], inputs_of(recording, [frame])[0])


@pytest.mark.parametrize("change", ["reset", "sector", "size", "no contact", "off and on", "another chain"])
def test_persistence_starts_afresh_with(recording: RecordingEngine, change: str):
    session, last = session_of(recording), picture(4)
    for earlier in (picture(0), picture(1)):
        session.step(earlier)
    if change == "reset":
        session.reset("asked")
    elif change == "sector":
        session.locator = FixedSector((0, 0, 64, 80))
    elif change == "size":
        last = picture(4, image=picture(4).image[:, :80].copy())
    elif change == "no contact":
        session._empty_segmentation(picture(2), Judgement(Life.LOST, "no contact"))
    elif change == "off and on":
        session.speckle = None
        session.step(picture(2))
        session.speckle = HALF
    else:
        session.speckle = Enhancement((Persistence(0.1),))
    session.step(last)
    found = recording.inputs[-1]
    fresh = session_of(recording, session.speckle)
    fresh.locator = session.locator
    fresh.step(last)
    np.testing.assert_array_equal(found, recording.inputs[-1])


def test_a_corrupted_frame_is_not_blended_into_the_next(recording: RecordingEngine):
    session = session_of(recording)
    for frame in (picture(0), picture(1)):
        session.step(frame)
    observe = session._lifecycle.observe
    session._lifecycle.observe = lambda *_: Judgement(Life.SPOILT, "planted")  # type: ignore[method-assign]
    session.step(picture(2, image=np.full((64, 96), 255, np.uint8)))
    session._lifecycle.observe = observe  # type: ignore[method-assign]
    session.step(picture(3))
    np.testing.assert_array_equal(recording.inputs[-1], inputs_of(recording, [picture(0), picture(1), picture(3)])[-1])


def rtseg(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_replay_repeats_the_masks_bit_for_bit(tiny: Any, tmp_path: Any):
    options = ("--model", tiny, "--speckle", "median:3", "--enhance", "persistence:0.3", "--enhance", "clahe:tiles=2")
    clip = "synthetic:vessel?height=64&width=96&frames=24"
    done = rtseg("run", clip, *options, "--record", tmp_path / "tape")
    assert done.exit_code == 0, done.output
    again = rtseg("run", f"replay:{tmp_path / 'tape'}", *options)
    assert "24 of 24 masks are those of the recording" in again.output, again.output


def test_run_refuses_a_wrong_step_in_one_line(tiny: Any):
    done = rtseg("run", "synthetic:vessel?frames=2", "--model", tiny, "--enhance", "persistence:2")
    assert (done.exit_code, "from 0.05 to 1" in done.stderr) == (1, True)
