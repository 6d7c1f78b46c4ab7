"""Collects what of a dataset is left out, and why, and logs each reason once with a count and names."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from rtseg.errors import DatasetError
from rtseg.text.log_records import get_logger

_MAX_NAMED = 5

_log = get_logger(__name__)

NO_MASK = "without a mask"
NO_PICTURE = "without its picture"
OTHER_SIZE = "of another size than the picture"


class LeftOut:
    """Holds the names of files that are left out, by reason."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: defaultdict[str, list[str]] = defaultdict(list)
        self._notes: list[str] = []

    def add(self, reason: str, name: str) -> None:
        """Note that a file is left out."""
        self._names[reason].append(name)

    def note(self, line: str) -> None:
        """Note how something unusual was read."""
        self._notes.append(line)

    def report(self, kept: int, warn: Callable[..., None] = _log.warning) -> None:
        """Log each reason. Raises DatasetError where nothing is kept."""
        lines = [f"{len(names)} {reason}: {_listed(names)}" for reason, names in sorted(self._names.items())]
        if not kept:
            found = "; ".join(lines) or "no picture"
            raise DatasetError(f"{self._folder} holds no picture with its mask ({found}): see docs/own-data.md")
        for line in lines:
            warn("%s: left out %s", self._folder, line)
        for line in self._notes:
            warn("%s: %s", self._folder, line)


def _listed(names: list[str]) -> str:
    rest = len(names) - _MAX_NAMED
    return ", ".join(sorted(names)[:_MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")
