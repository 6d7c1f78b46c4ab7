"""Makes the networks of three tools as they are exported: segmentation_models_pytorch, MONAI's DynUNet, and RVM's states."""

from pathlib import Path

import numpy as np
import torch
from made_networks import SCALE, SIZE, Blobs, MadeNetwork, export, resized, truth_of
from torch import nn

SCALES = (2, 4, 8, 16)  # of the picture over each state


def softmax2d(folder: Path) -> MadeNetwork:
    """Return a network with the end that segmentation_models_pytorch calls softmax2d, on axis -3."""
    network = Blobs(2, end=nn.Softmax2d())
    return MadeNetwork(export(network, folder / "softmax2d.onnx"), truth_of(network), SCALE, 1, "softmax")


def dynunet(folder: Path) -> MadeNetwork:
    """Return MONAI's DynUNet, untrained, so that the user must say that it segments."""
    from monai.networks.nets import DynUNet

    torch.manual_seed(0)
    network = DynUNet(2, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2], filters=[8, 16, 32]).eval()
    path = export(network, folder / "dynunet.onnx")

    def labels(images: list[np.ndarray]) -> list[np.ndarray]:
        with torch.no_grad():
            return [network(resized(image))[0].argmax(0).numpy() for image in images]

    return MadeNetwork(path, labels, (*SCALE, "--classes", "background,lumen"))


class Matting(nn.Module):
    """Gives a mask and four states of other sizes, each of which begins as a single zero, as RVM's do."""

    def __init__(self) -> None:
        super().__init__()
        self.blobs = Blobs(1)
        self.mixers = nn.ModuleList(nn.Conv2d(1, channels, 1) for channels in (2, 3, 4, 5))

    def forward(self, x: torch.Tensor, *states: torch.Tensor):
        after = []
        for scale, mixer, state in zip(SCALES, self.mixers, states, strict=True):
            seen = torch.tanh(mixer(nn.functional.avg_pool2d(x, scale)))
            after.append(0.5 * seen + 0.5 * (state + torch.zeros_like(seen)))
        past = sum(one.mean((1, 2, 3), keepdim=True) for one in after)
        return self.blobs(x) + past, *after


def matting(folder: Path) -> MadeNetwork:
    torch.manual_seed(0)
    network, zeros = Matting().eval(), [torch.zeros(1, 1, 1, 1)] * len(SCALES)
    taken, given = ([f"r{place}{end}" for place in range(1, 5)] for end in "io")
    path = export(
        network,
        folder / "matting.onnx",
        example=(torch.rand(1, 1, *SIZE), *zeros),
        input_names=["src", *taken],
        output_names=["pha", *given],
        dynamic_axes={name: [1, 2, 3] for name in (*taken, *given)} | {"src": [2, 3], "pha": [2, 3]},
    )

    def labels(images: list[np.ndarray]) -> list[np.ndarray]:
        states, found = zeros, []
        for image in images:
            with torch.no_grad():
                answer, *states = network(resized(image), *states)
            found.append((answer[0, 0] > 0).numpy().astype(int))
        return found

    return MadeNetwork(path, labels, (*SCALE, "--size", f"{SIZE[0]}x{SIZE[1]}"))


FORMS = {"softmax2d": softmax2d, "DynUNet": dynunet, "memory, four maps as in RVM": matting}
