"""Test that the fuzz finds planted faults, and run a short form of it on every reader."""

from pathlib import Path

import pytest
from attack import pool, readers
from attack.fuzz import FAULTS, FaultTally, fuzz, is_clean
from attack.mutation import Mutator
from attack.seeds import MAKERS, make_all

SEED = 17


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp("seeds") / "all")


@pytest.mark.parametrize("reader", MAKERS)
def test_every_seed_is_read(seeds, reader):
    assert len(seeds[reader]) > 0
    for path in seeds[reader]:
        assert readers.read(reader, path, 0) > 0


@pytest.mark.parametrize("reader", MAKERS)
def test_the_same_number_gives_the_same_input_and_others_differ(seeds, reader, tmp_path):
    def made(name, number):
        (tmp_path / name).mkdir()
        path = Mutator(SEED).write(reader, number, seeds[reader], tmp_path / name)
        return [one.read_bytes() for one in (sorted(path.iterdir()) if path.is_dir() else [path])]

    assert made("once", 5) == made("again", 5)
    assert len({tuple(made(str(number), number)) for number in range(10)}) > 5


def test_a_short_form_finds_no_fault():
    report = fuzz(SEED, 3 * len(MAKERS))
    assert report["per_reader"] == dict.fromkeys(MAKERS, 3)
    assert is_clean(report), report["found"]
    assert report["decoded_of_all"] >= 0.3


def test_a_planted_error_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("ATTACK_PLANTED", "png")
    report = fuzz(SEED, 12, ["png", "y4m"], keep=tmp_path)
    assert 1 <= report["tracebacks"] <= 2
    assert not is_clean(report)
    assert all("IndexError: planted" in line and line.startswith("png:") for line in report["found"])
    assert list(tmp_path.glob("png-*/*.png")), "the input is not kept"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("hang", "hangs"), ("crash", "crashes"), ("memory", "over_2gb"), ("thread", "left_threads"), ("file", "left_files")],
)
def test_each_kind_of_fault_is_found(monkeypatch, fault, kind):
    if fault == "hang":
        monkeypatch.setattr(pool, "HANG_S", 3.0)
    monkeypatch.setenv("ATTACK_PLANTED", f"png:{fault}")
    report = fuzz(SEED, 3, ["png"], processes=1)
    assert report[kind] >= 1, report
    assert not any(report[other] for other in FAULTS if other != kind)
    assert report["inputs"] == 3, "what comes after a fault is read too"


def test_a_refusal_of_many_lines_is_a_fault():
    tally = FaultTally(SEED, ["png"])
    tally.add(pool.FuzzJob(SEED, "png", 0, ()), {"frames": 0, "refused": "it cannot be read\nat all", "bytes": 1})
    assert not is_clean(tally.report())


def test_nothing_read_is_not_clean():
    assert not is_clean(FaultTally(SEED, ["png"]).report())


def test_the_child_processes_leave_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fuzz(SEED, 2, ["y4m"])
    assert list(Path(tmp_path).iterdir()) == []
