"""Imports point down only: the layers of the design, read from every import statement."""

import sys
from pathlib import Path

import pytest
from claims.checkout import ROOT, imports, modules

VALUES = {
    "atomic_file",
    "credentials",
    "errors",
    "event",
    "file_lock",
    "frame",
    "jetson",
    "limits",
    "log_records",
    "machine",
    "output",
    "picture_size",
    "result",
    "safe_text",
    "trace",
}
ADAPTERS = {"dataset", "ellipse", "engines", "igtl", "kernels", "metrics", "nifti", "plot", "power", "sources"}
SESSION = {
    "biometry",
    "budget",
    "degradation",
    "flow",
    "glance",
    "lifecycle",
    "measure",
    "overlay",
    "postprocess",
    "recorded",
    "sector",
    "session",
    "settings",
    "speckle",
    "steadiness",
    "temporal",
    "uncertainty",
}
COMPOSITION = {"latest", "pipeline", "sinks"}
TRAINING = {"models", "train"}  # torch
COMMANDS = {
    "bench",
    "doctor",
    "engine_bench",
    "evaluate",
    "failures",
    "frontier",
    "gate",
    "kernel_bench",
    "serve",
    "source_doctor",
    "speckle_bench",
    "temporal_bench",
}

DOWN = {
    "values": VALUES,
    "adapters": VALUES,
    "session": SESSION | ADAPTERS | VALUES,
    "composition": COMPOSITION | SESSION | ADAPTERS | VALUES,
}
MAY_IMPORT = {
    **dict.fromkeys(VALUES, VALUES),
    **dict.fromkeys(ADAPTERS, VALUES),  # not one another
    "engines": VALUES | {"kernels"},
    "igtl": VALUES | {"kernels"},  # its checksum is a compiled loop
    "sources": VALUES | {"igtl", "nifti", "kernels"},  # messages of a sink, files of a dataset, a compiled loop for luma
    "dataset": VALUES | {"nifti"},
    **dict.fromkeys(SESSION, DOWN["session"]),
    **dict.fromkeys(COMPOSITION, DOWN["composition"]),
    "models": ADAPTERS | VALUES,
    "train": {"models"} | ADAPTERS | VALUES,
    "rtseg": DOWN["composition"],  # what `import rtseg` offers
    **dict.fromkeys(COMMANDS, DOWN["composition"]),
    "failures": DOWN["composition"] | {"evaluate"},
    "bench": DOWN["composition"] | {"evaluate"},  # accuracy stands beside speed
    "cli": DOWN["composition"] | COMMANDS | TRAINING | {"demos"},
    "demos": DOWN["composition"] | COMMANDS | {"rtseg"},
}


def part(path: Path) -> str:
    """The row of the table in which a module stands."""
    if path.parts[0] != "rtseg":
        return path.parts[0]
    return "rtseg" if path == Path("rtseg/__init__.py") else path.parts[1].removesuffix(".py")


PARTS = {part(path) for path in modules()}


def imported_part(name: str) -> str | None:
    """The part that an imported name belongs to; None for a package that is not ours."""
    top, _, rest = name.partition(".")
    if top != "rtseg":
        return "demos" if top == "demos" else None
    second = rest.partition(".")[0]
    return second if second in PARTS | set(MAY_IMPORT) else "rtseg"


def violations(source: str, path: Path) -> list[str]:
    """What a module imports that its layer must not, in words."""
    here, found = part(path), []
    for statement in imports(source, path):
        there = imported_part(statement.name)
        if statement.name.split(".")[0] in ("kernels", "engines"):
            found.append(f"{path}:{statement.line} imports {statement.name} by its bare name: say rtseg.{statement.name}")
        elif there and there != here and there not in MAY_IMPORT[here]:
            found.append(f"{path}:{statement.line} imports {there}: {here} must not")
        elif there in TRAINING and here == "cli" and not statement.lazy:
            found.append(f"{path}:{statement.line} imports {there} at its top: torch is an extra")
        elif here in VALUES and statement.name.split(".")[0] not in {"numpy", "rtseg", *sys.stdlib_module_names}:
            found.append(f"{path}:{statement.line} imports {statement.name}: values know NumPy only")
    return found


def test_every_part_has_a_row_in_the_table():
    assert len(PARTS) > 15
    assert not PARTS - set(MAY_IMPORT), "say in MAY_IMPORT where these stand"


@pytest.mark.parametrize("path", modules(), ids=str)
def test_imports_point_down(path):
    assert not violations((ROOT / path).read_text(), path)


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("rtseg/frame.py", "from rtseg.session import Session", "imports session: frame must not"),
        ("rtseg/frame.py", "import numba", "values know NumPy only"),
        ("rtseg/sources/video.py", "import rtseg.engines.base", "imports engines: sources must not"),
        ("rtseg/sources/video.py", "from ..pipeline import Pipeline", "imports pipeline: sources must not"),
        ("kernels/blend.py", "def f():\n    from rtseg import engines", "kernels/blend.py:2 imports engines"),
        ("kernels/blend.py", "from .. import engines", "imports engines: kernels must not"),
        ("engines/onnx.py", "from kernels import blend", "by its bare name: say rtseg.kernels.blend"),
        ("engines/export.py", "from rtseg.train.loop import train", "imports train: engines must not"),
        ("rtseg/session.py", "if True:\n    from rtseg.sinks.base import Sink", "imports sinks: session must not"),
        ("rtseg/pipeline.py", "import rtseg", "imports rtseg: pipeline must not"),
        ("rtseg/bench.py", "import rtseg.cli", "imports cli: bench must not"),
        ("rtseg/cli/train.py", "from rtseg.train import train", "at its top: torch is an extra"),
    ],
)
def test_a_planted_import_is_found(path, source, message):
    (found,) = violations(source, Path(path))
    assert message in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("engines/cuda.py", "from rtseg import kernels"),
        ("rtseg/cli/train.py", "def train():\n    from rtseg.train import train"),
        ("rtseg/frame.py", "import numpy as np\nfrom rtseg.errors import ImageError"),
        ("rtseg/sinks/video.py", "from .base import Sink\nimport av"),
    ],
)
def test_an_import_that_points_down_is_let_be(path, source):
    assert violations(source, Path(path)) == []
