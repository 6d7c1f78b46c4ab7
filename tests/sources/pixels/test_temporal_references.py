"""Tests that pictures missing in MPEG-2 are found by their numbers, and that nothing is missing in a whole stream."""

import io
import random

import av
import pytest
from sources.streams import SIZE, numbered

from rtseg.sources.pixels.temporal_references import TemporalReferences

COUNT = 60
CODINGS = {
    "B pictures": {"g": "15", "bf": "2"},
    "no B pictures": {"g": "300", "bf": "0"},
    "closed groups": {"g": "12", "bf": "2", "flags": "+cgop", "sc_threshold": "1000000000"},
    "as many B pictures as fit": {"g": "15", "bf": "3", "b_strategy": "1"},
    "interlaced": {"g": "12", "bf": "1", "flags": "+ildct+ilme"},
}


@pytest.fixture(params=CODINGS, scope="module")
def coded(request):
    data = io.BytesIO()
    with av.open(data, "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.options = *SIZE, "yuv420p", dict(CODINGS[request.param])
        for number in range(COUNT):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number))))
        container.mux(stream.encode(None))
    data.seek(0)
    with av.open(data) as container:
        return [(bytes(packet), packet.is_keyframe) for packet in container.demux(video=0) if packet.size]


def _missing(packets):
    references = TemporalReferences()
    return [references.missing_before(data) for data, _ in packets]


@pytest.mark.parametrize("first", [0, 4, 17])
def test_nothing_is_missing_in_a_whole_stream(coded, first):
    assert not any(_missing(coded[first:]))


def test_missing_pictures_are_found_with_the_next_one(coded):
    found = tried = 0
    for seed in range(30):
        source = random.Random(seed)
        first, count = source.randrange(5, COUNT - 8), source.choice((1, 1, 2, 4))
        if any(is_key for _, is_key in coded[first : first + count + 3]):
            continue  # of a group's end nothing tells how many pictures it had
        missing = _missing(coded[:first] + coded[first + count :])
        tried, found = tried + 1, found + any(missing[first : first + 2])
    assert found == tried > 5


def test_what_is_cut_off_says_nothing():
    references = TemporalReferences()
    assert [references.missing_before(data) for data in (b"", b"\0\0\1\0", b"\0\0\1\xb8\0\0\1\0\0")] == [0, 0, 0]
