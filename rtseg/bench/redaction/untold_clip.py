"""Read what can be read in a clip without a truth, before and after redaction."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from rtseg.bench.redaction.legibility import legible_words
from rtseg.session.redaction import RedactionMode, Redactor
from rtseg.session.sector import SectorFinder
from rtseg.sources import open_source

_READ_FRAMES = (0, 3, 12, 40)
_FRAMES = 60  # frames of the clip that are redacted


@dataclass(frozen=True, slots=True)
class ReadFrame:
    """Holds the words that an OCR reads in one frame."""

    clip: str
    """Name of the clip."""
    mode: str
    """Mode of the redaction."""
    index: int
    """Index of the frame."""
    words_before: list[str]
    """Words in the frame itself."""
    words_after: list[str]
    """Words in what goes out."""

    def to_json(self) -> dict[str, Any]:
        """Return the words as plain values; those of the frame itself are counted, since they may be names."""
        return asdict(self) | {"words_before": len(self.words_before)}


def read_clip(uri: str, mode: RedactionMode) -> Iterator[ReadFrame]:
    """Yield what is legible in some frames of a clip. Raises SourceError."""
    finder, redactor = SectorFinder(), Redactor(mode)
    with closing(open_source(uri)) as source:
        for frame in source:
            if frame.index >= _FRAMES:
                return
            shown = redactor.redact(frame, finder.observe(frame)[0]).image
            if frame.index in _READ_FRAMES:
                before, after = legible_words(frame.image), legible_words(shown)
                yield ReadFrame(uri.rpartition("/")[2], mode.value, frame.index, before, after)
