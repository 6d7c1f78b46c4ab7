"""Export the U-Net of the pipeline comparison: `PYTHONPATH=tests python -m peers.unet FOLDER CLIP` (extra `train`).

It is MONAI's BasicUNet with 16 base channels (1.9 million parameters), untrained: the run time does not depend on the weights.
Its last bias is set so that its mask covers a tenth of the clip's pixels; an empty mask would spare the baselines the drawing.
Writes unet16.onnx, unet16-int8.onnx and unet16.pt (TorchScript).
"""

import sys
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from monai.networks.nets import BasicUNet

from rtseg import kernels
from rtseg.engines.base import ModelSpec
from rtseg.engines.convert.export_torch import export
from rtseg.engines.convert.quantize import quantize_model
from rtseg.kernels.network.fit import letterbox
from rtseg.sources import open_source

SPEC = ModelSpec("unet16", (256, 256), ("lumen",), (0.0,), (255.0,))
MASKED = 0.1
CALIBRATED_ON = 24  # frames


class ExportedUNet(torch.nn.Module):
    """Wraps BasicUNet so that it returns a tuple, (logits,), as the export requires."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = BasicUNet(2, 1, 1, features=(16, 32, 64, 128, 256, 16), norm="batch")

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.net(x),)


def prepared(uri: str) -> tuple[list[np.ndarray], torch.Tensor]:
    """Return the clip's first frames, and the same frames as the network's input, (N, 1, H, W) float32."""
    with closing(open_source(uri)) as source:
        images = [frame.image for frame in islice(source, CALIBRATED_ON)]
    inputs = [kernels.fit_input(image, letterbox((0, 0, *image.shape[:2]), SPEC.size), SPEC.mean, SPEC.std) for image in images]
    return images, torch.from_numpy(np.concatenate(inputs))


def main(folder: Path, uri: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    images, inputs = prepared(uri)
    network = ExportedUNet()
    with torch.no_grad():
        network.train()(inputs[::4])  # BatchNorm adapts to the clip, so that activations have the usual range for INT8
        logits = network.eval()(inputs[::4])[0]
        network.net.final_conv.bias -= torch.quantile(logits.flatten()[:: logits.numel() // 100_000], 1 - MASKED)
    export(network, SPEC, folder / "unet16.onnx")
    torch.jit.trace(network, inputs[:1]).save(str(folder / "unet16.pt"))
    quantize_model(folder / "unet16.onnx", folder / "unet16-int8.onnx", [images])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
