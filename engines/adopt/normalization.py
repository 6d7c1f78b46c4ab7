"""Names the normalizations that are in use, and how one became known."""

from dataclasses import dataclass

from rtseg.errors import ConfigError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision.models, of RGB in 0..1
HOW = ("stated", "from graph", "from masks", "guessed")


@dataclass(frozen=True)
class Normalization:
    """Holds how a picture is normalized for a network."""

    mean: tuple[float, ...]
    """As in `ModelSpec`."""
    std: tuple[float, ...]
    """As in `ModelSpec`."""
    kind: str = "constants"
    """As in `ModelSpec.normalization`."""
    percentiles: tuple[float, float] = (0.5, 99.5)
    """As in `ModelSpec`."""
    how: str = "stated"
    """How it became known, one of HOW."""
    why: str = ""
    """What speaks for it."""

    @property
    def name(self) -> str:
        """Return the name by which `--normalization` takes it, or its constants."""
        for name in NAMES:
            known = named_normalization(name, len(self.mean))
            if (known.mean, known.std, known.kind) == (self.mean, self.std, self.kind):
                return name
        return f"mean {', '.join(f'{m:g}' for m in self.mean)}, std {', '.join(f'{s:g}' for s in self.std)}"


NAMES = ("0..255", "0..1", "-1..1", "imagenet", "zscore", "minmax", "percentile")


def normalization_remedy(file: str, pictures: str = "") -> str:
    """Return the command to type for a network whose normalization nothing tells, for messages."""
    words = " ".join(word for word in (file, pictures) if word)
    return (
        f"type `rtseg adopt {words} --out NAME --normalization {NAMES[1]}`, or another of {', '.join(NAMES)} in its place, as "
        f"it was trained (or --mean and --std), or `rtseg adopt {file} DATA --out NAME` with images/ and masks/ in DATA"
    )


def named_normalization(name: str, channels: int, how: str = "stated", why: str = "") -> Normalization:
    """Return a normalization by its name in NAMES, for 1 or 3 channels. Raises ConfigError."""
    for prefix in ("minmax", "percentile"):
        if name == f"{prefix}-1..1":
            return _of((0.5,), (0.5,), channels, prefix, how, why)
    match name:
        case "0..255":
            return _of((0.0,), (1.0,), channels, "constants", how, why)
        case "0..1":
            return _of((0.0,), (255.0,), channels, "constants", how, why)
        case "-1..1":
            return _of((127.5,), (127.5,), channels, "constants", how, why)
        case "imagenet":
            mean, std = (tuple(round(255 * value, 6) for value in values) for values in (IMAGENET_MEAN, IMAGENET_STD))
            gray = (round(sum(mean) / 3, 6),), (round(sum(std) / 3, 6),)
            return _of(*((mean, std) if channels == 3 else gray), channels, "constants", how, why)
        case "zscore" | "minmax" | "percentile":
            return _of((0.0,), (1.0,), channels, name, how, why)
    raise ConfigError(f"--normalization is not {name!r}: give one of {', '.join(NAMES)}, or --mean and --std")


def _of(mean: tuple[float, ...], std: tuple[float, ...], channels: int, kind: str, how: str, why: str) -> Normalization:
    repeat = channels if len(mean) == 1 else 1
    return Normalization(mean * repeat, std * repeat, kind, how=how, why=why)
