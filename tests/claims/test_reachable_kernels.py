"""Test that each kernel is reachable by a user: by an option, a field of ModelSpec or a call that other code makes."""

import ast
from pathlib import Path

import numpy as np
import pytest
from claims.checkout import ROOT

from rtseg import kernels
from rtseg.cli.options.enhance import parse_enhancement
from rtseg.engines.class_postprocess import ClassPostprocess
from rtseg.engines.load import load_engine
from rtseg.frame import Frame
from rtseg.kernels.temporal import stabilize
from rtseg.kernels.temporal.smooth import smooth
from rtseg.session.enhancement import STEP_NAMES
from rtseg.session.session import Session
from rtseg.session.speckle import FILTERS
from rtseg.session.stabilizer import TemporalOptions

UNREACHED = ("kernels", "tests", "rtseg/bench")  # a call from here reaches no user

REACHED = {  # kernel: what the user gives or calls, and the module that calls the kernel
    **dict.fromkeys(FILTERS, ("--speckle", "rtseg/session/speckle.py")),
    "clahe": ("--enhance clahe", "rtseg/session/enhancement.py"),
    "log_compress": ("--enhance log", "rtseg/session/enhancement.py"),
    "persistence": ("--enhance persistence", "rtseg/session/enhancement.py"),
    "grey_view": ("--speckle", "rtseg/session/enhancement.py"),
    "opening": ("ModelSpec.postprocess open, --postprocess", "rtseg/session/postprocess.py"),
    "closing": ("ModelSpec.postprocess close, --postprocess", "rtseg/session/postprocess.py"),
    "fill_holes": ("ModelSpec.postprocess fill_holes, --postprocess", "rtseg/session/postprocess.py"),
    "drop_small": ("ModelSpec.postprocess min_area, --postprocess", "rtseg/session/postprocess.py"),
    "hysteresis": ("ModelSpec.postprocess hysteresis, --postprocess", "rtseg/session/postprocess.py"),
    "keep_largest": ("ModelSpec.single", "rtseg/session/postprocess.py"),
    "argmax_labels": ("Session.step", "rtseg/session/frame_segmenter.py"),
    "class_confidence": ("Session.step", "rtseg/session/frame_segmenter.py"),
    "has_nonfinite": ("Session.step", "rtseg/session/frame_segmenter.py"),
    "fit_input": ("Session.step", "engines/input_planes.py"),
    "phase_symmetry": ("ModelSpec.planes", "engines/input_planes.py"),
    "to_beams": ("--beam-space", "rtseg/session/beam_space.py"),
    "to_fan": ("--beam-space", "rtseg/session/beam_space.py"),
    "probability": ("--smoothing, --uncertainty", "rtseg/session/stabilizer.py"),
    "carried": ("--flow, --every", "rtseg/session/stabilizer.py"),
    "smoothed": ("--smoothing", "rtseg/session/stabilizer.py"),
    "steadied": ("--hysteresis", "rtseg/session/stabilizer.py"),
    "inner_contour": ("--uncertainty", "rtseg/overlay.py"),
    "blend": ("--out, --view, Overlay", "rtseg/overlay.py"),
}
INNER = {"smooth": ("smoothed", "kernels/temporal/stabilize.py")}  # called by a kernel in REACHED on the CPU
NAMES = {"carried": "warp", "smoothed": "smooth_probabilities", "steadied": "stabilize"}  # the functions' names in the code


def kernel_uses(source: str) -> set[str]:
    """Return what a module uses of rtseg's kernels: `kernels.NAME`, and calls of names that it imports from there."""
    nodes = list(ast.walk(ast.parse(source)))
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    named = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "kernels"}
    sources = [node for node in nodes if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rtseg.kernels")]
    imported = {alias.name for node in sources for alias in node.names}
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return named | imported & called


def backend_calls(source: str, kernel_name: str) -> set[str]:
    """Return the names that the Numba backend of a kernel calls."""
    backends = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(one) == f"{kernel_name}.backend('numba')" for one in node.decorator_list)
    ]
    calls = [node.func for one in backends for node in ast.walk(one) if isinstance(node, ast.Call)]
    return {call.id for call in calls if isinstance(call, ast.Name)}


def is_user_code(path: Path) -> bool:
    return not any(path.is_relative_to(folder) for folder in UNREACHED)


@pytest.mark.parametrize("name", sorted(kernels.KERNELS))
def test_a_kernel_is_called_by_code_that_a_user_reaches(name: str):
    if name in INNER:
        outer, module = INNER[name]
        assert outer in REACHED
        assert name in backend_calls((ROOT / module).read_text(), NAMES[outer]), "a CPU backend calls it"
        return
    assert name in REACHED, f"{name} has no row: say what the user gives, and which module calls it, or delete the kernel"
    _, caller = REACHED[name]
    assert is_user_code(Path(caller))
    assert NAMES.get(name, name) in kernel_uses((ROOT / caller).read_text()), f"{caller} does not call {name}"


def test_the_table_has_no_row_too_many():
    assert not REACHED.keys() & INNER.keys()
    assert REACHED.keys() | INNER.keys() == kernels.KERNELS.keys()


def test_the_options_reach_the_kernels():
    """Test that what the table names can be given, since the modules look up the kernels of filters in a table."""
    for name in STEP_NAMES:
        assert parse_enhancement([name])
    assert {kind.kernel for kind in FILTERS.values()} == {kernels.KERNELS[name] for name in FILTERS}
    assert set(ClassPostprocess.__slots__) == {"name", "hysteresis", "open", "close", "fill_holes", "min_area", "regions"}


def test_a_stream_that_is_smoothed_runs_the_inner_kernel(tiny: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []
    monkeypatch.setattr(stabilize, "smooth", lambda *given, **options: seen.append(1) or smooth(*given, **options))
    engine = load_engine(tiny, threads=1)
    session = Session(engine, temporal=TemporalOptions(smoothing=0.5))
    for index, level in enumerate((90, 120)):
        image = np.random.default_rng(index).integers(0, level, (48, 64), np.uint8)
        session.step(Frame(image, index, index * 40_000_000))
    engine.close()
    assert seen


def test_a_kernel_that_nobody_calls_is_found():
    assert kernel_uses("from rtseg import kernels\nkernels.median(x)\n# kernels.lee\n'kernels.kuan'") == {"median"}
    assert kernel_uses("from rtseg.kernels import blend, lee\nblend(x)") == {"blend"}
