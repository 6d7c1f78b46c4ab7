"""Nothing about a user's models leaves the machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from claims.checkout import ROOT, imports, modules

pytestmark = pytest.mark.attack

TURNED_OFF_BY = {"CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}  # without rtseg


USES = {
    "an engine": "from rtseg.engines.load import load_engine\nload_engine({model!r}, 'onnx', threads=1).close()",
    "a quantization": "import rtseg.engines.convert.quantize",
    "a conversion to FP16": "import rtseg.engines.tensorrt.fp16",
    "an export": "import rtseg.engines.convert.export_torch",
}
SESSION = "import onnxruntime\nonnxruntime.InferenceSession({model!r}, providers=['CPUExecutionProvider'])"

FIRST = ("rtseg.engines.onnx.", "rtseg.engines.onnx_runtime")


def run(script: str, temporary: Path, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in TURNED_OFF_BY}
    script += "\nimport os\nprint(os.environ.get('ORT_DISABLE_TELEMETRY'))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment | {"TMPDIR": str(temporary)} | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_onnx_runtime_sends_no_telemetry(tmp_path: Path, tiny: Path, use: str):
    """Its telemetry begins with a file `.ses` among the temporary files; the process keeps its environment."""
    pytest.importorskip("onnxruntime")
    if "export" in use:
        pytest.importorskip("torch")
    assert run(f"import rtseg\n{use}\n{SESSION}".format(model=str(tiny)), tmp_path) == "None"
    assert list(tmp_path.glob("**/.ses")) == []


def test_the_variable_that_a_process_has_set_stays(tmp_path: Path, tiny: Path):
    pytest.importorskip("onnxruntime")
    script = USES["an engine"].format(model=str(tiny))
    assert run(script, tmp_path, ORT_DISABLE_TELEMETRY="0") == "0"


def test_where_it_was_imported_before_its_events_are_turned_off(tmp_path: Path, tiny: Path):
    pytest.importorskip("onnxruntime")
    first = "import onnxruntime\nonnxruntime.disable_telemetry_events = lambda: print('turned off')\n"
    assert run(first + USES["an engine"].format(model=str(tiny)), tmp_path) == "turned off\nNone"


def test_one_module_imports_it_before_all_others():
    """Read each import statement: a module that imports a part of ONNX Runtime imports `engines/onnx_runtime.py` first."""
    for path in modules():
        names = [statement.name for statement in imports((ROOT / path).read_text(), path)]
        theirs = [place for place, name in enumerate(names) if name.split(".")[0] == "onnxruntime"]
        if theirs and path != Path("engines/onnx_runtime.py"):
            ours = [place for place, name in enumerate(names) if name.startswith(FIRST)]
            assert min(ours, default=len(names)) < theirs[0], f"{path} imports onnxruntime before rtseg.engines.onnx_runtime"
