"""Checks the terminology codes of classes: SCT:CONCEPT for SNOMED CT, whose last digit is a check digit.

The check digit: J. Verhoeff, "Error detecting decimal codes", 1969, by the dihedral group of order 10.
"""

import re

_CODE = re.compile(r"SCT:(?P<concept>[1-9]\d{5,17})")
_CONCEPT_PARTITIONS = ("00", "10")  # the digits before the last, of a concept of the core or of an extension
_SHIFT = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)  # the permutation that is applied once more for each place


def is_code(text: str) -> bool:
    """Return whether a text is a code of SNOMED CT with a right check digit, as "SCT:32062004"."""
    found = _CODE.fullmatch(text)
    return found is not None and found["concept"][-3:-1] in _CONCEPT_PARTITIONS and _checksum(found["concept"]) == 0


def _checksum(digits: str) -> int:
    """Return 0 for digits with a right check digit."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(place % 8):
            value = _SHIFT[value]
        total = _product(total, value)
    return total


def _product(one: int, other: int) -> int:
    """Return the product in the dihedral group of order 10: 0 to 4 are turns, 5 to 9 are reflections."""
    if one < 5:
        return (one + other) % 5 if other < 5 else 5 + (one + other) % 5
    return 5 + (one - other) % 5 if other < 5 else (one - other) % 5
