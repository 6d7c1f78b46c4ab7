"""Test the public names: they exist, are typed for a user under mypy --strict, and state the version."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import rtseg

ROOT = Path(__file__).parents[2]
USER = '''
"""Segment a stream by a source and a sink of my own."""

from collections.abc import Iterator

import numpy as np

import rtseg


class OneFrame:
    @property
    def info(self) -> rtseg.StreamInfo:
        return rtseg.StreamInfo(48, 64, 25.0)

    def __iter__(self) -> Iterator[rtseg.Frame]:
        yield rtseg.Frame(np.zeros((48, 64), np.uint8), 0, 1)

    def close(self) -> None: ...


class Areas:
    def __init__(self) -> None:
        self.areas: list[int] = []

    def open(self, info: rtseg.StreamInfo) -> None: ...

    def write(self, result: rtseg.Result) -> None:
        self.areas.append(result.segmentation.area_px("lumen"))

    def close(self) -> None: ...


def segment(source: rtseg.Source, *sinks: rtseg.Sink) -> rtseg.LatencyReport:
    engine = rtseg.load_engine("carotid")
    spec: rtseg.ModelSpec = engine.spec
    print(spec.classes, rtseg.__version__)
    return rtseg.Pipeline(source, rtseg.Session(engine), *sinks, policy=rtseg.Policy.ALL).run()


if __name__ == "__main__":
    segment(OneFrame(), Areas())
'''
WRONG = {
    "rtseg.open_sauce('x')": 'no attribute "open_sauce"',
    "rtseg.Session('carotid')": 'incompatible type "str"; expected "Engine"',
    "rtseg.open_source(3)": 'incompatible type "int"',
    "rtseg.Pipeline(rtseg.open_source('x'), rtseg.Session(rtseg.load_engine('y')), 'out.mp4')": 'expected "Sink"',
}


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Return a function that checks a text with mypy --strict, by the types that a user of rtseg sees."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("user")
    settings = folder / "mypy.ini"
    settings.write_text(
        f"[mypy]\nstrict = true\nmypy_path = {ROOT}\nfollow_imports = silent\npython_version = 3.11\n"
        f"cache_dir = {folder / 'cache'}\n[mypy-numba.*]\nfollow_imports = skip\n"
    )

    def check(text: str) -> str:
        (folder / "user.py").write_text(text)
        command = [sys.executable, "-m", "mypy", "--config-file", str(settings), "user.py"]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False).stdout

    return check


@pytest.mark.slow
def test_a_users_file_is_clean_under_mypy_strict_and_mistakes_are_found(mypy):
    assert (ROOT / "rtseg" / "py.typed").is_file()
    assert "Success" in mypy(USER)
    told = mypy("import rtseg\n" + "\n".join(WRONG))
    for line, (call, words) in enumerate(WRONG.items(), 2):
        assert any(f"user.py:{line}:" in row and words in row for row in told.splitlines()), (call, told)


def test_the_users_file_runs(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    done = subprocess.run([sys.executable, "user.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert rtseg.__version__ in done.stdout


def test_the_version_is_that_of_the_distribution():
    assert rtseg.__version__ == importlib.metadata.version("rtseg")
    assert "__version__" in dir(rtseg)


@pytest.mark.parametrize("name", rtseg.__all__)
def test_each_public_name_exists_and_is_listed(name):
    assert getattr(rtseg, name)
    assert name in dir(rtseg)


def test_another_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'Sauce'"):
        _ = rtseg.Sauce
