"""Import pydicom, and decode frames with its native decoders as the main program of a child process.

A damaged JPEG ends GDCM by an uncaught C++ exception or a wrong memory access, and the whole process with it. Started by its
path, so that it loads no other part of rtseg, this module serves one request after another on standard input: a line of JSON,
then `coded` bytes. It answers on standard output: a line of JSON with `dtype` and `damage`, or `error`, then `pixels` bytes.
"""

import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from rtseg.errors import MissingExtra

try:
    import pydicom
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
except ImportError as error:
    raise MissingExtra("a DICOM source", "dicom") from error

__all__ = ["get_decoder", "pydicom"]

_LONGEST_ERROR = 300  # characters
_DAMAGE = (
    b"premature end of data segment",
    b"Premature end of JPEG file",
    b"bad Huffman code",
    b"instead of RST",
)  # of libjpeg
_LONGEST_LINE = 1 << 16  # bytes of a request's or an answer's first line


def main() -> None:
    """Decode the frames that standard input brings until it ends, as it does with the parent process."""
    answers = os.fdopen(os.dup(1), "wb")
    words = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
    os.dup2(words.fileno(), 2)
    os.dup2(2, 1)  # native libraries print what they like, of damage too
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while line := sys.stdin.buffer.readline(_LONGEST_LINE):
        request = json.loads(line)
        coded = sys.stdin.buffer.read(request["coded"])
        _limit(request["cpu_s"], request["data_bytes"])
        words.seek(0)
        words.truncate()
        try:
            decoded = _decode(coded, request["syntax"], request["options"])
            pixels, answer = decoded.tobytes(), {"pixels": decoded.nbytes, "dtype": decoded.dtype.str, "damage": _damage(words)}
        except BaseException as error:  # noqa: BLE001  a panic of Rust is no Exception
            pixels, answer = b"", {"error": " ".join(str(error).split())[:_LONGEST_ERROR] or type(error).__name__}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.write(pixels)
        answers.flush()


def _decode(coded: bytes, syntax: str, options: dict[str, Any]) -> Any:
    """Return a frame's components (H, W) or (H, W, samples) as they are coded, without a conversion of color."""
    words, _ = next(iter(get_decoder(syntax).iter_array(encapsulate([coded], has_bot=False), raw=True, **options)))
    return words


def _damage(words: Any) -> str:
    """Return what a native library has printed of damage that it glossed over; "" for nothing."""
    words.seek(0)
    printed = words.read(_LONGEST_LINE)
    return next((text.decode() for text in _DAMAGE if text in printed), "")


def _limit(cpu_s: int, data_bytes: int) -> None:
    """Bound the processor time and the memory that the next frame may take, where the system can."""
    with suppress(ImportError, OSError, ValueError, IndexError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + cpu_s, hard))
        held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (held + data_bytes, hard))


if __name__ == "__main__":
    main()
