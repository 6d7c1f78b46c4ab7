"""Lists the picture files of a dataset, and reads their sizes from their headers."""

from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

from rtseg.sources.pixels.picture_size import picture_size

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def is_picture(path: Path) -> bool:
    """Return True for a visible picture file; macOS leaves hidden copies beside the originals."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def stem_of(path: Path) -> str:
    """Return a picture's name without suffix in Unicode NFC, because file systems encode accents differently."""
    return normalize("NFC", path.stem if path.suffix.lower() in SUFFIXES else path.name)


def walk(folder: Path) -> Iterator[Path]:
    """Yield the visible files of a folder and of its folders, in order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def size_of(path: Path) -> tuple[int, int] | None:
    """Return the (height, width) that a picture's header declares; None for no picture."""
    try:
        return picture_size(path.read_bytes())
    except OSError:
        return None


def find_picture(root: Path, folders: tuple[Path, ...], name: str) -> Path | None:
    """Return the picture that an annotation file names, in the first of the folders that holds it; None outside `root`."""
    wanted = Path(name.replace("\\", "/"))
    for folder in folders:
        for path in (folder / wanted, folder / wanted.name):
            if path.is_file() and path.resolve().is_relative_to(root.resolve()):
                return path
    return None
