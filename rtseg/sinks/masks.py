"""Write one label map file for each frame: PNG, or NPZ with the confidence beside the labels."""

import io
from pathlib import Path

import cv2
import numpy as np

from rtseg.errors import ConfigError, SinkError
from rtseg.frame import Segmentation, StreamInfo
from rtseg.output.private_file import FolderLock, lock_folder, make_folder
from rtseg.result import Result
from rtseg.sinks.recording.unbuffered_file import UnbufferedFile

FORMATS = ("png", "npz")


class MaskSink:
    """Writes each frame's labels to `folder`/000000.png, named by the frame's index.

    A pixel is its label: 0 background, i + 1 for the i-th class. format "npz" stores `labels` (H, W) uint8, `confidence` and
    `classes`. Each file is written atomically and replaces a file of the same name. While the sink is open, another process
    that tries to write to the folder gets a SinkError. Raises ConfigError for an unknown format.
    """

    def __init__(self, folder: str | Path, format: str = "png") -> None:  # noqa: A002 - the word of np.save's and PIL's users
        if format not in FORMATS:
            raise ConfigError(f"masks are not written as {format!r}: choose one of {', '.join(FORMATS)}")
        self._folder, self._format = Path(folder), format
        self._part = self._folder / f".part.{format}"  # a fixed name: the next run removes the leftover of a killed process
        self._lock: FolderLock | None = None

    def open(self, info: StreamInfo) -> None:  # noqa: ARG002 - any stream will do
        """Create the folder and lock it. Raises SinkError."""
        self.close()
        try:
            make_folder(self._folder)
            self._lock = lock_folder(self._folder)
            self._part.unlink(missing_ok=True)
        except SinkError:
            raise
        except OSError as error:
            raise SinkError(
                f"{self._folder} cannot be a folder of masks ({error.strerror}): name one you may write to"
            ) from error

    def write(self, result: Result) -> None:
        """Write one frame's labels. Raises SinkError."""
        encode = _png if self._format == "png" else _npz
        path = self._folder / f"{result.frame.index:06d}.{self._format}"
        try:
            with UnbufferedFile(self._part, "wb") as part:
                part.write(encode(result.segmentation))
            self._part.replace(path)
        except SinkError:
            raise
        except OSError as error:
            self._part.unlink(missing_ok=True)
            raise SinkError(f"{path} cannot be written ({error.strerror}): free some space, or name another folder") from error

    def close(self) -> None:
        """Release the lock of the folder."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _png(segmentation: Segmentation) -> bytes:
    _, encoded = cv2.imencode(".png", segmentation.labels)  # an explicit level turns on row filters, which are far slower
    return encoded.tobytes()


def _npz(segmentation: Segmentation) -> bytes:
    file = io.BytesIO()
    confidence = np.asarray(segmentation.confidence, np.float32)
    np.savez_compressed(file, labels=segmentation.labels, confidence=confidence, classes=np.asarray(segmentation.classes))
    return file.getvalue()
