"""Test spoilt frames: they are detected, the mask is warped over them, and the memory excludes them."""

import networks
import numpy as np
import pytest
import spoilt

from rtseg.engines.load import load_engine
from rtseg.frame import Frame, Life
from rtseg.session.lifecycle import Lifecycle, LifecycleLimits
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.session.stabilizer import DEFAULT_TEMPORAL
from rtseg.sources.synthetic import open_synthetic
from rtseg.trace import LatencyTrace

MOST = LifecycleLimits().spoilt_frames
PROBE = open_synthetic("vessel?height=144&width=192&seed=1")
TISSUE = [PROBE.image(index) for index in range(24)]
OTHER = open_synthetic("vessel?height=144&width=192&seed=2").image(0)


def _stream(spoil, first=8, count=3):
    return [spoil(image) if first <= t < first + count else image for t, image in enumerate(TISSUE)]


def _observed(images, limits=None):
    lifecycle = Lifecycle(limits)
    return [lifecycle.observe(Frame(image, index, 0)) for index, image in enumerate(images)]


def _lives(images, limits=None):
    return [life for life, _ in _observed(images, limits)]


@pytest.mark.parametrize("cause", spoilt.WAYS)
def test_a_spoilt_frame_is_known_and_its_cause_told(cause):
    observed = _observed(_stream(spoilt.WAYS[cause]))
    assert [life for life, _ in observed] == [Life.NEW, *[Life.LIVE] * 7, *[Life.SPOILT] * 3, *[Life.LIVE] * 13]
    assert all(reason.startswith(cause) for life, reason in observed if life is Life.SPOILT)


def test_lost_contact_over_half_of_the_probe_is_no_cut():
    assert _lives(_stream(lambda image: spoilt.shadowed(image, 0.0, 0.4)))[8:12] == [*[Life.SPOILT] * 3, Life.LIVE]


@pytest.mark.parametrize(("cells", "life"), [(8, Life.LIVE), (40, Life.SPOILT)])
def test_an_artery_s_beat_is_no_shadow(cells, life):
    """Test a beat that darkens 8 to 12 of the 768 cells, as in a recording of a brachial artery."""

    def darkened(image):
        dark = image.copy()
        dark[96:120, 60 : 60 + 6 * cells // 4] //= 8
        return dark

    assert _lives(_stream(darkened))[8:11] == [life] * 3


@pytest.mark.parametrize("cause", spoilt.WAYS)
def test_what_lasts_is_how_it_looks_now(cause):
    lives = _lives(_stream(spoilt.WAYS[cause], count=16))
    assert lives[8:] == [*[Life.SPOILT] * MOST, *[Life.LIVE] * (16 - MOST)]


def test_a_stream_must_be_known_before_a_frame_of_it_is_spoilt():
    assert Life.SPOILT not in _lives(_stream(spoilt.dimmed, first=MOST - 1, count=1))
    assert Life.SPOILT in _lives(_stream(spoilt.dimmed, first=MOST, count=1))


def test_another_scene_is_cut_however_dark_or_blurred():
    for spoil in spoilt.WAYS.values():
        assert _lives([*TISSUE[:8], spoil(np.ascontiguousarray(TISSUE[8][::-1]))])[-1] is Life.CUT


def test_a_spoilt_frame_may_be_followed_by_a_cut():
    assert _lives([*TISSUE[:8], spoilt.noisy(TISSUE[8]), OTHER])[-2:] == [Life.SPOILT, Life.CUT]


def test_a_lost_signal_is_no_spoilt_frame():
    assert _lives([*TISSUE[:8], np.zeros_like(OTHER)])[-1] is Life.LOST


def test_a_gain_that_falls_to_the_floor_is_spoilt_and_not_lost():
    assert _lives([*TISSUE[:8], spoilt.dimmed(TISSUE[8], 0.12)])[-1] is Life.SPOILT


def test_a_grabber_s_repeats_of_a_spoilt_frame_are_held():
    repeated = [image for image in _stream(spoilt.noisy) for _ in range(2)]
    assert _lives(repeated)[16:24] == [*[Life.SPOILT, Life.HELD] * 3, Life.LIVE, Life.HELD]


def test_frames_that_lie_far_apart_are_not_compared_so():
    far = [open_synthetic("vessel?height=144&width=192&seed=1&drift_mm=9").image(40 * t) for t in range(12)]
    assert Life.SPOILT not in _lives([*far, spoilt.dimmed(far[-1])])


def test_none_is_spoilt_where_the_limit_is_none():
    assert Life.SPOILT not in _lives(_stream(spoilt.noisy), LifecycleLimits(spoilt_frames=0))


@pytest.fixture
def engine(tmp_path):
    made = load_engine(networks.recurrent(tmp_path / "tiny.onnx"))
    yield made
    made.close()


def _stepped(session, images, indices=None):
    traces = [LatencyTrace(0) for _ in images]
    frames = [Frame(image, index, 0) for image, index in zip(images, indices or range(len(images)), strict=True)]
    return [session.step(frame, trace) for frame, trace in zip(frames, traces, strict=True)], traces


@pytest.mark.parametrize("cause", spoilt.WAYS)
def test_afterwards_all_is_as_if_the_spoilt_frames_had_never_been(engine, cause):
    images = _stream(spoilt.WAYS[cause])
    found, traces = _stepped(Session(engine, locator=WholeFrame()), images)
    assert ["infer" in trace.stages_ns for trace in traces[7:12]] == [True, False, False, False, True]
    kept = [*range(8), *range(11, len(images))]
    without, _ = _stepped(Session(engine, locator=WholeFrame()), [images[t] for t in kept], kept)
    for t, expected in zip(kept, without, strict=True):
        np.testing.assert_array_equal(found[t].labels, expected.labels)
        assert found[t].confidence == expected.confidence


def test_the_mask_is_carried_and_says_so(engine):
    found, _ = _stepped(Session(engine, locator=WholeFrame()), _stream(spoilt.dimmed))
    before, now = found[7], found[9]
    assert now.life is Life.SPOILT
    assert now.reason.startswith("another gain, 0.4")
    assert now.reason.endswith("carried from the frame before")
    assert now.area_px("lumen") == pytest.approx(before.area_px("lumen"), rel=0.1)


def test_unsteadied_answers_are_shown_and_not_remembered(engine):
    session = Session(engine, temporal=None, locator=WholeFrame())
    images = _stream(spoilt.dimmed)
    found, traces = _stepped(session, images)
    assert all("infer" in trace.stages_ns for trace in traces)
    assert (session.counts.spoilt, session.counts.gated) == (3, 3)
    never, _ = _stepped(
        Session(engine, temporal=None, locator=WholeFrame()), images[:8] + images[11:], [*range(8), *range(11, 24)]
    )
    np.testing.assert_array_equal(found[11].labels, never[8].labels)


def test_the_settings_may_change_on_a_spoilt_frame(engine):
    session = Session(engine, locator=WholeFrame())
    images = _stream(spoilt.noisy)
    _stepped(session, images[:9])
    session.temporal = None
    session.step(Frame(images[9], 9, 0))
    session.temporal = DEFAULT_TEMPORAL
    trace = LatencyTrace(0)
    assert session.step(Frame(images[10], 10, 0), trace).life is Life.SPOILT
    assert "infer" in trace.stages_ns  # there is no mask to warp yet
