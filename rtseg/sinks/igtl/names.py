"""How what rtseg sends is called, after what it was made from, as PLUS calls its own.

PLUS sends the image "Image" in the coordinates of "Reference" as the device "Image_Reference", and the transform between the
two as "ImageToReference".
"""

from collections.abc import Iterable, Iterator, Mapping

from rtseg.frame import Matrix


def picture_name(kind: str, device: str) -> str:
    """The device that sends `kind`, such as "Mask", of the images of `device`: "Mask_Reference" for "Image_Reference"."""
    _, underscore, frame = device.partition("_")
    return f"{kind}{underscore}{frame}"


def transform_names(kinds: Iterable[str], device: str, transforms: Mapping[str, Matrix]) -> Iterator[tuple[str, Matrix]]:
    """The transforms by the names that they are sent with.

    One that places the image places what was made of it: "ImageToReference" is sent as "MaskToReference", and so for each kind.
    The image's own name is left to its sender: 3D Slicer gives two senders of one name the same node.
    """
    source = device.partition("_")[0] or "Image"
    for name, matrix in transforms.items():
        rest = name.removeprefix(f"{source}To")
        if rest == name:
            yield name, matrix
        else:
            yield from ((f"{kind}To{rest}", matrix) for kind in kinds)
