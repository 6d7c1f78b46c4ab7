"""Names every quantity that is measured on the mask of one frame: its unit, the classes that it needs, and its definition.

A quantity that no shipped model's classes allow is listed too, with what it needs, for the user's own model.
"""

from types import MappingProxyType

import numpy as np

from rtseg.errors import ConfigError
from rtseg.measure.ellipsoid import plane_volume
from rtseg.measure.head import gestational_age_weeks, outer_to_inner_diameter
from rtseg.measure.layer_thickness import layer_thickness, pennation_angle, split_layers
from rtseg.measure.lesion import lesion_extent, taller_than_wide
from rtseg.measure.measured_region import MeasuredRegion
from rtseg.measure.needle import distance_to, find_needle
from rtseg.measure.outline import perimeter, trace_outline
from rtseg.measure.plugin_quantity import plugin_quantity
from rtseg.measure.quantity import Quantity
from rtseg.measure.ventricle import area_length_volume, disc_volume
from rtseg.measure.vessel import lumen_diameter
from rtseg.plugins import MEASURES, names_with_plugins

_HEAD, _ABDOMEN = ("head", "fetal head", "skull"), ("abdomen", "fetal abdomen")
_CAVITY, _ORGAN = ("cranial cavity", "intracranial", "brain"), ("bladder", "prostate", "uterus", "thyroid", "kidney")
LUMEN, _LESION = ("lumen", "vessel", "artery", "carotid"), ("lesion", "tumor", "tumour", "nodule")
_VENTRICLE = ("left ventricle", "lv", "ventricle")
_APONEUROSIS, _UPPER, _LOWER = ("aponeurosis",), ("superficial aponeurosis",), ("deep aponeurosis",)
_ANY: tuple[str, ...] = ()


def _between_layers(region: MeasuredRegion) -> float | None:
    layers = split_layers(region.mask)
    return layer_thickness(*layers, region.spacing_mm) if layers else None


def _age(region: MeasuredRegion) -> float | None:
    return gestational_age_weeks(region.head.hc) if region.head else None


def _needle_angle(region: MeasuredRegion) -> float | None:
    needle = find_needle(region.mask, region.spacing_mm)
    return needle.angle_deg if needle else None


def _outer_to_inner(skull: MeasuredRegion, cavity: MeasuredRegion) -> float | None:
    return outer_to_inner_diameter(skull.mask | cavity.mask, cavity.largest, skull.spacing_mm)


def _tip_distance(region: MeasuredRegion, target: MeasuredRegion) -> float | None:
    needle = find_needle(region.mask, region.spacing_mm)
    return distance_to(target.mask, needle.tip, region.spacing_mm) if needle else None


_LISTED = (
    Quantity("area", "area", "mm2", (_ANY,), "area of all pixels of the class", lambda r: r.area_mm2),
    Quantity(
        "perimeter",
        "perimeter",
        "mm",
        (_ANY,),
        "length of the outline of the largest region",
        lambda r: perimeter(trace_outline(r.mask), r.spacing_mm),
    ),
    Quantity(
        "diameter",
        "equal-area diameter",
        "mm",
        (_ANY,),
        "diameter of the circle with the same area",
        lambda r: float(np.sqrt(4 / np.pi * r.area_mm2)),
    ),
    Quantity(
        "min_calliper", "smallest calliper", "mm", (_ANY,), "smallest width between two parallels", lambda r: r.callipers_mm[0]
    ),
    Quantity(
        "max_calliper", "largest calliper", "mm", (_ANY,), "largest distance of two outline points", lambda r: r.callipers_mm[1]
    ),
    Quantity(
        "major_axis",
        "major axis",
        "mm",
        (_ANY,),
        "full major axis of the ellipse of the largest region",
        lambda r: r.ellipse.major,
    ),
    Quantity(
        "minor_axis",
        "minor axis",
        "mm",
        (_ANY,),
        "full minor axis of the ellipse of the largest region",
        lambda r: r.ellipse.minor,
    ),
    Quantity(
        "hc", "head circumference", "mm", (_HEAD,), "circumference of the skull's ellipse, outer to outer", lambda r: r.head.hc
    ),
    Quantity(
        "bpd", "biparietal diameter", "mm", (_HEAD,), "minor axis of the skull's ellipse, outer to outer", lambda r: r.head.bpd
    ),
    Quantity(
        "ofd",
        "occipitofrontal diameter",
        "mm",
        (_HEAD,),
        "major axis of the skull's ellipse, outer to outer",
        lambda r: r.head.ofd,
    ),
    Quantity(
        "bpd_oi",
        "biparietal diameter, outer to inner",
        "mm",
        (("skull", "head", "fetal head"), _CAVITY),
        "minor axis of the head's ellipse, from the near outer border to the far inner border of the skull",
        _outer_to_inner,
    ),
    Quantity("ga", "gestational age by HC", "weeks", (_HEAD,), "Hadlock 1984 by the head circumference, 12 to 42 weeks", _age),
    Quantity(
        "ac",
        "abdominal circumference",
        "mm",
        (_ABDOMEN,),
        "circumference of the abdomen's ellipse along the skin, outer to outer",
        lambda r: r.ellipse.circumference,
    ),
    Quantity(
        "vessel_diameter",
        "vessel diameter",
        "mm",
        (LUMEN,),
        "of equal area where cut across, else the median width of the middle 80 % of the length",
        lambda r: lumen_diameter(r.largest, r.spacing_mm),
        may_be_cut=True,
    ),
    Quantity(
        "lesion_width",
        "lesion width",
        "mm",
        (_LESION,),
        "extent along the probe's face",
        lambda r: lesion_extent(r.largest, r.spacing_mm)[1],
    ),
    Quantity(
        "lesion_height",
        "lesion height",
        "mm",
        (_LESION,),
        "extent away from the probe",
        lambda r: lesion_extent(r.largest, r.spacing_mm)[0],
    ),
    Quantity(
        "taller_than_wide",
        "height over width",
        "",
        (_LESION,),
        "lesion height over lesion width, above 1 for taller than wide (BI-RADS)",
        lambda r: taller_than_wide(r.largest, r.spacing_mm),
    ),
    Quantity(
        "muscle_thickness",
        "muscle thickness",
        "mm",
        (_APONEUROSIS,),
        "mean distance of the two largest regions",
        _between_layers,
        may_be_cut=True,
    ),
    Quantity(
        "layer_thickness",
        "thickness between layers",
        "mm",
        (_UPPER, _LOWER),
        "mean distance of the facing borders",
        lambda upper, lower: layer_thickness(upper.mask, lower.mask, upper.spacing_mm),
        may_be_cut=True,
    ),
    Quantity(
        "pennation",
        "pennation angle",
        "deg",
        (("fascicle",), (*_LOWER, *_APONEUROSIS)),
        "median angle of the fascicles to the deep aponeurosis",
        lambda fascicles, lower: pennation_angle(fascicles.mask, lower.mask, fascicles.spacing_mm),
        may_be_cut=True,
    ),
    Quantity(
        "organ_volume",
        "volume by three lengths",
        "ml",
        (_ORGAN,),
        "pi / 6 times both axes of the ellipse in this plane and a length of another plane, as in organ_volume=bladder,62mm",
        plane_volume,
        lengths=1,
    ),
    Quantity(
        "lv_volume",
        "left-ventricular volume",
        "ml",
        (_VENTRICLE,),
        "20 discs, single plane",
        lambda r: disc_volume(r.largest, r.spacing_mm),
    ),
    Quantity(
        "lv_volume_al",
        "left-ventricular volume by length",
        "ml",
        (_VENTRICLE,),
        "8 area^2 / (3 pi length)",
        lambda r: area_length_volume(r.largest, r.spacing_mm),
    ),
    Quantity(
        "needle_angle",
        "needle angle",
        "deg",
        (("needle",),),
        "angle of the axis to the probe's face",
        _needle_angle,
        may_be_cut=True,
    ),
    Quantity(
        "tip_distance",
        "needle tip to target",
        "mm",
        (("needle",), ("target", *_LESION, "nerve")),
        "negative inside",
        _tip_distance,
    ),
)

QUANTITIES = MappingProxyType({quantity.name: quantity for quantity in _LISTED})


def find_quantity(name: str) -> Quantity:
    """Return the quantity of that name or title, else that of a plug-in. Raises ConfigError, PluginError."""
    wanted = name.strip().lower()
    for quantity in _LISTED:
        if wanted in (quantity.name, quantity.title):
            return quantity
    offered = plugin_quantity(wanted)
    if offered is None:
        raise ConfigError(f"{name!r} is no measure: give one of {names_with_plugins(MEASURES, QUANTITIES)}")
    return offered
