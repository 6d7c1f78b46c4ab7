"""The JSON lines are complete, and their values are right."""

import json
from dataclasses import replace
from importlib.metadata import version

import pytest
import results

from rtseg.cycle_state import CycleMark, CycleState
from rtseg.errors import SinkError
from rtseg.frame import Life, Origin
from rtseg.sinks import JsonSink


def _lines(path):
    return [json.loads(line, parse_constant=pytest.fail) for line in path.read_text().splitlines()]


def test_header_and_frames(tmp_path):
    path = tmp_path / "figures.jsonl"
    sink = JsonSink(path, model="carotid")
    sink.open(results.stream())
    options = {"life": Life.GAP, "reason": "3 dropped", "dropped": 3, "spacing_mm": (0.1, 0.2), "captured_ns": 5}
    sink.write(results.result(index=4, classes=("lumen", "wall"), **options))
    sink.write(results.result(index=5, classes=("lumen", "wall")))
    sink.close()
    header, first, second = _lines(path)
    assert (header["rtseg"], header["model"], header["classes"]) == (version("rtseg"), "carotid", ["lumen", "wall"])
    assert header["stream"] | {"height": 48, "width": 64, "fps": 10.0, "live": False} == header["stream"]
    lumen, wall = first["classes"]["lumen"], first["classes"]["wall"]
    assert (lumen["area_px"], lumen["centroid"], lumen["box"], lumen["confidence"]) == (
        336,
        [23.5, 31.0],
        [16, 21, 16, 21],
        0.9,
    )
    assert lumen["area_mm2"] == pytest.approx(336 * 0.02)
    assert (wall["area_px"], wall["centroid"]) == (0, None)
    del first["classes"]
    assert first == {
        "index": 4,
        "captured_ns": 5,
        "captured_at": None,
        "source_ns": None,
        "presentation_ns": None,
        "spacing_mm": [0.1, 0.2],
        "spacing_from": None,
        "pixel_aspect": 1.0,
        "latency_ms": 12.3,
        "stages_ms": {"infer": 12.3},
        "life": "GAP",
        "reason": "3 dropped",
        "dropped": 3,
        "familiarity": None,
        "unfamiliar": False,
        "measures": {},
    }
    assert (second["index"], second["classes"]["lumen"]["area_mm2"]) == (5, None)


def test_wall_clock_and_source_time_stand_beside_the_monotonic_one(tmp_path):
    path = tmp_path / "times.jsonl"
    sink = JsonSink(path)
    sink.open(results.stream())
    wall_ns = 1_795_950_000_123_456_789
    sink.write(results.result(captured_ns=7, wall_ns=wall_ns, origin=Origin("Probe", timestamp_ns=42)))
    sink.write(results.result(index=1, captured_ns=8, wall_ns=wall_ns + 1_000, origin=Origin("Probe")))
    sink.write(results.result(index=2, captured_ns=9, wall_ns=1 << 90))  # beyond the year 9999
    sink.close()
    _, *frames = _lines(path)
    assert [(line["captured_ns"], line["captured_at"], line["source_ns"]) for line in frames] == [
        (7, "2026-11-29T11:00:00.123456Z", 42),
        (8, "2026-11-29T11:00:00.123457Z", None),
        (9, None, None),
    ]


def test_a_figure_that_is_unknown_is_null(tmp_path):
    path = tmp_path / "figures.jsonl"
    sink = JsonSink(path)
    sink.open(results.stream(fps=float("nan")))
    sink.write(results.result(confidence=(float("nan"),), spacing_mm=(float("inf"), 1.0)))
    sink.close()
    header, line = _lines(path)
    lumen = line["classes"]["lumen"]
    assert (header["stream"]["fps"], lumen["confidence"], lumen["area_mm2"], lumen["diameter_mm"]) == (None,) * 4


def test_a_stream_without_frames_leaves_the_header(tmp_path):
    sink = JsonSink(tmp_path / "figures.jsonl")
    sink.open(results.stream())
    sink.close()
    sink.close()
    (header,) = _lines(tmp_path / "figures.jsonl")
    assert header["classes"] == []


def test_opening_again_begins_anew(tmp_path):
    sink = JsonSink(tmp_path / "figures.jsonl")
    for count in (3, 1):
        sink.open(results.stream())
        for index in range(count):
            sink.write(results.result(index=index))
    sink.close()
    assert len(_lines(tmp_path / "figures.jsonl")) == 2


def test_a_killed_process_leaves_whole_lines(tmp_path):
    code = """
import itertools, results
from rtseg.sinks import JsonSink
sink = JsonSink("figures.jsonl")
sink.open(results.stream())
for index in itertools.count():
    sink.write(results.result(index=index))
    print(index, flush=True)
"""
    lines = _killed_after(50, code, tmp_path, tmp_path / "figures.jsonl")
    assert [line["index"] for line in lines[1:51]] == list(range(50))


def _killed_after(count, code, folder, path):
    with results.process(code, folder) as process:
        for _ in range(count):
            assert process.stdout.readline()
        process.kill()
    return _lines(path)


def test_a_full_disk(tmp_path):
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    sink = JsonSink(tmp_path / "full.jsonl")
    sink.open(results.stream())
    with pytest.raises(SinkError, match=r"No space left on device.*free some space"):
        sink.write(results.result())
    sink.close()
    sink.open(results.stream())
    with pytest.raises(SinkError, match="No space left on device"):
        sink.close()
    sink.close()  # the file is closed already


def test_a_file_that_cannot_be_made(tmp_path):
    with pytest.raises(SinkError, match=r"No such file.*name a file in a folder you may write to"):
        JsonSink(tmp_path / "missing" / "figures.jsonl").open(results.stream())


def test_write_before_open(tmp_path):
    with pytest.raises(SinkError, match="call open"):
        JsonSink(tmp_path / "figures.jsonl").write(results.result())


def test_an_unfamiliar_picture_is_named_and_not_measured_unless_asked(tmp_path):
    path = tmp_path / "unfamiliar.jsonl"
    sink = JsonSink(path)
    sink.open(results.stream())
    sink.write(results.result(familiarity=0.25, spacing_mm=(0.1, 0.1)))
    sink.write(results.result(index=1, familiarity=0.25, spacing_mm=(0.1, 0.1), measures_unfamiliar=True))
    sink.write(results.result(index=2, familiarity=0.75, spacing_mm=(0.1, 0.1)))
    sink.close()
    _, withheld, wanted, familiar = _lines(path)
    assert (withheld["familiarity"], withheld["unfamiliar"], withheld["classes"]) == (0.25, True, {"lumen": None})
    assert (wanted["unfamiliar"], wanted["classes"]["lumen"]["area_px"]) == (True, 336)
    assert (familiar["familiarity"], familiar["unfamiliar"], familiar["classes"]["lumen"]["area_px"]) == (0.75, False, 336)


def test_the_beat_stands_where_a_measure_follows_it(tmp_path):
    mark = CycleMark("ED", 104, 3.5, 98.25)
    cycle = CycleState("lv_volume", 72.5, 0.25, (mark,), {"ED": mark})
    one = results.result(index=110)
    sink = JsonSink(tmp_path / "m.jsonl")
    sink.open(results.stream())
    sink.write(one)
    sink.write(replace(one, segmentation=replace(one.segmentation, cycle=cycle)))
    sink.close()
    _, without, line = _lines(tmp_path / "m.jsonl")
    assert "cycle" not in without
    assert line["cycle"] == {
        "measure": "lv_volume",
        "heart_rate": 72.5,
        "phase": 0.25,
        "marks": [{"moment": "ED", "index": 104, "seconds": 3.5, "value": 98.25}],
    }
