"""Finds missing pictures by MPEG-2's temporal references, which number the pictures of a group as they are shown.

Source: ITU-T H.262, clauses 6.3.5 (low_delay), 6.3.8 (broken_link) and 6.3.9 (temporal_reference).
"""

_PICTURE, _GROUP, _EXTENSION = b"\0\0\1\x00", b"\0\0\1\xb8", b"\0\0\1\xb5"
_SEQUENCE = 1  # number of an extension
_B_PICTURE = 3
_MODULUS = 1 << 10
_FAR = _MODULUS // 2  # a step back, and none ahead


class TemporalReferences:
    """Follows the numbers of pictures in the order of decoding. B pictures come behind the picture that is shown after them."""

    def __init__(self) -> None:
        self._expected: int | None = None  # number of the next picture that is shown and not decoded yet
        self._anchor = 0  # number of the newest I or P picture
        self._has_no_b = False  # whether the sequence says so

    def missing_before(self, data: bytes) -> int:
        """Return the number of pictures that are known to be missing in front of the one in `data`, or before it."""
        at = data.find(_PICTURE)
        if at < 0 or len(data) < at + 6:
            return 0
        self._read_extension(data[:at])
        number, kind = data[at + 4] << 2 | data[at + 5] >> 6, data[at + 5] >> 3 & 7
        group = data.rfind(_GROUP, 0, at)
        if kind == _B_PICTURE:
            return self._b_picture(number)
        missing = self._steps(self._anchor)
        if group >= 0:
            is_broken = len(data) > group + 7 and bool(data[group + 7] & 0x20)
            self._expected = None if self._expected is None or is_broken else 0
        elif self._expected is not None and number != self._anchor:
            self._expected = (self._anchor + 1) % _MODULUS
        if self._expected is None:
            missing, self._expected = 0, number
        elif self._has_no_b:
            missing += self._steps(number)
            self._expected = number
        self._anchor = number
        return missing

    def _b_picture(self, number: int) -> int:
        if self._expected is None:
            return 0
        missing, is_lost = self._steps(number), 0 < (number - self._anchor) % _MODULUS < _FAR
        self._expected = (number + 1) % _MODULUS if missing or number == self._expected else self._expected
        return missing + is_lost

    def _steps(self, number: int) -> int:
        """Return how many pictures are shown between the expected one and a number."""
        steps = 0 if self._expected is None else (number - self._expected) % _MODULUS
        return steps if steps < _FAR else 0

    def _read_extension(self, head: bytes) -> None:
        at = head.find(_EXTENSION)
        while at >= 0 and len(head) >= at + 10:
            if head[at + 4] >> 4 == _SEQUENCE:
                self._has_no_b = bool(head[at + 9] & 0x80)
            at = head.find(_EXTENSION, at + 4)
