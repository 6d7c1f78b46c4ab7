"""Tests that rtseg leaves the settings of the process that uses it as they were."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from claims.checkout import ROOT, modules

OWN_PROCESS = ("rtseg/cli/", "demos/")  # they configure a process of their own
THEIRS = ["setNumThreads", "set_num_threads", "setUseOptimized", "setLogRecordFactory", "setLoggerClass", "basicConfig"]
THEIRS += ["dictConfig", "captureWarnings", "setdefaulttimeout", "set_start_method", "setswitchinterval", "seterr", "putenv"]
OURS = ["set_mode", "raise_parallel_threshold", "limit_threads"]  # of rtseg, for its command line
SETTINGS_OF_THE_PROCESS = frozenset([*THEIRS, *OURS])
ALLOWED = {
    # the user's own choice of the torch engine's threads, which torch has for the whole process only
    "engines/torch.py": {"set_num_threads"},
    # restored after the training and the measurement
    "rtseg/train/own_threads.py": {"set_num_threads", "setNumThreads"},
    "rtseg/bench/kernels/paired_timing.py": {"setNumThreads"},
    # a program of its own, which another process starts
    "rtseg/bench/streams/worker.py": {"raise_parallel_threshold"},
}
ENVIRONMENT = {"rtseg/system/process_environment.py"}  # for one call of a library, and restored
CHANGES = ("setdefault", "update", "pop", "popitem", "clear")
GETS_LOGGERS = {
    "rtseg/text/log_records.py",  # the place where they get their filter
    "rtseg/sources/files/quiet_pydicom.py",  # pydicom's logger, never one of rtseg
    "rtseg/cli/options/logs.py",  # to print the records that others wrote
}


def calls(source: str) -> set[str]:
    """Return the last name of each called function."""
    called = [ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return {name.rpartition(".")[2] for name in called}


def writes_environment(source: str) -> bool:
    """Return whether a module changes os.environ."""
    written = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign | ast.Delete):
            written += [ast.unparse(target).partition("[")[0] for target in node.targets]
        elif isinstance(node, ast.AugAssign):
            written.append(ast.unparse(node.target))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in CHANGES:
            written.append(ast.unparse(node.func).rpartition(".")[0])
    return "os.environ" in written


def has_global(source: str) -> bool:
    """Return whether a module has a `global` statement."""
    return any(isinstance(node, ast.Global) for node in ast.walk(ast.parse(source)))


@pytest.mark.parametrize("path", modules(), ids=str)
def test_a_module_leaves_the_process_alone(path: Path):
    source, name = (ROOT / path).read_text(), path.as_posix()
    assert not has_global(source), "let an object hold what changes"
    if name.startswith(OWN_PROCESS):
        return
    assert calls(source) & SETTINGS_OF_THE_PROCESS <= ALLOWED.get(name, set()), "only the command line configures its process"
    assert not writes_environment(source) or name in ENVIRONMENT, "the environment is the process's own"


@pytest.mark.parametrize("path", modules(), ids=str)
def test_each_logger_has_the_filter_of_credentials(path: Path):
    is_plain = "getLogger" in calls((ROOT / path).read_text())
    assert not is_plain or path.as_posix() in GETS_LOGGERS, "use rtseg.text.log_records.get_logger"


@pytest.mark.parametrize("name", sorted({*ALLOWED, *ENVIRONMENT, *GETS_LOGGERS}))
def test_an_exception_is_still_needed(name: str):
    source = (ROOT / name).read_text()
    assert ALLOWED.get(name, set()) <= calls(source)
    assert name not in ENVIRONMENT or writes_environment(source)
    assert name not in GETS_LOGGERS or "getLogger" in calls(source)


@pytest.mark.parametrize("change", ["['A'] = '1'", ".setdefault('A', '1')", " |= {}", ".pop('A')", ".clear()"])
def test_a_planted_change_of_the_environment_is_found(change: str):
    assert writes_environment(f"os.environ{change}")
    assert writes_environment("del os.environ['A']")
    assert not writes_environment("os.environ.get('A'); x = os.environ['A']; env = os.environ | {}")


def test_a_planted_setting_is_found():
    assert calls("cv2.setNumThreads(1)\nlogging.setLogRecordFactory(f)") == {"setNumThreads", "setLogRecordFactory"}
    assert has_global("def f():\n    global a\n    a = 1")


HOST = """
import logging, os, signal, socket, sys, threading, warnings
import cv2
import numba
import numpy as np
from numba.core import config
from numba.core.registry import cpu_target

class OwnRecord(logging.LogRecord):
    pass

cv2.setNumThreads(3)
logging.setLogRecordFactory(OwnRecord)
logging.getLogger("pydicom").setLevel(logging.ERROR)
np.seterr(over="raise")
warnings.simplefilter("error", ResourceWarning)
os.environ["OWN"] = "1"
numba.set_num_threads(1)
generator = cpu_target.target_context.codegen()

def settings():
    root = logging.getLogger()
    return {
        "Numba's settings": {name: repr(getattr(config, name)) for name in dir(config) if name.isupper()},
        "Numba's code generator": cpu_target.target_context.codegen() is generator,
        "Numba's threads": numba.get_num_threads(),
        "OpenCV's threads": cv2.getNumThreads(),
        "OpenCV's optimizations": cv2.useOptimized(),
        "the record factory": logging.getLogRecordFactory(),
        "the logger class": logging.getLoggerClass(),
        "the root logger": (root.level, tuple(root.handlers), tuple(root.filters), root.manager.disable),
        "the loggers of others": {
            name: (log.level, log.disabled, log.propagate, tuple(log.filters), tuple(log.handlers))
            for name in ("pydicom", "asyncio", "uvicorn", "uvicorn.access", "own")
            for log in [logging.getLogger(name)]
        },
        "the environment": dict(os.environ),
        "NumPy's errors": np.geterr(),
        "the filters of warnings": list(warnings.filters),
        "the hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook),
        "the signals": {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)},
        "the search path": list(sys.path),
        "the time limit of sockets": socket.getdefaulttimeout(),
    }

before = settings()
import rtseg
from rtseg import Pipeline, Session, load_engine, open_source
for name in rtseg.__all__:
    getattr(rtseg, name)
engine = load_engine(MODEL, ENGINE, threads=1)
session = Session(engine)
source = open_source("synthetic:vessel?frames=5&height=64&width=64")
assert sum(1 for _ in Pipeline(source, session)) == 5
engine.close()
after = settings()
changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
assert not changed, changed
print("as before")
"""


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_a_process_with_its_own_settings_keeps_them(tiny: Path, engine: str):
    """Import rtseg, load an engine and run a stream in a process, and compare its settings before and after."""
    if engine == "onnx":
        pytest.importorskip("onnxruntime")
    script = HOST.replace("MODEL", repr(str(tiny))).replace("ENGINE", repr(engine))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "as before\n"), done.stderr
