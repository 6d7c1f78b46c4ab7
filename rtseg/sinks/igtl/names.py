"""Derive the device names of OpenIGTLink messages from the source's device, as PLUS names its own.

PLUS sends the image "Image" in the coordinates of "Reference" as the device "Image_Reference". The transform between the two
is "ImageToReference".
"""

from collections.abc import Iterable, Iterator, Mapping

from rtseg.frame import Matrix


def image_device_name(kind: str, device: str) -> str:
    """Return the device name of a derived image: kind "Mask" of device "Image_Reference" is "Mask_Reference"."""
    _, underscore, frame = device.partition("_")
    return f"{kind}{underscore}{frame}"


def transform_names(kinds: Iterable[str], device: str, transforms: Mapping[str, Matrix]) -> Iterator[tuple[str, Matrix]]:
    """Yield each transform with the name that it is sent by.

    A transform of the image applies to each derived image: "ImageToReference" is sent as "MaskToReference", and so for each
    kind. The image's own name stays with its sender: 3D Slicer gives two senders of one name the same node.
    """
    source = device.partition("_")[0] or "Image"
    for name, matrix in transforms.items():
        rest = name.removeprefix(f"{source}To")
        if rest == name:
            yield name, matrix
        else:
            yield from ((f"{kind}To{rest}", matrix) for kind in kinds)
