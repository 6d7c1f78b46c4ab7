"""Test `rtseg bench streams`: its figures are those of the frames that were counted, and its report has all of them."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rtseg.bench.streams.measure import _row
from rtseg.bench.streams.moving_pictures import PICTURES, MovingPictures
from rtseg.bench.streams.worker import WorkerResult, unique_mb
from rtseg.cli.app import app


def test_figures_of_several_processes_are_joined():
    one = WorkerResult([10, 20], 5.0, 9.0, 100.0, 60.0)
    row = _row([one, WorkerResult([30], 7.0, 8.0, 50.0, 40.0)], 2.0)
    assert (row.streams, row.aggregate_fps, row.fairness, row.p99_ms) == (3, 30.0, 3.0, 9.0)
    assert (row.age_ms, row.rss_mb, row.unique_mb) == (6.0, 150.0, 100.0)


def test_pictures_move_to_and_fro_and_end_when_they_are_closed():
    source, seen = MovingPictures(1, size=(48, 64)), []
    for frame in source:
        seen.append(frame)
        if len(seen) == 2 * PICTURES:
            source.close()
    assert [frame.index for frame in seen] == list(range(2 * PICTURES))
    assert all((one.image != other.image).any() for one, other in pairwise(seen))


def test_unique_memory_counts_private_pages(tmp_path: Path):
    (tmp_path / "smaps_rollup").write_text("Rss: 900 kB\nPrivate_Clean:  1000 kB\nPrivate_Dirty:  2000 kB\n")
    assert unique_mb(tmp_path) == 3.0


def test_the_report_has_a_row_for_each_number_of_streams(tiny: Path, tmp_path: Path):
    report = tmp_path / "streams.json"
    options = ["--counts", "1,2", "--versus", "2", "--rounds", "1", "--seconds", "0.5", "--model", str(tiny)]
    done = CliRunner().invoke(app, ["bench", "streams", *options, "--json", str(report)])
    assert done.exit_code == 0, done.output
    values = json.loads(report.read_text())
    assert [row["streams"] for row in values["streams"]] == [1, 2]
    assert values["streams"][0].keys() >= {"streams", "aggregate_fps", "p99_ms", "age_ms", "fairness", "rss_mb"}
    assert values["versus_processes"][0]["streams"] == 2


@pytest.mark.parametrize("counts", ["0", "1,x", "65"])
def test_a_number_of_streams_out_of_range_is_refused(counts: str):
    done = CliRunner().invoke(app, ["bench", "streams", "--counts", counts])
    assert done.exit_code == 1
    assert "give numbers from 1 to 64" in done.output
