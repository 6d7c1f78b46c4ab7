"""Keep the manifest of a folder of masks: which run wrote them, and the frame and time of each."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from rtseg.errors import SinkError
from rtseg.result import Result
from rtseg.sinks.recording.unbuffered_file import UnbufferedFile
from rtseg.text.safe_text import json_text
from rtseg.wall_clock import WallClock, utc_text

MANIFEST = "manifest.json"
_PICTURES = (".png", ".npz")
_NAME = re.compile(r"[0-9][^/\\\0]*\.(png|npz)")  # of a mask; a manifest may not name a file elsewhere
_LONGEST = 256 << 20  # bytes of a manifest that is read
_CUT_OFF, _COMPLETE = b'\n ],\n "complete": false\n}\n', b'\n ],\n "complete": true\n}\n'


@dataclass(frozen=True, slots=True)
class MaskRun:
    """Describes the run that writes masks, as far as its manifest names it."""

    source: str = ""
    """The source, without credentials."""
    model: str = ""
    """The name of the network."""
    model_sha256: str = ""
    """The hash of the network's file."""


class MaskManifest:
    """Writes `folder`/manifest.json: valid JSON after each frame, also where the process is killed.

    A frame's entry stands before its mask is written, so that a cut-off manifest, whose "complete" is false, names every mask
    of its run, and one more at most. name: of the file. Raises OSError, SinkError.
    """

    def __init__(self, folder: Path, run: MaskRun, format: str, name: str = MANIFEST) -> None:  # noqa: A002  as in MaskSink
        self._path, self._run, self._format = folder / name, run, format
        self._file: UnbufferedFile | None = None
        self._head = self._end = self._before = 0  # offsets of the end of the head, of the last entry and of the one before

    def add(self, name: str, result: Result) -> None:
        """Add the entry of a mask that is about to be written."""
        frame = result.frame
        entry: dict[str, Any] = {
            "file": name,
            "index": frame.index,
            "captured_ns": frame.captured_ns,
            "captured_at": utc_text(result.wall_ns),
            "presentation_ns": frame.presentation_ns,
        }
        if result.segmentation.objects is not None:  # they come and go, unlike classes
            entry["classes"] = list(result.segmentation.classes)
        if self._file is None:
            self._create(result.segmentation.classes)
        separator = b"\n  " if self._end == self._head else b",\n  "
        self._before = self._end
        self._replace_tail(self._end, separator + json_text(entry).encode(), _CUT_OFF)

    def take_back(self) -> None:
        """Remove the newest entry, whose mask could not be written."""
        with suppress(OSError):
            self._replace_tail(self._before, b"", _CUT_OFF)

    def close(self) -> None:
        """Record that the manifest is complete."""
        file, self._file = self._file, None
        if file is not None:
            with file:
                file.seek(self._end)
                file.write(_COMPLETE)
                file.truncate()

    def _create(self, classes: tuple[str, ...]) -> None:
        """Write the head of the manifest to a partial file, and rename it."""
        head: dict[str, Any] = {"rtseg": version("rtseg"), **asdict(self._run), "format": self._format}
        head |= {"began_at": utc_text(WallClock().at(perf_counter_ns())), "classes": list(classes)}
        text = json_text(head, indent=1).rstrip("}\n ").encode() + b',\n "frames": ['
        part = self._path.with_name(f".{self._path.name}.part")
        self._file = UnbufferedFile(part, "wb")
        self._replace_tail(0, text, _CUT_OFF)
        self._head = self._end
        part.replace(self._path)

    def _replace_tail(self, offset: int, text: bytes, tail: bytes) -> None:
        """Write text and tail at an offset in one call; where the disk is full, the file is as before."""
        assert self._file is not None
        before = self._end
        self._file.seek(offset)
        try:
            self._file.write(text + tail)
            self._file.truncate()
        except OSError:
            with suppress(OSError):
                self._file.seek(before)
                self._file.write(tail)
                self._file.truncate()
            raise
        self._end = offset + len(text)


def check_mask_folder(folder: Path, *, overwrite: bool) -> list[Path]:
    """Return the files of an earlier run to remove before the first mask is written. Raises SinkError where there may be none.

    Only what a manifest names is ever removed, since other pictures may be the user's own.
    """
    pictures = {path.name for path in folder.iterdir() if path.suffix.lower() in _PICTURES and not path.name.startswith(".")}
    manifests = sorted(path for path in folder.glob("manifest*.json") if path.is_file() and not path.is_symlink())
    named = {name for path in manifests for name in _names_in(path)}
    if not pictures:
        return manifests
    if not overwrite:
        raise SinkError(
            f"{folder} holds masks of an earlier run or other pictures already ({len(pictures)}), and would mix them with "
            f"the new ones: name another folder, or replace the masks with --overwrite"
        )
    if strange := sorted(pictures - named):
        raise SinkError(
            f"{folder} holds {len(strange)} pictures that no manifest of rtseg names, such as {strange[0]}, and --overwrite "
            f"removes no others: remove them yourself, or name another folder"
        )
    return [*(folder / name for name in sorted(pictures)), *manifests]  # the manifests last: a killed run leaves them


def _names_in(manifest: Path) -> list[str]:
    """Return the names of the masks in a manifest; empty where it cannot be read."""
    try:
        if manifest.stat().st_size > _LONGEST:
            return []
        values = json.loads(manifest.read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    frames = values.get("frames") if isinstance(values, Mapping) else None
    found = [frame.get("file") for frame in frames if isinstance(frame, Mapping)] if isinstance(frames, list) else []
    return [name for name in found if isinstance(name, str) and _NAME.fullmatch(name)]
