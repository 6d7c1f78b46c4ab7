"""Tests when a picture in several slices counts as whole: with its last slice, or where the next picture begins."""

import re
from fractions import Fraction

from av import Packet

from rtseg.sources.live.h264_pictures import assemble_pictures, ends_picture, slices_of

_SLICE, _KEY, _SET = 1, 5, 7


def _unit(kind, pts, size=20, *, is_first=True):
    """Return a unit; a slice begins with macroblock 0 if it is the first of its picture."""
    packet = Packet(b"\0\0\0\1" + bytes([kind]) + (b"\xaa" if is_first else b"\x55") * size)
    packet.pts, packet.time_base = pts, Fraction(1, 90_000)
    return packet


def _stream(counts):
    """Yield the units of pictures with these numbers of slices; the first and each tenth one has a parameter set in front."""
    for pts, count in enumerate(counts):
        if pts % 10 == 0:
            yield _unit(_SET, pts)
        for number in range(count):
            yield _unit(_SLICE if pts % 10 else _KEY, pts, is_first=number == 0)


def _units_read(counts):
    """Return [(number of units that were read when it came, its time, its slices), ...] of the pictures."""
    read = []

    def counted():
        for unit in _stream(counts):
            read.append(unit)
            yield unit

    return [
        (len(read), picture.pts, len(re.findall(rb"[\x01\x05][\xaa\x55]", bytes(picture))))
        for picture in assemble_pictures(counted())
    ]


def test_pictures_come_with_their_last_slice_where_all_have_as_many():
    pictures, place = _units_read([3] * 60), 0
    assert [(pts, slices) for _, pts, slices in pictures] == [(pts, 3) for pts in range(60)]
    for read, pts, _ in pictures:
        place += 3 + (pts % 10 == 0)
        assert read == place + (pts < 30 and 1)


def test_pictures_of_many_numbers_come_with_the_next_one():
    counts = [3, *[1] * 9] * 8
    assert [(pts, slices) for _, pts, slices in _units_read(counts)] == list(enumerate(counts))


def test_one_slice_more_than_expected_ends_the_rule():
    pictures = _units_read([2] * 40 + [3] + [2] * 40)
    assert [slices for _, pts, slices in pictures if pts == 40] == [2, 1]
    assert [(pts, slices) for _, pts, slices in pictures if pts > 40] == [(pts, 2) for pts in range(41, 81)]


def test_a_picture_that_lacks_a_slice_comes_with_the_next_one():
    counts = [2] * 40 + [1] + [2] * 5
    assert [(pts, slices) for _, pts, slices in _units_read(counts)] == list(enumerate(counts))


def test_the_slices_of_the_first_picture_are_counted():
    units = [_unit(_SET, 0), _unit(_KEY, 0, 9000), _unit(_KEY, 0, is_first=False)]
    assert not ends_picture([])
    assert not ends_picture(units)
    assert ends_picture([*units, _unit(_SLICE, 1)])
    assert slices_of([*units, _unit(_SLICE, 1)]) == 2
    assert slices_of([Packet(b"\0\0\0\1\x67\xaa\0\0\1\x65\xaa")]) == 1


def test_two_pictures_of_one_time_are_told_apart_by_macroblock_0():
    """FFmpeg gives the second picture the time of the first one, where its RTP timestamp is 0."""
    units = [_unit(_KEY, 0), _unit(_KEY, 0, is_first=False), _unit(_SLICE, 0), _unit(_SLICE, 0, is_first=False)]
    pictures = [bytes(picture) for picture in assemble_pictures([*units, _unit(_SLICE, 3600)])]
    assert [picture.count(b"\0\0\0\1") for picture in pictures] == [2, 2, 1]
    assert slices_of([*units, _unit(_SLICE, 3600)]) == 2
    assert slices_of([_unit(_KEY, 0), _unit(_SLICE, 0), _unit(_SLICE, 3600)]) == 1
