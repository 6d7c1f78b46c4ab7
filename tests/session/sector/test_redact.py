import logging
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import screens
from results import result, stream

from rtseg.errors import ImageError
from rtseg.frame import Frame
from rtseg.overlay import Overlay
from rtseg.session.sector import Guard, Redactor, SectorFinder
from rtseg.session.sector.shape import box_sector, unknown_sector, whole_sector
from rtseg.sinks.video.sink import VideoSink

SCREEN = (300, 400)
FAN = screens.fan(SCREEN, (150, 5), 0.5, 55, 280)
BRACHIAL = Path("/work/shared/data/clips/brachial_screen.mov")


def test_a_sector_of_another_frame_is_refused():
    with pytest.raises(ImageError, match=r"cannot cover \(40, 60\): give this frame's own sector"):
        Redactor().redact(Frame(np.zeros((40, 60), np.uint8), 0, 0), whole_sector((60, 40), 1.0))


def surroundings(mask, pixels=9):
    """Return the mask outside the sector and outside the encoder's ringing at its edge."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * pixels + 1,) * 2, np.uint8)) == 0


@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "rgb"])
def test_outside_the_sector_is_black_and_inside_is_untouched(colours):
    image = np.random.default_rng(1).integers(1, 256, (40, 60, *colours), np.uint8)
    frame, before = Frame(image, 3, 77), image.copy()
    sector = box_sector((5, 10, 20, 30), (40, 60))
    covered = Redactor().redact(frame, sector)
    mask = sector.mask()
    assert not covered.image[~mask].any()
    np.testing.assert_array_equal(covered.image[mask], image[mask])
    np.testing.assert_array_equal(image, before)
    assert (covered.index, covered.captured_ns) == (3, 77)


def test_the_cover_follows_the_sector_and_the_image():
    guard, grey = Redactor(), Frame(np.full((40, 60), 9, np.uint8), 0, 0)
    for box in ((0, 0, 5, 5), (10, 10, 20, 20)):
        assert np.count_nonzero(guard.redact(grey, box_sector(box, (40, 60))).image) == box[2] * box[3]
    colour = Frame(np.full((40, 60, 3), 9, np.uint8), 1, 0)
    assert np.count_nonzero(guard.redact(colour, box_sector((10, 10, 20, 20), (40, 60))).image) == 3 * 400


def test_nothing_goes_out_while_the_sector_is_unknown(caplog):
    guard = Redactor()
    frame = Frame(np.full((40, 60), 200, np.uint8), 0, 0)
    assert not guard.redact(frame, unknown_sector((40, 60))).image.any()
    assert (guard.exposed, caplog.text) == (0, "")


def test_a_frame_that_is_surely_all_ultrasound_goes_out_as_it_is(caplog):
    guard, frame = Redactor(), Frame(np.full((40, 60), 200, np.uint8), 0, 0)
    assert guard.redact(frame, whole_sector((40, 60), 1.0)) is frame
    assert (guard.exposed, caplog.text) == (0, "")


def test_a_whole_frame_that_the_user_stated_is_not_exposed(caplog):
    guard, frame = Redactor(), Frame(np.full((40, 60), 200, np.uint8), 0, 0)
    assert guard.redact(frame, whole_sector((40, 60), is_stated=True)) is frame
    assert (guard.exposed, caplog.text) == (0, "")


def test_a_guard_that_hides_nothing_says_so_once(caplog):
    guard, frame = Redactor(), Frame(np.full((40, 60), 200, np.uint8), 5, 0)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert guard.redact(frame, whole_sector((40, 60))) is frame
    assert guard.exposed == 3
    (record,) = caplog.records
    assert "at frame 5, so that nothing is hidden" in record.getMessage()
    assert record.getMessage().endswith("name the sector with --sector TOP,LEFT,HEIGHT,WIDTH, or say --keep-surroundings")


def recorded(path, frames, guard):
    """Write frames through a finder and a redactor; return the frames of the clip and their sectors."""
    finder, sink = SectorFinder(), VideoSink(path, Overlay(legend=False, latency=False, notice=False))
    sink.open(stream(*frames[0].image.shape[:2]))
    sectors = []
    for frame in frames:
        sectors.append(finder.observe(frame)[0])
        shown = guard.redact(frame, sectors[-1]) if guard else frame
        sink.write(result(shown.image, np.zeros(shown.image.shape[:2], np.uint8), frame.index))
    sink.close()
    with av.open(str(path)) as clip:
        return [picture.to_ndarray(format="gray") for picture in clip.decode(video=0)], sectors


def test_no_letter_is_in_the_written_clip(tmp_path):
    frames = screens.frames(FAN, 14)
    bare, _ = recorded(tmp_path / "bare.mp4", frames, None)
    guarded, sectors = recorded(tmp_path / "guarded.mp4", frames, Redactor())
    assert len(guarded) == len(frames)
    for picture, sector in zip(guarded, sectors, strict=True):
        assert picture[surroundings(sector.mask())].max() < 6
    assert max(picture[:25].max() for picture in guarded) < 6
    assert min(picture[:25].max() for picture in bare) > 150
    assert guarded[-1][FAN].mean() > 50


@pytest.mark.skipif(not BRACHIAL.exists(), reason="the shared clips are not on this machine")
def test_name_and_date_of_a_real_screen_are_not_in_the_written_clip(tmp_path):
    with av.open(str(BRACHIAL)) as clip:
        pictures = [picture.to_ndarray(format="rgb24") for picture, _ in zip(clip.decode(video=0), range(16), strict=False)]
    frames = [Frame(picture, i, 0) for i, picture in enumerate(pictures)]
    bare, _ = recorded(tmp_path / "bare.mp4", frames, None)
    guarded, sectors = recorded(tmp_path / "guarded.mp4", frames, Redactor())
    assert min(picture[:34].max() for picture in bare) > 150  # the bar with name and date
    assert max(picture[:34].max() for picture in guarded) < 6
    assert max(picture[:, 530:].max() for picture in guarded[8:]) < 6  # the settings, which only motion separates from tissue
    assert sectors[-1].kind.value == "linear"
    assert guarded[-1][60:380, 40:490].mean() > 30


def test_the_earlier_names_stay_valid():
    from rtseg.replay import CoveredSession, RedactedSession

    frame = Frame(np.full((40, 60), 9, np.uint8), 0, 0)
    assert (Guard, CoveredSession) == (Redactor, RedactedSession)
    assert not Guard().cover(frame, unknown_sector((40, 60))).image.any()
