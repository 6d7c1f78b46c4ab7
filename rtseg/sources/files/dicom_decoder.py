"""Decode coded DICOM frames in a child process, so that a damaged frame can end that process and never this one."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rtseg.sources.files import dicom_codec
from rtseg.sources.files.coded_size import coded_size
from rtseg.sources.files.dicom_codec import DecodeRunner, RLELossless, get_decoder, iter_pixels
from rtseg.sources.pixels.intensity import Pixels

PREFIX = "Unable to decode as exceptions were raised by all available plugins: "  # pydicom's words before each reason
DECODER_DEPENDENCIES: dict[str, tuple[str, ...]] = {}  # pydicom requires it of a plugin

_PLUGIN = "rtseg"  # the name under which pydicom calls `decode_frame`
_OPTION = "rtseg_decoder"  # the decoder option that holds the `FrameDecoder`
_CODEC = str(Path(dicom_codec.__file__))
_CHANGED = frozenset({"bits_allocated", "planar_configuration", "photometric_interpretation"})  # options that a decoder sets
_DESCRIBED = (*_CHANGED, "bits_stored", "columns", "pixel_keyword", "pixel_representation", "rows", "samples_per_pixel")
_BASE_S, _SAMPLES_PER_S = 12, 1 << 22
_BASE_BYTES, _BYTES_PER_SAMPLE = 256 << 20, 24  # OpenJPEG holds a sample in several integers of 32 bits
_SAMPLE_BYTES = 8  # the most of a decoded sample
_LONGEST_LINE = 1 << 16

_registering = threading.Lock()


class FrameDecoder:
    """Decodes coded frames of DICOM files in one child process, which starts with the first frame and ends with `close`.

    Time and memory of each frame are bounded. After a frame that ended the child, every later one is refused.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._problem = ""

    def frames(self, path: Path, syntax: str) -> Iterator[Pixels]:
        """Yield each frame of a file as `pydicom.iter_pixels` does. Raises whatever pydicom raises on a damaged file."""
        decoder = get_decoder(syntax)
        with _registering:
            if _PLUGIN not in decoder.available_plugins:
                decoder.add_plugin(_PLUGIN, (__name__, decode_frame.__name__))
        options: dict[str, Any] = {_OPTION: self}
        yield from iter_pixels(path, decoding_plugin=_PLUGIN, **options)

    def decode(self, coded: bytes, runner: DecodeRunner) -> bytes:
        """Return a frame's decoded bytes, and update the runner's options. Raises ValueError with the reason."""
        if self._problem:
            raise ValueError(self._problem)
        samples = runner.rows * runner.columns * runner.samples_per_pixel
        seconds = _BASE_S + samples // _SAMPLES_PER_S
        options = {name: value for name in _DESCRIBED if (value := runner.get_option(name)) is not None}
        request = {
            "coded": len(coded),
            "syntax": str(runner.transfer_syntax),
            "options": options | {"number_of_frames": 1},
            "cpu_s": seconds,
            "data_bytes": _BASE_BYTES + _BYTES_PER_SAMPLE * samples,
        }
        answer, pixels = self._exchange(json.dumps(request).encode() + b"\n" + coded, seconds, _SAMPLE_BYTES * samples)
        if "error" in answer:
            raise ValueError(str(answer["error"]).removeprefix(PREFIX))
        changed = {name: value for name, value in answer["properties"].items() if name in _CHANGED}
        runner.set_options(**changed)
        return pixels

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


def decode_frame(coded: bytes, runner: DecodeRunner) -> bytes:
    """Decode a frame for pydicom, by the decoder among the options. Raises ValueError, also for a frame of another size."""
    syntax, declared, size = runner.transfer_syntax, coded_size(coded), (runner.rows, runner.columns)
    if syntax != RLELossless and declared != size:
        words = "declares no size" if declared is None else f"has {declared[1]}x{declared[0]} pixels"
        raise ValueError(f"a coded frame {words}, and the file declares {size[1]}x{size[0]}")
    decoder = runner.get_option(_OPTION)
    if not isinstance(decoder, FrameDecoder):
        raise ValueError("no decoder of rtseg was given")
    return decoder.decode(coded, runner)


def is_available(syntax: str) -> bool:
    """Return whether the plugin serves a transfer syntax: any, as pydicom's own plugins in the child do the work."""
    return bool(syntax)


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
