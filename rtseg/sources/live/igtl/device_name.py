"""Tells devices apart whose names are longer than the 20 bytes of a message's header."""

from rtseg.igtl.header import NAME_BYTES

FULL_NAME = "IGTL_DEVICE_NAME"  # the metadata with a name of more than 20 bytes, as OpenIGTLink's library and PLUS write it


class DeviceName:
    """Holds the name of the device that is read: the requested one, or that of the first picture that fits.

    Where metadata state full names, two devices that share their first 20 bytes never mix: one of them is read. requested:
    by the user, "" for any.
    """

    def __init__(self, requested: str) -> None:
        encoded = requested.encode("utf-8", "replace")
        self._short = encoded[:NAME_BYTES].decode("utf-8", "ignore").strip()
        self.name = requested if len(encoded) > NAME_BYTES else ""
        self._is_confirmed = False  # whether metadata, or a name short enough, have stated `name`

    def may_be(self, short: str) -> bool:
        """Return whether a message may be of the device, by the name in its header."""
        return not self._short or short.rstrip("\ufffd") == self._short  # a character may be cut in two

    def is_same(self, short: str, full: str) -> bool:
        """Return whether an image is of the device. full: its name in the metadata, "" where they hold none."""
        if not self.may_be(short):
            return False
        if self.name and not full and not self._is_confirmed:
            return True  # the sender cuts names and does not state them: there is nothing to tell devices apart by
        return self.name in ("", full or short)

    def confirm(self, short: str, full: str) -> None:
        """Register an image for which `is_same` returned true and which holds a picture: its device is read from now on."""
        stated = full or short
        if not self.name:
            self._short, self.name = self._short or short.rstrip("\ufffd"), stated
        self._is_confirmed = self._is_confirmed or stated == self.name
