"""Test who is admitted: live streams up to the capacity, then degraded, then refused by name; recordings always."""

from math import inf

import pytest

from rtseg.engines.engine_pool import closing_pool
from rtseg.engines.load import load_engine
from rtseg.errors import StreamRefused
from rtseg.frame import StreamInfo
from rtseg.streams.admission import MAX_STREAMS, STREAM_BYTES, Admission, Capacity, refuse_surplus
from rtseg.streams.capacity import measure_frame_rate

LIVE, FILE = StreamInfo(64, 96, 30.0, live=True), StreamInfo(64, 96, 30.0)


def test_a_stream_too_many_is_degraded_and_then_refused():
    admission = Admission(Capacity(100.0))  # of which 90 are used
    assert [admission.admit(name, LIVE).every for name in ("a", "b")] == [1, 1]
    assert admission.admit("c", StreamInfo(64, 96, 40.0, live=True)).every == 2
    assert admission.admit("recording", FILE).every == 1
    with pytest.raises(StreamRefused, match=r"its 60 frames .* do not fit.* segments 90 in a second, of which 10 are left"):
        admission.admit("d", StreamInfo(64, 96, 60.0, live=True))
    admission.release("a")
    assert admission.admit("d", StreamInfo(64, 96, 60.0, live=True)).every == 2


def test_a_stream_that_the_user_has_thinned_needs_less():
    admission = Admission(Capacity(20.0))
    assert admission.admit("a", LIVE, every=2).every == 2
    with pytest.raises(StreamRefused):
        admission.admit("b", LIVE)


def test_the_last_of_a_hundred_are_refused_by_name():
    names = [f"probe-{number}" for number in range(100)]
    refused = refuse_surplus(names, Capacity(inf))
    assert list(refused) == names[MAX_STREAMS:]
    few = refuse_surplus(names, Capacity(inf, 3 * STREAM_BYTES))
    assert list(few) == names[3:]
    assert "free memory is enough for 3 streams" in str(few["probe-3"])


def test_the_frame_rate_of_a_machine_is_measured(tiny):
    with closing_pool(lambda: load_engine(tiny)) as pool:
        assert measure_frame_rate([pool.take(), pool.take()], 0.1) > 0
