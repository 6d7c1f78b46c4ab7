"""Names the classes that networks are composed of: those of rtseg, and those of installed packages by entry point."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rtseg.errors import ConfigError
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)


class PartRegistry:
    """Finds the classes of one part of a network by name.

    A package offers a class of its own by an entry point in the group `rtseg.encoders`, `rtseg.memories`, `rtseg.decoders` or
    `rtseg.heads`. It is imported only when its name is looked up, so that a broken package does not affect the others. rtseg's
    own classes take precedence over those of packages with the same name.
    """

    def __init__(self, part: str, group: str, own: Mapping[str, str], needs: tuple[str, ...] = ()) -> None:
        """Make a registry. own: "module:class" of each name of rtseg. needs: attributes that a class must have."""
        self.part, self.group, self._needs = part, group, needs
        self._own = {name: EntryPoint(name, value, group) for name, value in own.items()}

    def names(self) -> tuple[str, ...]:
        """Return all names, those of rtseg first; nothing is imported."""
        return (*self._own, *sorted({entry.name for entry in self._of_packages()} - self._own.keys()))

    def find(self, name: str) -> Any:
        """Return the class of a name. Raises ConfigError for an unknown name, or a class that cannot be imported."""
        offered = [entry for entry in self._of_packages() if entry.name == name]
        if name in self._own:
            for entry in offered:
                _log.warning("%s is left out: rtseg has its own %s %r", _origin(entry), self.part, name)
            return self._own[name].load()
        if not offered:
            raise ConfigError(f"{self.part} is {name!r}: {self._nearest(name)}there are {', '.join(self.names())}")
        return self._load(offered[0])

    def build(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Return an instance of a name's class. Raises ConfigError, also where the class of a package fails."""
        kind = self.find(name)
        if name in self._own:
            return kind(*arguments, **options)
        try:
            return kind(*arguments, **options)
        except Exception as error:  # noqa: BLE001  code of other packages may raise anything
            raise ConfigError(
                f"{self.part} {name!r} cannot be built ({error!r}): mend its package, or choose another"
            ) from None

    def broken(self) -> list[str]:
        """Import the classes of all packages; return a line for each that fails."""
        lines = []
        for entry in self._of_packages():
            try:
                self._load(entry)
            except ConfigError as error:
                lines.append(str(error))
        return lines

    def _load(self, entry: EntryPoint) -> Any:
        """Import the class of a package. Raises ConfigError."""
        try:
            kind = entry.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001  code of other packages may raise anything
            raise ConfigError(
                f"{self.part} {entry.name!r} cannot be imported from {_origin(entry)} ({error!r}): mend it"
            ) from None
        lacking = [name for name in self._needs if not hasattr(kind, name)]
        if lacking or not isinstance(kind, type):
            problem = f"lacks {lacking[0]!r}" if lacking else "is no class"
            raise ConfigError(f"{self.part} {entry.name!r} of {_origin(entry)} {problem}: see docs/networks.md, and mend it")
        return kind

    def _nearest(self, name: str) -> str:
        near = get_close_matches(name.lower(), self.names(), 1)
        return f"perhaps {near[0]!r} is meant; " if near else ""

    def _of_packages(self) -> list[EntryPoint]:
        return list(entry_points(group=self.group))


def _origin(entry: EntryPoint) -> str:
    """Return the package and the object of an entry point, for messages."""
    return f"{entry.dist.name if entry.dist else 'a package'} ({entry.value})"


ENCODERS = PartRegistry(
    "encoder",
    "rtseg.encoders",
    {
        "s": "rtseg.models.encoders:SmallEncoder",
        "m": "rtseg.models.encoders:MediumEncoder",
        "lite0": "rtseg.models.lite_encoder:Lite0Encoder",
        "lite1": "rtseg.models.lite_encoder:Lite1Encoder",
        "lite2": "rtseg.models.lite_encoder:Lite2Encoder",
        "unet": "rtseg.models.monai_unet:UNetEncoder",
    },
    ("features", "widths"),
)
MEMORIES = PartRegistry(
    "memory",
    "rtseg.memories",
    {
        "gru": "rtseg.models.cells:ConvGRU",
        "lstm": "rtseg.models.cells:ConvLSTM",
        "mask": "rtseg.models.memories:LastMask",
    },
    ("n_states",),
)
DECODERS = PartRegistry(
    "decoder",
    "rtseg.decoders",
    {"add": "rtseg.models.decoders:AddDecoder", "unet": "rtseg.models.monai_unet:UNetDecoder"},
)
HEADS = PartRegistry(
    "head",
    "rtseg.heads",
    {
        "mask": "rtseg.models.heads:MaskHead",
        "boundary": "rtseg.models.heads:BoundaryHead",
        "deep": "rtseg.models.heads:DeepSupervision",
    },
    ("loss",),
)
