"""Decode coded DICOM frames in a child process, so that a damaged frame can end that process and never this one."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.sources.files import dicom_codec
from rtseg.sources.files.coded_size import coded_size
from rtseg.sources.pixels.intensity import Pixels

PREFIX = "Unable to decode as exceptions were raised by all available plugins: "  # pydicom's words before each reason
RLE = "1.2.840.10008.1.2.5"

_CODEC = str(Path(dicom_codec.__file__))
_BASE_S, _SAMPLES_PER_S = 12, 1 << 22
_BASE_BYTES, _BYTES_PER_SAMPLE = 256 << 20, 24  # OpenJPEG holds a sample in several integers of 32 bits
_SAMPLE_BYTES = 8  # the most of a decoded sample
_LONGEST_LINE = 1 << 16


class FrameDecoder:
    """Decodes coded frames of DICOM files in one child process, which starts with the first frame and ends with `close`.

    Time and memory of each frame are bounded. After a frame that ended the child, every later one is refused.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._problem = ""
        self.damage = ""
        """Why the last frame is not to be trusted, though it could be decoded; "" where nothing is known against it."""

    def decode(self, coded: bytes, syntax: str, shape: tuple[int, ...], bits: int, *, is_signed: bool = False) -> Pixels:
        """Return a frame's components as they are coded, of the given shape: (H, W) or (H, W, 3).

        bits: of a coded sample. Raises ValueError with the reason, also for a frame of another size.
        """
        if self._problem:
            raise ValueError(self._problem)
        declared = coded_size(coded)
        if syntax != RLE and declared != shape[:2]:
            words = "declares no size" if declared is None else f"has {declared[1]}x{declared[0]} pixels"
            raise ValueError(f"a coded frame {words}, and the file declares {shape[1]}x{shape[0]}")
        samples = prod(shape)
        seconds = _BASE_S + samples // _SAMPLES_PER_S
        request = {
            "coded": len(coded),
            "syntax": syntax,
            "options": _options(shape, bits, is_signed=is_signed),
            "cpu_s": seconds,
            "data_bytes": _BASE_BYTES + _BYTES_PER_SAMPLE * samples,
        }
        answer, pixels = self._exchange(json.dumps(request).encode() + b"\n" + coded, seconds, _SAMPLE_BYTES * samples)
        self.damage = f"its coded data are damaged ({str(answer['damage'])[:60]})" if answer.get("damage") else ""
        if "error" in answer:
            raise ValueError(str(answer["error"]).removeprefix(PREFIX))
        decoded: Pixels = np.frombuffer(pixels, np.dtype(str(answer.get("dtype"))))
        if decoded.dtype.kind not in "iu" or decoded.size != samples:
            raise ValueError(f"a coded frame has {decoded.size} samples, and the file declares {samples}")
        return decoded.reshape(shape)

    @property
    def is_broken(self) -> bool:
        """Return whether a frame ended the child process."""
        return bool(self._problem)

    def close(self) -> None:
        """End the child process; harmless twice."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            with suppress(BrokenPipeError), child:  # closes its pipes and reaps it
                pass

    def _exchange(self, request: bytes, seconds: int, most_bytes: int) -> tuple[dict[str, Any], bytes]:
        """Send a request, and return the answer with its bytes. Raises ValueError where the child ends over it."""
        child = self._child = self._child or _start()
        overdue = threading.Event()

        def end() -> None:
            overdue.set()
            child.kill()

        timer = threading.Timer(seconds, end)
        timer.start()
        try:
            return _ask(child, request, most_bytes)
        except (OSError, ValueError):  # its pipe is closed, or what it said is cut
            pass
        finally:
            timer.cancel()
            timer.join()
        self.close()
        took = overdue.is_set() or -child.returncode == getattr(signal, "SIGXCPU", None)
        how = f"takes more than {seconds} s" if took else f"ends its decoder (status {child.returncode})"
        self._problem = f"the frame {how}: it is damaged"
        raise ValueError(self._problem)


def _options(shape: tuple[int, ...], bits: int, *, is_signed: bool) -> dict[str, Any]:
    """Return the options by which pydicom decodes one frame."""
    samples = shape[2] if len(shape) > 2 else 1
    return {
        "rows": shape[0],
        "columns": shape[1],
        "samples_per_pixel": samples,
        "photometric_interpretation": "RGB" if samples > 1 else "MONOCHROME2",
        "planar_configuration": 0,
        "bits_allocated": 8 if bits <= 8 else 16 if bits <= 16 else 32,
        "bits_stored": bits,
        "pixel_representation": int(is_signed),
        "number_of_frames": 1,
        "pixel_keyword": "PixelData",
    }


def _start() -> "subprocess.Popen[bytes]":
    """Start the child process, which ends when its standard input does."""
    code = f"import sys, runpy; sys.path[:] = {list(map(str, sys.path))!r}; runpy.run_path({_CODEC!r}, run_name='__main__')"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        start_new_session=True,  # Ctrl-C is for the parent alone
    )


def _ask(child: "subprocess.Popen[bytes]", request: bytes, most_bytes: int) -> tuple[dict[str, Any], bytes]:
    """Send a request and receive its answer. Raises OSError or ValueError for a child that has ended."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(request)
    child.stdin.flush()
    answer = json.loads(child.stdout.readline(_LONGEST_LINE))
    count = int(answer.get("pixels", 0))
    pixels = child.stdout.read(count) if 0 <= count <= most_bytes else b""
    if len(pixels) != count:
        raise ValueError("the answer is cut, or longer than a frame")
    return answer, pixels
