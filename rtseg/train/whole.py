"""Files of a training that are written whole or not at all."""

from pathlib import Path

from rtseg.errors import SinkError


def write_whole(path: Path, data: bytes) -> None:
    """Put a file in the place of an older one, which stays where that fails. Raises SinkError."""
    part = path.with_suffix(".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise SinkError(f"{path} cannot be written ({error.strerror}): make room on its disk, or name another folder") from None
    finally:
        part.unlink(missing_ok=True)
