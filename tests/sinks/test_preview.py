"""Test the preview sink."""

import numpy as np
import results

from rtseg.overlay import Overlay
from rtseg.sinks import DrawSink


def test_the_last_drawing_is_kept_and_the_one_before_is_not_touched_by_the_next():
    sink = DrawSink(Overlay(notice=False))
    sink.open(results.stream())
    drawings = []
    for index in range(3):
        sink.write(results.result(index=index))
        drawings.append((sink.last, sink.last.copy()))
        for kept, copy in drawings[-2:]:
            np.testing.assert_array_equal(kept, copy)
    assert drawings[0][0] is drawings[2][0]  # two buffers are used in turns
    sink.close()
    np.testing.assert_array_equal(sink.last, Overlay(notice=False).draw(results.result(index=2)))


def test_drawing_is_timed():
    sink, shown = DrawSink(), results.result()
    sink.write(shown)
    assert shown.trace.stages_ns["overlay"] > 0


def test_a_frame_of_another_size():
    sink = DrawSink()
    for side in (64, 80, 80, 100, 64):
        sink.write(results.result(np.zeros((side, side), np.uint8)))
        assert sink.last.shape == (side, side, 3)


def test_a_new_stream_begins_with_nothing():
    sink = DrawSink()
    sink.write(results.result())
    sink.open(results.stream())
    assert sink.last is None
