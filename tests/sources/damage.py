"""Files that are cut off, and what is read of them."""

from rtseg.errors import SourceError


def drain(source):
    """The frames that came before the end, and the error that ended them, if any."""
    frames = []
    try:
        for frame in source:
            frames.append(frame)
    except SourceError as error:
        return frames, error
    return frames, None


def opened(open_it, path):
    """The frames of a source that is opened with the first of them, so that `drain` meets the errors of that too."""
    yield from open_it(path)


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
