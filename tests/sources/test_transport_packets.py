"""Tests that a transport stream's packets may come twice, and that missing bytes in it are never passed over."""

import io
import random
from functools import lru_cache

import numpy as np
import pytest
from sources.damage import drain
from sources.streams import number_of, packets_of, pid_of, read_stream, transport_stream

from rtseg.sources import open_source
from rtseg.sources.transport_packets import TransportRepair, is_transport_stream
from rtseg.sources.transport_reader import RepairedFile, RepairedReader

VIDEO = 0x100
COUNT = 50
CODINGS = ["low delay", "B pictures", "intra refresh", "MPEG-2"]


@lru_cache(maxsize=4)
def _packets(coding):
    return tuple(packets_of(transport_stream(COUNT, coding)))


def _repaired(data, chunk):
    repair = TransportRepair()
    made = b"".join(repair.feed(data[at : at + chunk]) for at in range(0, len(data), chunk)) + repair.flush()
    return made, repair


def _all_twice(packets):
    return b"".join(packet * (1 + (pid_of(packet) == VIDEO and bool(packet[3] & 0x10))) for packet in packets)


def _read_file(tmp_path, data):
    (tmp_path / "a.ts").write_bytes(data)
    return drain(open_source(str(tmp_path / "a.ts")))


@pytest.mark.parametrize("coding", CODINGS)
def test_packets_that_are_sent_twice_are_no_damage(coding, tmp_path):
    data = _all_twice(_packets(coding))
    read, error = _read_file(tmp_path, data)
    for frames in (read, read_stream(data)):
        assert [number_of(frame.image) for frame in frames] == list(range(COUNT))
        assert [frame.index for frame in frames] == list(range(COUNT))
        assert not any(frame.damage for frame in frames)
    assert error is None


def _without_16(packets, source):
    """Return the stream without 16 packets of the pictures in a row, after which their counter fits."""
    places = [place for place, packet in enumerate(packets) if pid_of(packet) == VIDEO]
    first = source.randrange(len(places) // 2, len(places) - 20)
    gone = set(places[first : first + 16])
    return b"".join(packet for place, packet in enumerate(packets) if place not in gone)


def _cut(packets, source):
    """Return the stream without a few bytes within one of its packets."""
    place, count = source.randrange(len(packets) // 2, len(packets) - 40), source.choice((1, 4, 20, 100, 187))
    at = place * 188 + source.randrange(189 - count)
    data = b"".join(packets)
    return data[:at] + data[at + count :]


def _grown(packets, source):
    at, data = source.randrange(len(packets) // 2, len(packets) - 40) * 188 + source.randrange(188), b"".join(packets)
    return data[:at] + source.randbytes(source.choice((1, 4, 60, 500))) + data[at:]


def _zeroed(packets, source):
    at = source.randrange(len(packets) // 2, len(packets) - 40) * 188 + 60
    data = b"".join(packets)
    return data[:at] + bytes(100) + data[at + 100 :]


H264 = [(coding, damage) for coding in ("low delay", "B pictures") for damage in (_without_16, _cut, _grown, _zeroed)]


@pytest.mark.parametrize(("coding", "damage"), [*H264, ("MPEG-2", _cut), ("MPEG-2", _grown)])
def test_no_damaged_picture_is_shown_as_a_good_one(coding, damage, tmp_path):
    packets = _packets(coding)
    clean = _read_file(tmp_path, b"".join(packets))[0]
    for seed in range(4):
        data = damage(packets, random.Random(seed))
        for name, frames in (("file", _read_file(tmp_path, data)[0]), ("live", read_stream(data))):
            good = [frame for frame in frames if not frame.damage]
            assert COUNT // 3 < len(good) <= COUNT
            for frame in good:
                off = np.abs(frame.image.astype(int) - clean[frame.index].image.astype(int)).mean()
                assert off < 1, (name, seed, frame.index, off)


@pytest.mark.parametrize("chunk", [1, 17, 188, 1316, 40_000])
def test_a_clean_stream_and_others_stay_as_they_are(chunk):
    data = b"".join(_packets("low delay"))
    other = random.Random(0).randbytes(3000)
    for clean in (data, b"", data[:300], other, b"\x47" + other):
        made, repair = _repaired(clean, chunk)
        assert (made, repair.duplicates, repair.breaks) == (clean, 0, 0)


@pytest.mark.parametrize(("size", "lead"), [(188, 0), (192, 4), (204, 0)])
@pytest.mark.parametrize("chunk", [100, 40_000])
def test_what_is_repaired(size, lead, chunk):
    packets = [bytes(lead) + packet + bytes(size - 188 - lead) for packet in _packets("low delay")]
    assert is_transport_stream(b"".join(packets[:4]))
    place = next(place for place in range(50, 80) if pid_of(packets[place][lead:]) == VIDEO)
    twice = b"".join([*packets[: place + 1], packets[place], *packets[place + 1 :]])
    made, repair = _repaired(twice, chunk)
    assert (len(made), repair.duplicates, repair.breaks) == (len(twice), 1, 0)
    assert pid_of(made[(place + 1) * size + lead :]) == 0x1FFF
    short = b"".join([*packets[:place], packets[place][:-9], *packets[place + 1 :]])
    made, repair = _repaired(short, chunk)
    assert (len(made), repair.duplicates, repair.breaks) == (len(short), 0, 1)
    following = next(at for at in range((place + 1) * size - 9, len(made), size) if pid_of(made[at + lead :]) == VIDEO)
    assert made[following + lead + 1] & 0x80
    later = range(following + size, len(made) - size, size)
    assert not any(made[at + lead + 1] & 0x80 for at in later if pid_of(made[at + lead :]) == VIDEO)


def test_a_stream_may_begin_within_a_packet():
    data = b"".join(_packets("low delay"))[100:]
    place = next(place for place in range(50, 80) if pid_of(data[88 + 188 * place :]) == VIDEO)
    cut = data[: 88 + 188 * place] + data[88 + 188 * place + 30 :]
    for chunk in (100, 40_000):
        made, repair = _repaired(cut, chunk)
        assert (len(made), repair.breaks) == (len(cut), 1)


def test_a_packet_at_the_end_of_all_data_is_not_held():
    packets, repair = _packets("low delay"), TransportRepair()
    made = [repair.feed(b"".join(packets[at : at + 7]), is_drained=True) for at in range(0, 70, 7)]
    assert [len(piece) for piece in made] == [7 * 188] * 10


def test_random_bytes_within_a_stream_lose_none():
    source = random.Random(4)
    for _ in range(60):
        data = bytearray(b"".join(_packets("low delay")[:60]))
        for _ in range(source.randrange(1, 5)):
            at = source.randrange(600, len(data))
            data[at : at + source.randrange(400)] = source.randbytes(source.randrange(400))
        made, _ = _repaired(bytes(data), source.choice((50, 188, 5000)))
        assert len(made) == len(data)


def test_a_reader_gives_no_more_than_is_asked_for_and_a_file_is_read_from_any_place(tmp_path):
    data = b"".join(_packets("low delay"))
    reader = RepairedReader(io.BytesIO(data).read)
    pieces = list(iter(lambda: reader.read(1000), b""))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 1000
    (tmp_path / "a.ts").write_bytes(data)
    file = RepairedFile(tmp_path / "a.ts")
    assert file.seek(0, 2) == len(data)
    assert (file.seek(1880), file.tell()) == (1880, 1880)
    assert file.read(188) == data[1880 : 1880 + 188]
    assert file.seek(-188, 1) == 1880
    assert file.read(10) == data[1880:1890]
    file.close()
