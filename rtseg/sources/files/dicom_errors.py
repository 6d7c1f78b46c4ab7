"""Turn the errors of pydicom and its decoders into those of rtseg, and keep their words about headers out of every log."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rtseg.errors import SourceError
from rtseg.sources.files.dicom_decoder import PREFIX
from rtseg.sources.files.quiet_pydicom import SILENCE


@contextmanager
def translated_errors(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Raise SourceError for errors of pydicom and its decoders; suppress their warnings, which quote headers."""
    try:
        with SILENCE:
            yield
    except Exception as error:
        reason = " ".join(str(error).split()).removeprefix(PREFIX).removeprefix("rtseg: ")[:300] or type(error).__name__
        raise SourceError(f"{path} {what} ({reason}): {remedy}") from error
