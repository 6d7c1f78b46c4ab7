"""Tests that no picture of an RTSP stream that depends on a lost RTP packet is shown as a good one, over TCP and UDP."""

import random
from contextlib import closing, suppress
from functools import lru_cache

import numpy as np
import pytest
from faults.lossy_rtsp import LossyRtsp, coded_film
from sources.streams import number_of

from rtseg.errors import SourceError
from rtseg.sources.live import network_stream
from rtseg.sources.live.ffmpeg_link import LinkSettings

COUNT = 60


@lru_cache(maxsize=4)
def _film(coding):
    return tuple(coded_film(COUNT, coding))


def _play(coding, transport, lost=frozenset()):
    server, frames = LossyRtsp(_film(coding), lost), []
    try:
        protocol, given = network_stream.PROTOCOLS["rtsp"], {"rtsp_transport": transport}
        with (
            suppress(SourceError),
            closing(network_stream._open_link(server.url, protocol, given, LinkSettings("stream"))) as link,
        ):
            frames.extend(link)
    finally:
        server.close()
    return frames


@lru_cache(maxsize=4)
def _shown(coding, transport):
    """Return the pictures of the stream without losses by their numbers."""
    frames = _play(coding, transport)
    assert [number_of(frame.image) for frame in frames] == list(range(COUNT))
    assert {frame.damage for frame in frames} == {""}
    return {number_of(frame.image): frame.image for frame in frames}


@pytest.mark.parametrize(("coding", "transport"), [("intra refresh", "tcp"), ("low delay, slices", "tcp")])
def test_no_wrong_picture_is_shown_after_lost_rtp_packets(coding, transport):
    shown, source = _shown(coding, transport), random.Random(7)
    server = LossyRtsp(_film(coding))
    server.close()
    counts = [len(packets) for packets in server.packets]
    for _ in range(5):
        count = source.choice((1, 1, 2, 5))
        first = source.randrange(sum(counts[:4]), sum(counts[:-2]) - count)
        frames = _play(coding, transport, frozenset(range(first, first + count)))
        good = [frame for frame in frames if not frame.damage]
        assert COUNT // 5 < len(good) < COUNT  # intra refresh takes up to two periods of 25 pictures
        for frame in good:
            np.testing.assert_array_equal(frame.image, shown[number_of(frame.image)])
        assert [number_of(frame.image) for frame in good] == [frame.index for frame in good]
