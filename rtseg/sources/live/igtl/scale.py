"""Applies a user's pixel size to a stream whose frames state their own."""

import math

from rtseg.frame import Spacing

_TOLERANCE = 1e-6  # relative: two statements of the same spacing


class SpacingOverride:
    """Replaces what the source states for its first frame by the user's spacing, and scales it with later changes.

    A change of depth changes the user's value in the same ratio. One object serves all connections of a source, so that a
    depth that changed during an outage is noticed. given: (down, along) in mm; None: what the source states holds.
    """

    def __init__(self, given: Spacing | None) -> None:
        self._given = given
        self._first: Spacing | None = None
        self._has_begun = False

    def apply(self, stated: Spacing | None) -> Spacing | None:
        """Return the spacing of a frame, None where it is unknown. stated: by the source, None where it states none."""
        if self._given is None:
            return stated
        if not self._has_begun:
            self._has_begun, self._first = True, stated
        if stated == self._first:
            return self._given
        if stated is None or self._first is None:
            return stated
        if all(math.isclose(now, first, rel_tol=_TOLERANCE) for now, first in zip(stated, self._first, strict=True)):
            return self._given
        return self._given[0] * stated[0] / self._first[0], self._given[1] * stated[1] / self._first[1]
