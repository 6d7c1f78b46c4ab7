"""Cuts files off, and reads sources up to their error."""

from rtseg.errors import SourceError


def drain(source):
    """Return the frames of a source, and the error that ended it, if any."""
    frames = []
    try:
        for frame in source:
            frames.append(frame)
    except SourceError as error:
        return frames, error
    return frames, None


def opened(open_it, path):
    """Yield the frames of a source that opens at the first of them, so that `drain` catches errors of opening too."""
    yield from open_it(path)


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
