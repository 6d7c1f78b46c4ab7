"""Run the first script and the first notebook unchanged."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

DEMOS = Path(__file__).parents[2] / "demos"


@pytest.fixture
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_script_writes_an_overlay_and_tells_what_it_found(in_an_empty_folder):
    command = [sys.executable, str(DEMOS / "quickstart.py"), "out.mp4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^150 frames; the lumen's area is \d{5} px", done.stdout, re.MULTILINE)
    assert (in_an_empty_folder / "out.mp4").stat().st_size > 10_000


def test_the_notebook_runs_from_top_to_bottom_and_shows_what_it_says(in_an_empty_folder):
    notebook = json.loads((DEMOS / "quickstart.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, object] = {}
    for i, cell in enumerate(cells):
        exec(compile(cell, f"cell {i}", "exec"), names)
    assert len(names["areas"]) == 150
    assert names["NotebookImage"](names["pictures"][0])._repr_png_().startswith("iVBOR")
    assert [names["lives"][i][1] for i in (0, 22, 40, 52)] == ["NEW", "HELD", "CUT", "LOST"]


def test_the_notebook_carries_no_output():
    notebook = json.loads((DEMOS / "quickstart.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(code) > 5
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
