"""Nothing about a user's models leaves the machine."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.attack

TURNED_OFF_BY = {"CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}  # without rtseg


def test_onnx_runtime_sends_no_telemetry(tmp_path, tiny):
    """Its telemetry begins with a file `.ses` among the temporary files."""
    pytest.importorskip("onnxruntime")
    environment = {name: value for name, value in os.environ.items() if name not in TURNED_OFF_BY} | {"TMPDIR": str(tmp_path)}
    script = f"""
import os
from rtseg.engines.load import load_engine
load_engine({str(tiny)!r}, "onnx", threads=1).close()
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert list(tmp_path.glob("**/.ses")) == []
