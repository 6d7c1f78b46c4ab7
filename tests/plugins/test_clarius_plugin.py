"""Build, install and use the example package of demos/, with a stand-in of the Cast API of Clarius."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CAST = '''
"""A stand-in of pyclariuscast: it calls back as examples/python/pycaster.py of github.com/clariusdev/cast documents."""
import threading, time

class Caster:
    def __init__(self, image, raw, spectrum, imu, freeze, buttons):
        self.image, self.stop, self.thread = image, threading.Event(), None
    def init(self, path, width, height):
        self.size = width, height
        return True
    def connect(self, address, port, certificate):
        if (address, certificate) != ("192.168.1.1", "research"):
            return False
        self.thread = threading.Thread(target=self._cast, daemon=True)
        self.thread.start()
        return True
    def _cast(self):
        width, height = self.size
        while not self.stop.wait(0.03):
            # a bright disc on gray, 32 bits a pixel on every second picture
            rows = [bytes(220 if (x - 320)**2 + (y - 240)**2 < 90**2 else 60 for x in range(width)) for y in range(height)]
            while not self.stop.wait(0.03):
                gray = b"".join(rows)
                self.image(gray, width, height, len(gray), 120.0, time.time_ns(), 0.0, [])
    def disconnect(self):
        self.stop.set()
        return True
    def destroy(self):
        self.stop.set()
        if self.thread: self.thread.join(5)
        print("destroyed")
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build and install the package into a folder of its own, beside the stand-in."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "clarius_plugin"
    shutil.copytree(ROOT / "demos" / "clarius_plugin", source, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "--target", folder, source], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "pyclariuscast.py").write_text(CAST)
    return folder


def rtseg(site: Path, folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(site), str(ROOT)])
    command = [sys.executable, "-m", "rtseg", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_the_probe_is_segmented_and_measured(site: Path, tiny: Path, tmp_path: Path):
    options = ["--sink", "area-table=areas.tsv", "--measure", "roundness", "--sector", "off", "--frames", 5, "--json", "-"]
    done = rtseg(site, tmp_path, "run", "clarius:192.168.1.1:5828", "--model", tiny, *options)
    assert done.returncode == 0, done.stderr
    header, *rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert header["stream"]["live"]
    assert len(rows) == 5
    assert rows[-1]["spacing_mm"] == [0.12, 0.12]
    assert rows[-1]["measures"]["roundness"]["value"] == pytest.approx(1, abs=0.1), rows[-1]
    table = [line.split("\t") for line in (tmp_path / "areas.tsv").read_text().splitlines()]
    assert [int(index) for index, _ in table] == [row["index"] for row in rows]
    assert "destroyed" in done.stderr  # the probe was let go


def test_the_doctor_lists_what_the_package_offers(site: Path, tmp_path: Path):
    done = rtseg(site, tmp_path, "doctor")
    assert done.returncode == 0, done.stderr
    for name in ("source clarius", "sink area-table", "measure roundness"):
        (line,) = [line for line in done.stdout.splitlines() if name in line]
        assert "yes" in line
        assert "rtseg-clarius 0.1.0" in line


@pytest.mark.parametrize(
    ("source", "words"),
    [("clarius:10.0.0.1:5828", "no probe at 10.0.0.1:5828"), ("clarius:nowhere", "give clarius:ADDRESS:PORT")],
)
def test_a_probe_that_is_not_there_is_one_line(site: Path, tiny: Path, tmp_path: Path, source: str, words: str):
    done = rtseg(site, tmp_path, "run", source, "--model", tiny)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_api_of_clarius_the_remedy_is_told(site: Path, tiny: Path, tmp_path: Path):
    bare = tmp_path / "bare"
    shutil.copytree(site, bare, ignore=shutil.ignore_patterns("pyclariuscast*"))
    done = rtseg(bare, tmp_path, "run", "clarius:192.168.1.1:5828", "--model", tiny)
    assert done.returncode == 1
    assert "put the Cast API's files on the path" in done.stderr
