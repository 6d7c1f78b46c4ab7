"""Defines the record of parity that an adopted file carries."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from rtseg.engines.spec_values import as_tuple
from rtseg.errors import ModelError

CERTIFICATE_KEY = "rtseg.certificate"  # in the metadata of an adopted file
MIN_DICE = 0.999


@dataclass(frozen=True, slots=True)
class Certificate:
    """Records how far an adopted file follows the network that it was made of."""

    source: str
    """The name of the file or folder that was adopted."""
    framework: str
    """What ran the original network."""
    pictures: int
    """How many pictures of the user were compared."""
    frames: int
    """How many frames were compared in all, with the generated ones."""
    dice_min: float
    """The least Dice of a class, over the engines and pictures."""
    argmax_share_min: float
    """The least share of equal labels, over the engines and pictures."""
    relative_difference_max: float
    """The largest difference of a logit, relative to how much logits vary between frames."""
    engines: tuple[str, ...]
    """The engines that were compared."""
    found: Mapping[str, Any]
    """What the examination found: activation, output, layout, channels, classes, size and normalization."""

    def to_json(self) -> str:
        """Return the record as JSON for a file's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Certificate":
        """Parse the output of `to_json`. Raises ModelError."""
        try:
            values = json.loads(text)
            known = {field.name: values[field.name] for field in fields(cls)}
            if not isinstance(known["found"], dict):
                raise TypeError
            return cls(**{name: as_tuple(value) if name == "engines" else value for name, value in known.items()})
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ModelError("the file's certificate cannot be read: adopt it again with `rtseg adopt`") from None

    def report(self) -> dict[str, Any]:
        """Return what was found, with the certificate, as `rtseg adopt --json` writes it."""
        parity = {name: value for name, value in asdict(self).items() if name != "found"}
        return {**self.found, "certificate": parity | {"engines": list(self.engines)}}
