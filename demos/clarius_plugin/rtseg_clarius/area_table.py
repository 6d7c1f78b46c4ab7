"""A sink that writes the areas of the classes as a table with tabs."""

from pathlib import Path
from typing import TextIO

import rtseg
from rtseg.errors import SinkError
from rtseg.output.private_file import opener


class AreaTable:
    """Writes one row for each frame: its index, and the pixels of each class. path: given as --sink area-table=PATH."""

    def __init__(self, path: str) -> None:
        if not path:
            raise SinkError("a table of areas needs a file: give --sink area-table=PATH")
        self._path = Path(path)
        self._file: TextIO | None = None

    def open(self, _info: rtseg.StreamInfo) -> None:
        """Create or overwrite the file, which only its owner may read, as every output of rtseg."""
        self.close()
        self._file = open(self._path, "w", encoding="utf-8", opener=opener)  # noqa: SIM115  it stays open; an opener

    def write(self, result: rtseg.Result) -> None:
        """Append one row."""
        assert self._file is not None
        found = result.segmentation
        cells = [result.frame.index, *(found.area_px(name) for name in found.classes)]
        self._file.write("\t".join(map(str, cells)) + "\n")

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        if self._file is not None:
            self._file.close()
            self._file = None
