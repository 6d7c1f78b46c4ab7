"""Builds the plain U-Net of nnU-Net as MONAI's DynUNet, and renames its weights.

Both have blocks of two convolutions, each followed by an instance normalization and a leaky ReLU, and transposed convolutions
of stride and kernel. DynUNet's convolutions have no bias, which an instance normalization subtracts again in nnU-Net's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rtseg.engines.convert.tool_errors import as_model_error
from rtseg.errors import MissingExtra, ModelError

try:
    from monai.networks.nets.dynunet import DynUNet
    from torch import nn
except ImportError:
    raise MissingExtra("a folder of nnU-Net", "train") from None


def dynunet(folder: Path, options: Mapping[str, Any], channels: int, outputs: int, weights: Mapping[str, Any]) -> nn.Module:
    """Return a DynUNet with the weights of a PlainConvUNet. Raises ModelError."""
    stages, strides = int(options["n_stages"]), options["strides"]
    counts = [*_counts(options["n_conv_per_stage"], stages), *_counts(options["n_conv_per_stage_decoder"], stages - 1)]
    if set(counts) != {2} or not str(options.get("norm_op", "")).endswith("InstanceNorm2d"):
        raise ModelError(
            f"{folder} has blocks that DynUNet lacks (convolutions {sorted(set(counts))}, {options.get('norm_op')}): install "
            f"the package that builds it, `pip install --no-deps dynamic_network_architectures`"
        )
    with as_model_error(f"the network of {folder} cannot be built", "give the folder that nnU-Net v2 wrote"):
        network: nn.Module = DynUNet(
            spatial_dims=2,
            in_channels=channels,
            out_channels=outputs,
            kernel_size=[_pair(one) for one in _listed(options["kernel_sizes"], stages)],
            strides=[_pair(one) for one in strides],
            upsample_kernel_size=[_pair(one) for one in strides[1:]],
            filters=[int(count) for count in options["features_per_stage"]],
            norm_name=("instance", {"eps": 1e-5, "affine": True} | dict(options.get("norm_op_kwargs") or {})),
            act_name=("leakyrelu", {"inplace": True, "negative_slope": _slope(options)}),
            trans_bias=True,
        )
        found = network.load_state_dict(renamed_weights(weights, stages), strict=False)
        missing = [name for name in found.missing_keys if not name.startswith("skip_layers.")]  # these are the same layers
        if missing or found.unexpected_keys:
            raise ModelError(f"{folder} has no weights {missing[0] if missing else found.unexpected_keys[0]!r}: copy it again")
    return network.eval()


def renamed_weights(weights: Mapping[str, Any], stages: int) -> dict[str, Any]:
    """Return the weights of a PlainConvUNet of two convolutions a block by the names of DynUNet."""
    found: dict[str, Any] = {}
    for stage in range(stages):
        block = "input_block" if stage == 0 else "bottleneck" if stage == stages - 1 else f"downsamples.{stage - 1}"
        found |= _block(weights, f"encoder.stages.{stage}.0", block)
    for stage in range(stages - 1):
        found |= _block(weights, f"decoder.stages.{stage}", f"upsamples.{stage}.conv_block")
        for kind in ("weight", "bias"):
            found[f"upsamples.{stage}.transp_conv.conv.{kind}"] = weights[f"decoder.transpconvs.{stage}.{kind}"]
    for kind in ("weight", "bias"):
        found[f"output_block.conv.conv.{kind}"] = weights[f"decoder.seg_layers.{stages - 2}.{kind}"]
    return found


def _block(weights: Mapping[str, Any], theirs: str, ours: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for place in range(2):
        found[f"{ours}.conv{place + 1}.conv.weight"] = weights[f"{theirs}.convs.{place}.conv.weight"]
        for kind in ("weight", "bias"):
            found[f"{ours}.norm{place + 1}.{kind}"] = weights[f"{theirs}.convs.{place}.norm.{kind}"]
    return found


def _slope(options: Mapping[str, Any]) -> float:
    return float((options.get("nonlin_kwargs") or {}).get("negative_slope", 0.01))


def _counts(value: Any, count: int) -> list[int]:
    return [int(value)] * count if isinstance(value, int) else [int(one) for one in value]


def _listed(value: Any, count: int) -> list[Any]:
    return [value] * count if isinstance(value, int) else list(value)


def _pair(value: Any) -> list[int]:
    return [int(value)] * 2 if isinstance(value, int) else [int(side) for side in value]
