"""Opens what a user adopts: a network file as it is, or a torch network, which is first written as ONNX."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rtseg.engines.adopt.adoption import NetworkSource
from rtseg.engines.adopt.parity import RawReference, Reference
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.base import ModelSpec
from rtseg.errors import ModelError

_DIRECT = (".onnx", ".xml", ".tflite")
_TORCH = (".pt", ".pth", ".ts", ".jit", ".ckpt", ".torchscript", ".bin")
_KERAS = (".h5", ".keras", ".hdf5")


@contextmanager
def opened_source(
    path: Path, facts: StatedFacts | None, *, factory: str = "", trusted: bool = False
) -> Iterator[NetworkSource]:
    """Yield what a path holds as a source to adopt. Raises ModelError, MissingExtra."""
    if not path.exists():
        raise ModelError(f"no file {str(path)!r}: give an .onnx, .xml or .tflite file, a torch file, or a folder")
    if path.suffix in _KERAS or (path / "saved_model.pb").is_file() or (path / "keras_metadata.pb").is_file():
        raise ModelError(
            f"{path} is of Keras: convert it with `python -m tf2onnx.convert --saved-model FOLDER --output net.onnx`, "
            f"or to .tflite with tf.lite.TFLiteConverter, and adopt that"
        )
    if path.is_file() and path.suffix in _DIRECT:
        yield NetworkSource(path, path.name, facts, is_trusted=trusted)
        return
    if path.is_file() and path.suffix not in _TORCH:
        raise ModelError(
            f"{path} is none of .onnx, .xml, .tflite, TorchScript or torch weights (.pt, .pth), and no folder of nnU-Net or "
            f"MONAI: export the network as ONNX"
        )
    with tempfile.TemporaryDirectory(prefix="rtseg-adopt-") as folder:
        yield _from_torch(path, facts, factory, Path(folder), trusted=trusted)


def _from_torch(path: Path, facts: StatedFacts | None, factory: str, folder: Path, *, trusted: bool) -> NetworkSource:
    """Write a torch network as ONNX in a folder, and return it with what it and the user state. Raises ModelError."""
    from rtseg.engines.convert.torch_folder import read_torch
    from rtseg.engines.convert.torch_source import written_onnx

    found, stated = read_torch(path, facts, factory, trusted=trusted)
    file = folder / f"{path.stem or 'network'}.onnx"
    network = written_onnx(found, file)

    def reference(spec: ModelSpec) -> Reference:
        zeros = {state.input: np.zeros(state.shape, np.float32) for state in spec.states}
        return RawReference(network, spec, zeros, "torch")

    # rtseg wrote this file itself from weights that were read without running code
    return NetworkSource(file, path.name, stated, reference, is_trusted=True)
