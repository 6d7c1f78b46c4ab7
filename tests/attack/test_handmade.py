"""Test the verdicts of the hand-made attacks: a right outcome passes, a wrong one is named."""

import shutil

import pytest
from attack import handmade
from attack.seeds import make_all


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Return a valid video of 5 frames."""
    return next(path for path in make_all(tmp_path_factory.mktemp("seeds") / "all")["mkv"] if path.name == "ffv1.mkv")


def test_a_film_that_plays_and_one_that_is_refused(film, tmp_path):
    shutil.copy(film, tmp_path / "latin1.mkv")
    (tmp_path / "broken.mkv").write_bytes(b"no film")
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    told = dict(handmade.tried(tmp_path))
    assert set(told) == {
        "broken.mkv",
        "broken.onnx openvino",
        "broken.onnx onnx",
        "latin1.mkv file",
        "latin1.mkv standard input",
        "latin1.mkv HTTP",
    }
    assert not any(told.values()), told


def test_what_is_wrong_is_named(film, tmp_path):
    shutil.copy(film, tmp_path / "plays.mkv")
    (tmp_path / "latin1.mkv").write_bytes(b"no film")
    told = dict(handmade.tried(tmp_path))
    assert told["plays.mkv"] == "it was not refused"
    assert told["latin1.mkv file"].startswith("0 frames: ")
    assert told["latin1.mkv standard input"].startswith("0 frames: ")


def test_one_that_hangs_is_ended(monkeypatch, film, tmp_path):
    monkeypatch.setattr(handmade, "_SECONDS_MOST", 0.1)
    shutil.copy(film, tmp_path / "plays.mkv")
    assert dict(handmade.tried(tmp_path)) == {"plays.mkv": "it hung for 0 s"}


def test_the_tests_that_attack_are_found(monkeypatch, tmp_path):
    monkeypatch.setattr(handmade, "ROOT", tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = attack: x\n")
    assert handmade.run_tests()["failed"]
    (tmp_path / "tests" / "test_some.py").write_text(
        "import pytest\n@pytest.mark.attack\ndef test_good(): pass\n"
        "@pytest.mark.attack\ndef test_bad(): assert 0\ndef test_other(): assert 0\n"
    )
    told = handmade.run_tests()
    assert told["passed"] == 1
    assert told["failed"] == ["tests.test_some::test_bad"]
