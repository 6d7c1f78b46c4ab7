"""Tests that after a lost packet no damaged picture is shown as a good one, and that a clean stream loses none."""

import io
import logging
import random
from fractions import Fraction
from functools import lru_cache
from itertools import islice

import av
import numpy as np
import pytest
from sources.streams import CODINGS, SIZE, number_of, numbered, packets_of, pid_of, read_stream, transport_stream

from rtseg.connection import LinkState
from rtseg.sources.live.ffmpeg_link import LinkSettings, StreamLink
from rtseg.sources.live.reconnect import LinkLimits, ReconnectingSource
from rtseg.sources.pixels.h264_syntax import BitReader, H264Parser
from rtseg.sources.pixels.picture_index import PictureIndex

COUNT = 75
VIDEO = 0x100


@lru_cache(maxsize=16)
def _stream(coding):
    return tuple(packets_of(transport_stream(COUNT, coding)))


@lru_cache(maxsize=16)
def _clean(coding):
    return tuple(read_stream(b"".join(_stream(coding))))


def _without(packets, lost):
    return b"".join(packet for place, packet in enumerate(packets) if place not in lost)


def _video_places(packets):
    """Return the places of the packets with pictures, without those of the first ones and the last picture."""
    begins = [place for place, packet in enumerate(packets) if pid_of(packet) == VIDEO and packet[1] & 0x40]
    return [place for place in range(begins[4], begins[-1]) if pid_of(packets[place]) == VIDEO]


def _check(frames, clean, coding):
    """Check that each frame without damage is the one of the clean stream with its index."""
    good = [frame for frame in frames if not frame.damage]
    assert good
    for frame in good:
        assert number_of(frame.image) == frame.index, coding
        np.testing.assert_array_equal(frame.image, clean[frame.index].image)
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})


def _with_padding(packets):
    null = b"\x47\x1f\xff\x10" + b"\xff" * 184
    return [one for packet in packets for one in (packet, null)]


def _with_clock_packets(packets):
    """Insert packets of the pictures' stream that have an adaptation field alone, with its clock."""
    made = []
    for packet in packets:
        made.append(packet)
        if pid_of(packet) == VIDEO:
            head = bytes([0x47, packet[1] & 0x1F, packet[2], 0x20 | packet[3] & 15])
            made.append(head + bytes([183, 0x10, 0, 0, 0, 0, 0x7E, 0]) + b"\xff" * 176)
    return made


def _with_discontinuity(packets):
    """Let the counter jump in the middle, announced by a discontinuity indicator."""
    made, jump = [], 0
    for place, packet in enumerate(packets):
        if pid_of(packet) == VIDEO and place > len(packets) // 2 and not jump and packet[1] & 0x40:
            jump = 5
            counter = packet[3] + jump - 1 & 15
            made.append(bytes([0x47, packet[1] & 0x1F, packet[2], 0x20 | counter, 183, 0x80]) + b"\xff" * 182)
        if pid_of(packet) == VIDEO:
            made.append(packet[:3] + bytes([packet[3] & 0xF0 | packet[3] + jump & 15]) + packet[4:])
        else:
            made.append(packet)
    return made


CHANGES = {"as it is": list, "padding": _with_padding, "clock": _with_clock_packets, "discontinuity": _with_discontinuity}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("coding", CODINGS)
def test_nothing_of_a_clean_stream_is_left_out_or_marked(coding, change):
    frames = read_stream(b"".join(CHANGES[change](_stream(coding))))
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert [number_of(frame.image) for frame in frames] == list(range(COUNT))
    assert {frame.damage for frame in frames} == {""}


@pytest.mark.parametrize("coding", ["low delay", "B pictures, slices", "open GOP", "MPEG-2"])
def test_a_stream_that_is_joined_between_key_frames_is_clean_from_the_next_on(coding):
    packets = _stream(coding)
    tables = [packet for packet in packets[:6] if pid_of(packet) != VIDEO]
    frames = read_stream(b"".join([*tables, *packets[len(packets) // 6 :]]))
    assert {frame.damage for frame in frames} == {""}
    numbers = [number_of(frame.image) for frame in frames]
    assert numbers == list(range(numbers[0], COUNT))
    assert numbers[0] <= 30  # a key frame comes every 25 pictures at least


@pytest.mark.parametrize("coding", CODINGS)
def test_one_lost_packet_costs_pictures_up_to_the_next_key_frame(coding):
    packets, clean = _stream(coding), _clean(coding)
    for place in random.Random(1).sample(_video_places(packets), 8):
        frames = read_stream(_without(packets, {place}))
        _check(frames, clean, coding)
        damaged = [frame.index for frame in frames if frame.damage]
        left_out = sorted(set(range(COUNT)) - {frame.index for frame in frames})
        lost = sorted(damaged + left_out)
        assert lost
        assert lost[-1] - lost[0] <= 56
        for frame in frames:
            if frame.damage:
                earlier = [one for one in clean[: frame.index] if np.array_equal(one.image, frame.image)]
                assert earlier, "in place of a damaged picture the last good one is repeated"


@pytest.mark.parametrize("coding", CODINGS)
def test_many_lost_packets(coding):
    packets, clean, source = _stream(coding), _clean(coding), random.Random(2)
    places = _video_places(packets)
    for _ in range(8):
        lost = {source.choice(places) for _ in range(source.choice((2, 5)))}
        first = source.choice(places)
        lost |= set(range(first, min(places[-1], first + source.choice((1, 3, 9, 30)))))
        _check(read_stream(_without(packets, lost)), clean, coding)


@pytest.mark.parametrize(("coding", "lost", "key"), [("low delay", 30, 50), ("open GOP", 30, 50), ("MPEG-2", 20, 30)])
def test_the_first_key_frame_after_a_loss_is_good_again(coding, lost, key):
    packets = _stream(coding)
    begins = [place for place, packet in enumerate(packets) if pid_of(packet) == VIDEO and packet[1] & 0x40]
    frames = read_stream(_without(packets, {begins[lost] + 1}))
    damaged = [frame.index for frame in frames if frame.damage]
    assert damaged
    assert all(lost - 4 <= index < key for index in damaged)
    assert key in [frame.index for frame in frames if not frame.damage]


def test_intra_refresh_is_good_again_after_its_recovery_point():
    packets, clean = _stream("intra refresh"), _clean("intra refresh")
    places = _video_places(packets)
    frames = read_stream(_without(packets, {places[len(places) // 4]}))
    _check(frames, clean, "intra refresh")
    assert frames[-1].damage == ""
    assert 5 < sum(bool(frame.damage) for frame in frames) < 50


def test_a_stream_without_key_frames_is_taken_up_again_after_two_seconds(monkeypatch):
    monkeypatch.setitem(CODINGS, "endless", ("h264", {**CODINGS["low delay"][1], "g": "100000"}))
    packets = packets_of(transport_stream(120, "endless"))
    places = _video_places(packets)
    frames = read_stream(_without(packets, {places[len(places) // 5]}))
    damaged = [frame.index for frame in frames if frame.damage]
    assert 48 <= len(damaged) <= 53
    assert frames[-1].damage == ""


def test_a_long_distance_between_key_frames_is_waited_for(monkeypatch):
    monkeypatch.setitem(CODINGS, "long", ("h264", {**CODINGS["low delay"][1], "g": "110"}))
    packets = packets_of(transport_stream(120, "long"))
    places = _video_places(packets)
    frames = read_stream(_without(packets, {places[len(places) // 5]}))
    assert [frame.index for frame in frames if not frame.damage][-10:] == list(range(110, 120))
    assert all(frame.damage for frame in frames if 30 < frame.index < 110)


def test_the_loss_is_an_event_on_the_log_and_on_the_frames(caplog):
    packets = _stream("low delay")
    places = _video_places(packets)
    data = _without(packets, {places[len(places) // 2]})

    def open_link():
        return StreamLink(lambda: av.open(io.BytesIO(data)), LinkSettings("stream", ends=True))

    with caplog.at_level(logging.WARNING):
        source = ReconnectingSource(open_link, LinkLimits(), name="stream")
        frames = list(islice(source, COUNT))
        source.close()
    states = [event.state for event in source.events]
    assert states[:4] == [LinkState.OPENING, LinkState.LIVE, LinkState.DAMAGED, LinkState.LIVE]
    assert "a packet was lost" in source.events[2].reason
    assert "stream is damaged: a packet was lost" in caplog.text
    assert any(frame.damage.startswith("a packet was lost") for frame in frames)
    assert source.diagnostics().damaged > 0
    assert source.reconnects == 0


def test_lost_pictures_are_counted_by_their_time_only_near_a_loss():
    counter = PictureIndex(0)
    assert [counter.next(pts, is_lossy=False) for pts in (0, 10, 20, 30, 70, 71)] == list(range(6))
    assert [counter.next(pts, is_lossy=True) for pts in (81, 111, None, 131)] == [6, 9, 10, 11]
    assert [counter.next(pts, is_lossy=False) for pts in (151, 161)] == [13, 14]


@pytest.mark.parametrize("data", [b"", b"\0\0\1", b"\0\0\1\x67", b"\0\0\1\x67\xff" * 9, b"\0\0\1\x41\0", b"\0\0\1\6\6\xff\xff"])
def test_units_that_are_cut_off_say_nothing(data):
    assert H264Parser(None).parse(data) is None
    assert H264Parser(b"\1" + data * 3).parse(data) is None


def test_a_damaged_parameter_set_in_the_header_of_a_file_says_nothing():
    sets = b"\x67\x42\0\x1e\xff", b"\x68\0"
    header = b"\1\x42\0\x1e\xff\xe1\0\5" + sets[0] + b"\1\0\2" + sets[1]
    assert H264Parser(header).parse(b"\0\0\0\2\x41\x9a") is None


def test_random_bytes_raise_nothing():
    source = random.Random(3)
    for _ in range(300):
        parser = H264Parser(bytes([source.choice((0, 1))]) + source.randbytes(40))
        kinds = bytes(source.choice((1, 5, 6, 7, 8)) for _ in range(5))
        data = b"".join(b"\0\0\1" + bytes([kind]) + source.randbytes(30) for kind in kinds)
        parser.parse(data)
        parser.parse(data)


def test_numbers_of_exponential_golomb():
    reader = BitReader(bytes([0b10100110, 0b01000010, 0b10000000]))
    assert [reader.golomb() for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="cut off"):
        BitReader(b"\0").golomb()


def test_pixels_that_are_not_square_are_seen_in_a_live_stream():
    data = io.BytesIO()
    with av.open(data, "w", format="mpegts") as container:
        stream = container.add_stream("h264", rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.options = *SIZE, "yuv420p", dict(CODINGS["low delay"][1])
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        for number in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number))))
        container.mux(stream.encode(None))
    data.seek(0)
    link = StreamLink(lambda: av.open(data), LinkSettings("stream", ends=True))
    assert link.info.pixel_aspect == pytest.approx(16 / 11)
    assert [frame.pixel_aspect for frame in link] == pytest.approx([16 / 11] * 4)
