"""Write one label map file for each frame: PNG, or NPZ with the confidence beside the labels."""

import io
from pathlib import Path

import cv2
import numpy as np

from rtseg.errors import ConfigError, SinkError
from rtseg.frame import Segmentation, StreamInfo
from rtseg.output.private_file import FolderLock, lock_folder, make_folder
from rtseg.result import Result
from rtseg.sinks.mask_manifest import MANIFEST, MaskManifest, MaskRun, check_mask_folder
from rtseg.sinks.recording.unbuffered_file import UnbufferedFile

FORMATS = ("png", "npz")


class MaskSink:
    """Writes each frame's labels to `folder`/000000.png, named by the frame's index.

    A pixel is its label: 0 background, i + 1 for the i-th class. format "npz" stores `labels` (H, W) uint8, `confidence` and
    `classes`. Each file is written atomically and replaces a file of the same name. While the sink is open, another process
    that tries to write to the folder gets a SinkError. Raises ConfigError for an unknown format.

    A folder that holds masks of an earlier run is refused, or with `overwrite` these are removed when the first mask is
    written. manifest.json names the run (described by `run`), and the file and the times of each mask, see `MaskManifest`.
    """

    def __init__(
        self,
        folder: str | Path,
        format: str = "png",  # noqa: A002 - the word of np.save's and PIL's users
        *,
        overwrite: bool = False,
        run: MaskRun | None = None,
    ) -> None:
        if format not in FORMATS:
            raise ConfigError(f"masks are not written as {format!r}: choose one of {', '.join(FORMATS)}")
        self._folder, self._format = Path(folder), format
        self._part = self._folder / f".part.{format}"  # a fixed name: the next run removes the leftover of a killed process
        self._lock: FolderLock | None = None
        self._overwrite, self._run = overwrite, run or MaskRun()
        self._manifest: MaskManifest | None = None
        self._stale: list[Path] = []  # files of an earlier run, to remove

    def open(self, info: StreamInfo) -> None:  # noqa: ARG002 - any stream will do
        """Create the folder, lock it, and check that it holds no masks of another run. Raises SinkError."""
        self.close()
        try:
            make_folder(self._folder)
            self._lock = lock_folder(self._folder)
            self._part.unlink(missing_ok=True)
            self._begin(self._lock)
        except SinkError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise SinkError(
                f"{self._folder} cannot be a folder of masks ({error.strerror}): name one you may write to"
            ) from error

    def _begin(self, lock: FolderLock) -> None:
        """Prepare the manifest. A second sink of this run, which writes another format, has a manifest of its own."""
        name = f"manifest-{self._format}.json" if lock.is_shared else MANIFEST
        self._stale = [] if lock.is_shared else check_mask_folder(self._folder, overwrite=self._overwrite)
        self._manifest = MaskManifest(self._folder, self._run, self._format, name)

    def write(self, result: Result) -> None:
        """Write one frame's labels. Raises SinkError."""
        if self._manifest is None:
            raise SinkError(f"{self._folder} is not open: call open(info) first, as Pipeline does")
        path = self._folder / f"{result.frame.index:06d}.{self._format}"
        try:
            self._remove_stale()
            self._manifest.add(path.name, result)
            self._write_mask(path, result.segmentation)
        except SinkError:
            raise
        except OSError as error:
            raise SinkError(f"{path} cannot be written ({error.strerror}): free some space, or name another folder") from error

    def _write_mask(self, path: Path, segmentation: Segmentation) -> None:
        encode = _png if self._format == "png" else _npz
        try:
            with UnbufferedFile(self._part, "wb") as part:
                part.write(encode(segmentation))
            self._part.replace(path)
        except BaseException:
            self._part.unlink(missing_ok=True)
            assert self._manifest is not None
            self._manifest.take_back()
            raise

    def _remove_stale(self) -> None:
        """Remove the masks of an earlier run, only now, so that a run that gives no frame removes nothing."""
        while self._stale:
            self._stale[0].unlink(missing_ok=True)
            self._stale.pop(0)

    def close(self) -> None:
        """Complete the manifest, and release the lock of the folder. Raises SinkError."""
        manifest, lock, self._manifest, self._lock = self._manifest, self._lock, None, None
        try:
            if manifest is not None:
                manifest.close()
        except OSError as error:
            raise SinkError(
                f"the manifest of {self._folder} cannot be completed ({error.strerror}): free some space, and run again"
            ) from error
        finally:
            if lock is not None:
                lock.release()


def _png(segmentation: Segmentation) -> bytes:
    _, encoded = cv2.imencode(".png", segmentation.labels)  # an explicit level turns on row filters, which are far slower
    return encoded.tobytes()


def _npz(segmentation: Segmentation) -> bytes:
    file = io.BytesIO()
    confidence = np.asarray(segmentation.confidence, np.float32)
    np.savez_compressed(file, labels=segmentation.labels, confidence=confidence, classes=np.asarray(segmentation.classes))
    return file.getvalue()
