"""Test that modules write files only through `rtseg.output.private_file`, by reading every call."""

import ast
import re
from pathlib import Path

import pytest
from claims.checkout import ROOT, modules

ALLOWED = {
    "rtseg/output/private_file.py": "the one place",
    "rtseg/output/atomic_file.py": "goes through it, but for models, which show no patients",
    "rtseg/sinks/dicom/unnamed_file.py": "a file without a name, which nobody else can open",
    "demos/gpu/check.py": "figures of a GPU, no patients; it runs before rtseg is installed",
    "demos/phantom_clip.py": "a phantom, no patient",
    "demos/gradio_app/folders.py": "makes that folder by mkdtemp, which is 0700, and a lock inside it",
    "demos/gradio_app/scan.py": "in a visitor's own folder of mode 0700",
    "demos/gradio_app/uploads.py": "in a visitor's own folder of mode 0700",
    "engines/convert/weight_average.py": "a network, no patients",
    "engines/adopt/adoption.py": "a network, no patients",
    "engines/adopt/network_source.py": "a network, no patients",
    "engines/adopt/network_writer.py": "a network, no patients",
    "engines/convert/model_metadata.py": "a network, no patients",
    "engines/tensorrt/builder.py": "a network, no patients",
    "engines/convert/export_torch.py": "a network, no patients",
    "engines/tensorrt/fp16.py": "a network, no patients",
    "engines/tensorrt/plan_cache.py": "a network, no patients",
    "engines/convert/quantize.py": "a network, no patients",
    "engines/validation/trial_load.py": "its own standard output",
    "kernels/runtime/ptxas_table.py": "a table of the README, for who works on rtseg",
    "rtseg/bench/dicom_memory.py": "a folder of mode 0700, which is removed after it; no patients",
    "rtseg/bench/temporal/clips.py": "into memory",
    "rtseg/bench/plotting.py": "into memory, then through it",
    "rtseg/sinks/report/pdf.py": "in a folder of mode 0700 beside the report, through it",
    "rtseg/train/curves.py": "into memory, then through it",
    "rtseg/train/checkpoint.py": "into memory, then through it",
    "rtseg/train/comparison.py": "a training's folder of mode 0700, which is removed after it",
    "rtseg/train/demo_clip.py": "PyAV writes into a file that it opened",
    "rtseg/sources/synthetic/screens/clip_writer.py": "the same",
    "rtseg/sinks/video/encoder.py": "PyAV writes into an UnbufferedFile",
    "rtseg/sinks/recording/ffv1.py": "PyAV writes into an UnbufferedFile",
    "rtseg/sinks/masks.py": "into memory, then an UnbufferedFile",
    "rtseg/cli/signals.py": "opens the null device",
    "rtseg/sources/files/dicom_codec.py": "its own standard output",
    "rtseg/sources/live/v4l2.py": "opens a camera",
    "rtseg/sources/live/v4l2_modes.py": "the same",
}
WRITERS = {
    "write_text",
    "write_bytes",
    "mkdir",
    "makedirs",
    "touch",
    "savefig",
    "imwrite",
    "tofile",
    "savez",
    "savez_compressed",
}
WRITERS |= {"mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile", "FileHandler", "make_archive"}
WRITERS |= {"copy2", "copyfile", "copytree", "move", "fdopen", "FileIO", "serialize_to_file", "symlink_to", "hardlink_to"}
SAVERS = {"np", "numpy", "torch", "onnx"}  # whose `save` writes a file
NAMED_FIRST = {"", "av", "io", "gzip"}  # whose `open` takes the file before the mode
MODE = re.compile(r"[rwxab+t]*[wxa+][rwxab+t]*")


def writes(source: str, path: Path) -> list[str]:
    """Describe each call in a module that opens or makes a file or folder for writing."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [f"{path}:{call.lineno} {ast.unparse(call.func)}" for call in calls if _writes(call)]


def _writes(call: ast.Call) -> bool:
    if any(word.arg == "opener" for word in call.keywords):
        return False
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if name == "open":
        given = call.args[1:] if owner in NAMED_FIRST else call.args[:1]
        words = [*given, *(word.value for word in call.keywords if word.arg == "mode")]
        return owner == "os" or any(isinstance(one, ast.Constant) and MODE.fullmatch(str(one.value)) for one in words)
    return name in WRITERS or (name == "save" and owner in SAVERS)


@pytest.mark.parametrize("path", modules(), ids=str)
def test_it_is_the_one_place_that_opens_files_to_write(path):
    found = writes((ROOT / path).read_text(), path)
    assert not found or str(path) in ALLOWED, "write through rtseg.output.private_file, or say in ALLOWED why not"


def test_every_exception_is_needed():
    needed = {str(path) for path in modules() if writes((ROOT / path).read_text(), path)}
    assert set(ALLOWED) <= needed


@pytest.mark.parametrize(
    "source",
    [
        "open('a', 'w')",
        "path.open('wb')",
        "path.open(mode='a')",
        "os.open('a', os.O_WRONLY)",
        "av.open('a.mp4', 'w')",
        "path.write_text('')",
        "folder.mkdir()",
        "np.save('a', b)",
        "io.FileIO('a', 'r+')",
        "cv2.imwrite('a.png', b)",
        "tempfile.mkdtemp()",
    ],
)
def test_a_planted_writer_is_found(source):
    assert len(writes(source, Path("a.py"))) == 1


@pytest.mark.parametrize(
    "source", ["open('a')", "path.open('rb')", "av.open(file)", "open(a, 'wb', opener=opener)", "sink.open(info)"]
)
def test_a_reader_is_let_be(source):
    assert writes(source, Path("a.py")) == []
