"""Tells which measures follow the heart beat."""

from collections.abc import Sequence

from rtseg.measure.quantities import LUMEN

VOLUMES = ("lv_volume", "lv_volume_al")


def is_lumen_measure(name: str, classes: Sequence[str]) -> bool:
    """Return whether a measure is that of a vessel's lumen, which widens with each beat. name: as in the outputs."""
    kind = name.partition(":")[0]
    return kind == "vessel_diameter" or (kind in ("area", "diameter") and any(one in LUMEN for one in classes))


def is_ventricle_measure(name: str) -> bool:
    """Return whether a measure is the volume of a ventricle. name: as in the outputs."""
    return name.partition(":")[0] in VOLUMES
