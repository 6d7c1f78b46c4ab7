"""Report what is odd about an input, each finding once."""

from pathlib import Path

from rtseg.frame import Omission
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)


class SourceNotes:
    """Logs findings about the files of one source as warnings; the same words are logged once, however many files they fit."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self.omitted: list[Omission] = []
        """What is left out of the source so far."""

    def say(self, where: object, words: str) -> None:
        """Log `words` about the input `where`, unless they were logged before; empty words are no finding."""
        if words and words not in self._said:
            self._said.add(words)
            _log.warning("%s %s", where, words)

    def leave_out(self, path: Path, words: str) -> None:
        """Log `words` about a file of which something is left out, once, and add it to `omitted`."""
        if words not in self._said:
            self.omitted.append(Omission(path.name, words))
        self.say(path, words)
