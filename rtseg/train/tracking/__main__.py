"""Runs `python -m rtseg.train.tracking train CONFIG OUT [--resume]`, and `export last.pt FILE.onnx [--objects N]`."""

import sys

from rtseg.errors import ConfigError
from rtseg.train.tracking.training import export_tracker, train_tracker


def main(arguments: list[str]) -> None:
    """Run one of the two commands. Raises ConfigError, DatasetError, ModelError, SinkError."""
    match arguments:
        case ["train", config, out]:
            train_tracker(config, out)
        case ["train", config, out, "--resume"]:
            train_tracker(config, out, resume=True)
        case ["export", checkpoint, path]:
            export_tracker(checkpoint, path)
        case ["export", checkpoint, path, "--objects", objects] if objects.isdecimal():
            export_tracker(checkpoint, path, objects=int(objects))
        case _:
            raise ConfigError(f"{' '.join(arguments)!r} is no command: give train CONFIG OUT, or export last.pt FILE.onnx")


if __name__ == "__main__":
    main(sys.argv[1:])
