"""Test the CSV of measures: complete lines under the names of the JSON lines, private, and harmless in a spreadsheet."""

import csv
import json
import math
import stat
from dataclasses import replace

import pytest
import results

from rtseg.errors import SinkError
from rtseg.frame import Life
from rtseg.measured_value import MeasuredValue
from rtseg.sinks.csv_file import COLUMNS, CsvSink
from rtseg.sinks.jsonl import JsonSink

AREA = MeasuredValue("area", "area", "mm2", ("lumen",), 20.5, 19.0, 23.25, "user")
WITHHELD = MeasuredValue("hc", "head circumference", "mm", ("head",), withheld="the head reaches the edge, of the sector")


def shown(index, *measures, life=Life.LIVE):
    one = results.result(index=index, captured_ns=index * results.SECOND_NS // 10, wall_ns=1_700_000_000_000_000_000, life=life)
    return replace(one, segmentation=replace(one.segmentation, measures=measures))


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def written(path, *results_of_frames):
    sink = CsvSink(path)
    sink.open(results.stream())
    for one in results_of_frames:
        sink.write(one)
    sink.close()
    sink.close()
    return rows(path)


def test_each_measure_of_each_frame_is_a_line(tmp_path):
    first, second, third = written(tmp_path / "m.csv", shown(4, AREA, WITHHELD), shown(6, AREA, life=Life.HELD))
    assert tuple(first) == COLUMNS
    assert first == {
        "index": "4",
        "seconds": "0.000000",
        "captured_at": "2023-11-14T22:13:20.000000Z",
        "life": "LIVE",
        "measure": "area",
        "value": "20.5",
        "unit": "mm2",
        "low": "19",
        "high": "23.25",
        "spacing_from": "user",
        "withheld": "",
        "unfit": "",
        "best_index": "",
    }
    assert (second["measure"], second["value"], second["low"]) == ("hc", "", "")
    assert second["withheld"] == "the head reaches the edge, of the sector"
    assert (third["index"], third["seconds"], third["life"]) == ("6", "0.200000", "HELD")


def test_it_holds_what_the_json_lines_hold(tmp_path):
    frames = [shown(i, replace(AREA, value=20 + i / 7), WITHHELD) for i in range(5)]
    lines = JsonSink(tmp_path / "m.jsonl")
    lines.open(results.stream())
    for frame in frames:
        lines.write(frame)
    lines.close()
    table = iter(written(tmp_path / "m.csv", *frames))
    for line in (tmp_path / "m.jsonl").read_text().splitlines()[1:]:
        for name, one in json.loads(line)["measures"].items():
            row = next(table)
            assert row["measure"] == name
            assert [row[key] or None for key in ("unit", "withheld", "spacing_from")] == [
                one[key] for key in ("unit", "withheld", "spacing_from")
            ]
            assert row["value"] == ("" if one["value"] is None else f"{one['value']:.6g}")


def test_a_stream_without_measures_has_the_names_of_the_columns(tmp_path):
    assert written(tmp_path / "m.csv", shown(0)) == []
    assert (tmp_path / "m.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert stat.S_IMODE((tmp_path / "m.csv").stat().st_mode) == 0o600


def test_a_class_of_a_model_file_is_no_formula_and_no_second_line(tmp_path):
    evil = replace(AREA, name='=HYPERLINK("x")\n1,2', value=math.nan, low=math.inf)
    (row,) = written(tmp_path / "m.csv", shown(0, evil))
    assert row["measure"].startswith("'=HYPERLINK")
    assert "\n" not in row["measure"]
    assert (row["value"], row["low"]) == ("", "")


def test_it_is_complete_up_to_the_newest_frame_without_a_close(tmp_path):
    sink = CsvSink(tmp_path / "m.csv")
    sink.open(results.stream())
    sink.write(shown(0, AREA))
    assert len(rows(tmp_path / "m.csv")) == 1
    sink.close()


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(SinkError, match="name a file in a folder you may write to"):
        CsvSink(tmp_path / "none" / "m.csv").open(results.stream())
    with pytest.raises(SinkError, match="is not open"):
        CsvSink(tmp_path / "m.csv").write(shown(0))
    sink = CsvSink(tmp_path / "m.csv")
    sink.open(results.stream())
    sink.write(shown(0, AREA))
    with results.largest_file(150), pytest.raises(SinkError, match="free some space"):
        sink.write(shown(1, AREA))
    sink.close()
