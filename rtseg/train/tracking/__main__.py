"""Runs the commands of a tracker's training: train, export, weights and quantize.

train CONFIG OUT [--resume]; export last.pt FILE.onnx [--objects N]; weights last.pt OUT.pt, from which another training may
start; quantize CONFIG FILE.onnx OUT.onnx, in INT8.
"""

import sys

from rtseg.errors import ConfigError
from rtseg.train.tracking.quantizing import quantize_tracker
from rtseg.train.tracking.training import export_tracker, train_tracker, write_weights


def main(arguments: list[str]) -> None:
    """Run one of the commands. Raises ConfigError, DatasetError, ModelError, SinkError."""
    match arguments:
        case ["train", config, out]:
            train_tracker(config, out)
        case ["train", config, out, "--resume"]:
            train_tracker(config, out, resume=True)
        case ["export", checkpoint, path]:
            export_tracker(checkpoint, path)
        case ["export", checkpoint, path, "--objects", objects] if objects.isdecimal():
            export_tracker(checkpoint, path, objects=int(objects))
        case ["weights", checkpoint, path]:
            write_weights(checkpoint, path)
        case ["quantize", config, path, out]:
            quantize_tracker(config, path, out)
        case _:
            raise ConfigError(
                f"{' '.join(arguments)!r} is no command: give train CONFIG OUT, export last.pt FILE.onnx, or "
                f"quantize CONFIG FILE.onnx OUT.onnx"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
