"""Reads what holds a torch network: TorchScript, weights with a factory, a folder of nnU-Net v2, or a MONAI bundle."""

from dataclasses import replace
from pathlib import Path

from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.convert.third_party import load_third_party_network
from rtseg.engines.convert.torch_source import TorchSource, input_channels
from rtseg.engines.torch import read_script
from rtseg.errors import ModelError


def read_torch(
    path: Path, facts: StatedFacts | None, factory: str = "", *, trusted: bool = False
) -> tuple[TorchSource, StatedFacts]:
    """Return the network that a path holds, and what it and the user state; the user's word wins. Raises ModelError."""
    if path.is_dir():
        if (path / "plans.json").is_file() and (path / "dataset.json").is_file():
            from rtseg.engines.convert.nnunet_folder import read_nnunet

            source, stated = read_nnunet(path)
        elif (path / "configs" / "metadata.json").is_file():
            from rtseg.engines.convert.monai_bundle import read_bundle  # MONAI takes seconds to import

            source, stated = read_bundle(path, facts or StatedFacts())
        else:
            raise ModelError(
                f"{path} is no folder of nnU-Net v2 (plans.json, dataset.json) and no MONAI bundle (configs/metadata.json): "
                f"name the network's file"
            )
        return source, stated.overridden_by(facts)
    size = facts.size if facts else None
    if size is None:
        raise ModelError(f"{path} does not say what pictures it takes: give the size that it was trained with, --size HxW")
    network = load_third_party_network(path, factory, trusted=trusted)
    with_weights = network if factory else read_script(path)  # freezing has made constants of the weights
    channels = len(facts.mean) if facts and len(facts.mean) > 1 else input_channels(with_weights)
    own = size[::-1] if facts and facts.axes == "wh" else size
    return TorchSource(network, channels, own), replace(facts or StatedFacts(), states=())
