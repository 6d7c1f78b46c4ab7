"""Reads videos with a folder of masks each: x.mp4 with x_masks/, whose files are named by the number of their frame."""

import re
from collections.abc import Iterator
from pathlib import Path

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset.case import Case
from rtseg.evaluation.dataset.left_out import OTHER_SIZE, LeftOut
from rtseg.evaluation.dataset.mask_file import VIDEOS
from rtseg.evaluation.dataset.picture_files import is_picture, size_of

_ENDINGS = ("_masks", "-masks", "_mask", "-mask", "_labels", "_seg", "_gt", "")
_FIRST = ("_from0", "_from1")  # further endings, that state the number of the first frame
_NUMBER = re.compile(r"(?P<number>\d+)\D*$")
_NO_FOLDER = "without a folder of masks"
_NO_NUMBER = "masks without a frame's number in their names"


def has_layout(folder: Path) -> bool:
    """Return True if a folder has this layout."""
    return any(_mask_folder(path, folder) for path in _videos(folder))


def cases(folder: Path) -> Iterator[Case]:
    """Yield each frame that has a mask, in order of time. Raises DatasetError, also where numbers may begin with 0 or 1."""
    left_out, found = LeftOut(folder), list[Case]()
    for video in _videos(folder):
        masks = _mask_folder(video, folder)
        if masks is None:
            left_out.add(_NO_FOLDER, video.name)
        else:
            found += _frames(video, masks, left_out)
    left_out.report(len(found))
    return iter(found)


def _videos(folder: Path) -> list[Path]:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in files if path.suffix.lower() in VIDEOS and not path.name.startswith(".") and path.is_file()]


def _mask_folder(video: Path, folder: Path) -> Path | None:
    """Return the folder of a video's masks: of its name, or "masks" beside the only video. Raises DatasetError for two."""
    names = [f"{video.stem}{ending}{first}" for ending in _ENDINGS for first in ("", *_FIRST)]
    if len(_videos(folder)) == 1:
        names += [f"masks{first}" for first in ("", *_FIRST)]
    found = [folder / name for name in names if (folder / name).is_dir()]
    if len(found) > 1:
        raise DatasetError(f"{video} has the masks of {found[0].name} and {found[1].name}: keep one of them")
    return found[0] if found else None


def _frames(video: Path, masks: Path, left_out: LeftOut) -> Iterator[Case]:
    from rtseg.evaluation.dataset.video_frames import read_frame

    numbered: dict[int, Path] = {}
    for path in sorted(path for path in masks.iterdir() if is_picture(path)):
        ending = _NUMBER.search(path.stem)
        if not ending:
            left_out.add(_NO_NUMBER, f"{masks.name}/{path.name}")
            continue
        number = int(ending["number"])
        if number in numbered:
            raise DatasetError(f"{path} and {numbered[number].name} are of one frame: keep one of them")
        numbered[number] = path
    if not numbered:
        return
    first, size = _first_number(video, masks, numbered), read_frame(video, 0).shape[:2]
    for number, path in sorted(numbered.items()):
        if size_of(path) != size:
            left_out.add(OTHER_SIZE, f"{masks.name}/{path.name}")
        else:
            frame = number - first
            yield Case(f"{video.stem}_frame{frame}", video.stem, frame, video, path, frame=frame, annotation=None)


def _first_number(video: Path, masks: Path, numbered: dict[int, Path]) -> int:
    """Return whether the numbers begin with 0 or 1. Raises DatasetError where both would do."""
    from rtseg.evaluation.dataset.video_frames import frame_count

    stated = next((place for place, ending in enumerate(_FIRST) if masks.name.endswith(ending)), None)
    count, least, most = frame_count(video), min(numbered), max(numbered)
    first = stated if stated is not None else 0 if least == 0 else 1 if most == count else None
    if first is None:
        raise DatasetError(
            f"{masks} has masks of {least} to {most} of {count} frames: say whether the first frame is 0 or 1, and rename it "
            f"{masks.name}_from0 or {masks.name}_from1"
        )
    if least < first or most - first >= count:
        raise DatasetError(f"{masks} has masks of {least} to {most}, and {video.name} {count} frames: remove those beyond")
    return first
