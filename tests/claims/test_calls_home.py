"""Test that no command asks for a host that its user did not name, and that no identity is left in the home folder.

An audit hook in this process's children and in theirs writes down each attempt and refuses it.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import waiting
from claims import prepared
from claims.checkout import ROOT, imports, modules

pytestmark = pytest.mark.attack

HOOK = """
import os, sys
EVENTS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"}
EVENTS |= {"urllib.Request", "http.client.connect"}
OURS = ("127.0.0.1", "::1", "localhost", "0.0.0.0")

def refuse_strangers(event, arguments, log=os.environ["CALLS_HOME"]):
    if event not in EVENTS:
        return
    place = arguments[1] if event in ("socket.connect", "socket.sendto", "http.client.connect") else arguments[0]
    host = place[0] if isinstance(place, tuple) else place
    if host in OURS or not host or event.startswith("socket.") and isinstance(place, (str, bytes)) and "/" in str(place):
        return  # this machine, or a socket in the file system
    if event == "urllib.Request" and str(host).startswith(tuple(f"http://{one}" for one in OURS)):
        return
    with open(log, "a") as lines:
        lines.write(f"{event} {str(place)[:200]} by {sys.argv[:2]}\\n")
    raise PermissionError(f"the test allows no {event} {place}")

sys.addaudithook(refuse_strangers)
"""
SWITCHES = {"CI", "GITHUB_ACTIONS", "TF_BUILD", "JENKINS_URL", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}
SWITCHES |= {"GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE", "DO_NOT_TRACK", "MPLCONFIGDIR"}
CACHES = ("matplotlib/fontlist-", "/numba", "__pycache__", ".nbi", ".nbc", "torch/kernels", "rtseg/")  # they name no user
COMMANDS = {
    "models": ["models"],
    "doctor": ["doctor"],
    "a source's diagnosis": ["doctor", "--source", "scan.mp4"],
    "run": ["run", "scan.mp4", "--model", "carotid-int8", "--json", "a.jsonl", "--out", "a.mp4", "--record", "recording"],
    "a replay": ["run", "replay:recording", "--model", "carotid-int8"],
    "ONNX Runtime": ["run", "scan.mp4", "--model", "carotid", "--engine", "onnx,openvino", "--masks", "masks"],
    "a budget": ["run", "scan.mp4", "--model", "carotid", "--budget", "33ms"],
    "eval": ["eval", "carotid-int8", "DATA/carotid", "--json", "eval.json"],
    "gate": ["gate", "carotid", "carotid-int8", "DATA/carotid"],
    "quantize": ["quantize", "carotid", "quantized.onnx", "--data", "DATA/carotid"],
    "average": ["average", "mean.onnx", "one.onnx", "two.onnx"],
    "bench": ["bench", "loop", "scan.mp4", "--model", "carotid-int8", "--frames", "60"],
    "bench engines": ["bench", "engines", "--rounds", "1"],
    "train": ["train", "engines/zoo/carotid.toml", "--out", "runs/carotid"],
    "export": ["export", "runs/carotid/last.pt", "exported.onnx"],
    "build": ["build", "carotid"],
}
SLOW = ("bench engines", "export")  # half a minute of a core each: `make slow` runs them
NEEDS = {"a replay": "run", "export": "train"}  # the command that writes its input
MAY_FAIL = {"build", "quantize", "gate", "average"}  # for lack of a GPU, or on so few pictures; they import all the same
SCRIPTS = {
    "the API": "import rtseg; rtseg.load_engine('carotid-int8').close()",
    "ONNX Runtime in Python": "import rtseg; rtseg.load_engine('carotid', 'onnx').close()",
    "the quickstart": f"import runpy, sys; sys.argv = ['q', 'q.mp4']; runpy.run_path({str(ROOT / 'demos/quickstart.py')!r}, "
    "run_name='__main__')",
    "a child": "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import rtseg.engines.openvino'], check=True)",
    "the tests' own settings": f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); "
    "import conftest, openvino, onnxruntime",
}


class Home:
    """Holds a home folder, an environment in which every call home is noted, and the folder of inputs."""

    def __init__(self, folder: Path, inputs: Path) -> None:
        self.inputs, self.home, self.log = inputs, folder / "home", folder / "calls.txt"
        hooks = folder / "hooks"
        for made in (self.home, hooks):
            made.mkdir()
        (hooks / "sitecustomize.py").write_text(HOOK)
        kept = {name: value for name, value in os.environ.items() if name not in SWITCHES and not name.startswith("XDG_")}
        paths = os.pathsep.join([str(hooks), str(ROOT)])
        self.environment = kept | {
            "HOME": str(self.home),
            "PYTHONPATH": paths,
            "CALLS_HOME": str(self.log),
            "RTSEG_NO_WARM": "1",
        }
        self.environment["TMPDIR"] = str(folder)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run Python in the folder of inputs."""
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=self.inputs, capture_output=True, text=True, timeout=500, check=False
        )

    def check(self) -> None:
        """Assert that nothing was asked for and that nothing but caches was left."""
        assert not self.log.exists(), self.log.read_text()
        left = [path.relative_to(self.home).as_posix() for path in self.home.rglob("*") if path.is_file()]
        strange = [name for name in left if not any(cache in name for cache in CACHES)]
        assert not strange, f"left in HOME: {strange}"
        assert not list(self.log.parent.glob("**/.ses")), "ONNX Runtime has begun a session of its telemetry"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    prepared.prepare(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, inputs: Path) -> Home:
    return Home(tmp_path, inputs)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in COMMANDS])
def test_a_command_calls_nobody(home: Home, name: str) -> None:
    if name in ("train", "export"):
        pytest.importorskip("torch")
    for each in filter(None, (NEEDS.get(name), name)):
        done = home.run("-m", "rtseg.cli", *COMMANDS[each])
    home.check()
    assert done.returncode == 0 or name in MAY_FAIL, done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_calls_nobody(home: Home) -> None:
    pytest.importorskip("gradio")
    command = [sys.executable, "-m", "rtseg.cli", "demo", "--port", "0"]
    process = subprocess.Popen(command, env=home.environment, cwd=home.inputs, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    words = process.stdout.readline().split()
    url = next(word for word in words if word.startswith("http"))

    def is_served() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=60) as page:
                return b"rtseg" in page.read()
        except OSError:
            return False

    waiting.until(is_served)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    home.check()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_calls_nobody(home: Home, name: str) -> None:
    done = home.run("-c", SCRIPTS[name])
    assert done.returncode == 0, done.stderr
    home.check()


def test_a_planted_call_is_noted(home: Home) -> None:
    """Ask for a host in a child, and leave an identity as OpenVINO does."""
    child = "import socket; socket.getaddrinfo('a.example', 80)"
    home.run("-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    assert "socket.getaddrinfo a.example" in home.log.read_text()
    (home.home / "intel").mkdir()
    (home.home / "intel" / "openvino_ga_cid").write_text("an identity")
    home.log.unlink()
    with pytest.raises(AssertionError, match="openvino_ga_cid"):
        home.check()


def test_the_process_keeps_its_modules_and_its_environment(home: Home) -> None:
    """Test that the package that is hidden during the import is there for the host, before and after."""
    if home.run("-c", "import openvino_telemetry").returncode:
        pytest.skip("openvino_telemetry is not installed")
    script = """
import json, os, sys
{first}
before = dict(os.environ), sys.modules.get("openvino_telemetry")
import rtseg.engines.openvino
import openvino.tools.ovc.telemetry_utils as utils
print(json.dumps([dict(os.environ) == before[0], sys.modules.get("openvino_telemetry") is before[1], utils.tm.__name__]))
import openvino_telemetry
"""
    for first in ("", "import openvino_telemetry"):
        done = home.run("-c", script.format(first=first))
        assert json.loads(done.stdout) == [True, True, "openvino.tools.ovc.telemetry_stub"], done.stderr
    home.check()


def test_one_module_imports_openvino_before_all_others() -> None:
    for path in modules():
        names = [statement.name.split(".")[0] for statement in imports((ROOT / path).read_text(), path)]
        assert "openvino" not in names or path == Path("engines/openvino_runtime.py"), (
            f"{path}: use rtseg.engines.openvino_runtime"
        )


@pytest.mark.parametrize("stranger", ["ray", "transformers", "huggingface_hub", "wandb", "sentry_sdk", "requests"])
def test_nothing_imports_what_calls_home(stranger: str) -> None:
    for path in modules():
        names = {statement.name.split(".")[0] for statement in imports((ROOT / path).read_text(), path)}
        assert stranger not in names, f"{path} imports {stranger}: turn its telemetry off first, and test that here"
