"""Test that imports point down the layers that CONTRIBUTING.md shows, by reading every import statement."""

import sys
from pathlib import Path

import pytest
from claims.checkout import ROOT, imports, modules

# The rows are in the order of the picture, lowest first. A folder may import itself and what its row names.
TEXT = {"text"}  # text from outside, made safe to show
VALUES = TEXT | {"connection", "errors", "frame", "histogram", "limits", "measured_value", "probability_planes"}  # NumPy only
VALUES |= {"contour", "cycle_state", "exit_codes", "result", "trace", "wall_clock"}
OUTPUTS = {"output"}  # atomic, private and locked files
FACTS = VALUES | OUTPUTS | {"nifti", "plugins", "spacing", "system"}
ADAPTERS = FACTS | {"engines", "igtl", "kernels", "sources"}
FRAME = ADAPTERS | {"evaluation", "measure", "overlay", "overlay_text", "session"}
COMPOSITION = {"budget", "mailbox", "pipeline", "replay", "sinks", "streams"}
APPLICATIONS = {"bench", "doctor", "serve"}
TRAINING = {"models", "train"}  # torch

MAY_IMPORT = {
    **dict.fromkeys(VALUES, VALUES),
    "contour": set(),
    "cycle_state": set(),
    "exit_codes": set(),
    "measured_value": set(),
    "probability_planes": set(),
    "histogram": set(),
    "wall_clock": set(),
    **dict.fromkeys(OUTPUTS, VALUES | OUTPUTS),
    "nifti": VALUES,
    "plugins": VALUES,
    "spacing": VALUES,
    "system": VALUES,
    "kernels": VALUES | {"system"},
    "igtl": VALUES | {"kernels"},  # for its checksum, a compiled loop
    "engines": FACTS | {"kernels"},
    "sources": FACTS | {"igtl", "kernels"},  # for the messages of OpenIGTLink, and a compiled loop for luma
    "measure": VALUES | {"kernels", "plugins"},
    "session": ADAPTERS | {"measure"},
    "overlay": ADAPTERS | {"measure", "overlay_text", "session"},
    "overlay_text": VALUES,
    "evaluation": FRAME,
    **dict.fromkeys(COMPOSITION, COMPOSITION | FRAME - {"evaluation"}),
    "rtseg": COMPOSITION | FRAME,  # what `import rtseg` offers
    "models": ADAPTERS,
    "train": ADAPTERS | {"evaluation", "measure", "models", "session"},
    **dict.fromkeys(APPLICATIONS, COMPOSITION | FRAME),
    "cli": APPLICATIONS | COMPOSITION | FRAME | TRAINING | {"demos"},
    "demos": APPLICATIONS | COMPOSITION | FRAME | {"rtseg"},
    "__main__": {"cli"},  # `python -m rtseg`
}


def part(path: Path) -> str:
    """Return the row of the table in which a module stands."""
    if path.parts[0] != "rtseg":
        return path.parts[0]
    return "rtseg" if path == Path("rtseg/__init__.py") else path.parts[1].removesuffix(".py")


PARTS = {part(path) for path in modules()}


def imported_part(name: str) -> str | None:
    """Return the part that an imported name belongs to; None for a package that is not ours."""
    top, _, rest = name.partition(".")
    if top != "rtseg":
        return "demos" if top == "demos" else None
    second = rest.partition(".")[0]
    return second if second in PARTS | set(MAY_IMPORT) else "rtseg"


def violations(source: str, path: Path) -> list[str]:
    """Describe each import of a module that its layer does not allow."""
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


def test_no_two_parts_import_one_another():
    each_other = [
        (a, b)
        for a in MAY_IMPORT
        for b in MAY_IMPORT[a]
        if a < b and a in MAY_IMPORT.get(b, ()) and not {a, b} <= VALUES | OUTPUTS
    ]
    assert all({a, b} <= COMPOSITION for a, b in each_other), each_other


@pytest.mark.parametrize("path", modules(), ids=str)
def test_imports_point_down(path):
    assert not violations((ROOT / path).read_text(), path)


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("rtseg/frame.py", "from rtseg.session.session import Session", "imports session: frame must not"),
        ("rtseg/frame.py", "import numba", "values know NumPy only"),
        ("rtseg/sources/files/video.py", "import rtseg.engines.base", "imports engines: sources must not"),
        ("rtseg/sources/open.py", "from ..pipeline import Pipeline", "imports pipeline: sources must not"),
        ("kernels/labels/blend.py", "def f():\n    from rtseg import engines", "kernels/labels/blend.py:2 imports engines"),
        ("kernels/warm_up.py", "from .. import engines", "imports engines: kernels must not"),
        ("engines/onnx.py", "from kernels import blend", "by its bare name: say rtseg.kernels.blend"),
        ("engines/convert/export_torch.py", "from rtseg.train.loop import train", "imports train: engines must not"),
        ("rtseg/session/session.py", "if True:\n    from rtseg.sinks.base import Sink", "imports sinks: session must not"),
        ("rtseg/measure/region.py", "from rtseg.session import Session", "imports session: measure must not"),
        ("rtseg/pipeline.py", "import rtseg", "imports rtseg: pipeline must not"),
        ("rtseg/bench/line/run.py", "import rtseg.cli", "imports cli: bench must not"),
        ("rtseg/cli/train.py", "from rtseg.train import train", "at its top: torch is an extra"),
    ],
)
def test_a_planted_import_is_found(path, source, message):
    (found,) = violations(source, Path(path))
    assert message in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("engines/tensorrt/engine.py", "from rtseg import kernels"),
        ("rtseg/cli/train.py", "def train():\n    from rtseg.train import train"),
        ("rtseg/frame.py", "import numpy as np\nfrom rtseg.errors import ImageError"),
        ("rtseg/sinks/video/sink.py", "from ..base import Sink\nimport av"),
    ],
)
def test_an_import_that_points_down_is_let_be(path, source):
    assert violations(source, Path(path)) == []
