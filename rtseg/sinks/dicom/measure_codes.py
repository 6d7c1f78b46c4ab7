"""Names measures and units by the codes that DICOM uses for them (PS3.16: CID 218, 7470, 12005, 12019, 12122; UCUM)."""

from types import MappingProxyType

MEASURE_CODES = MappingProxyType(  # by name; those without one have a code of rtseg's own, their name
    {
        "area": ("42798000", "SCT", "Area"),
        "perimeter": ("131191004", "SCT", "Perimeter"),
        "major_axis": ("131187009", "SCT", "Major Axis"),
        "minor_axis": ("131188004", "SCT", "Minor Axis"),
        "hc": ("11984-2", "LN", "Head Circumference"),
        "bpd": ("11820-8", "LN", "Biparietal Diameter"),
        "ofd": ("11851-3", "LN", "Occipital-Frontal Diameter"),
        "ga": ("18185-9", "LN", "Gestational Age"),
        "ac": ("11979-2", "LN", "Abdominal Circumference"),
        "vessel_diameter": ("397413000", "SCT", "Vessel lumen diameter"),
        "lesion_width": ("103355008", "SCT", "Width"),
        "lesion_height": ("121207", "DCM", "Height"),
    }
)
UNIT_CODES = MappingProxyType(  # by the units of quantities
    {
        "mm": ("mm", "UCUM", "mm"),
        "mm2": ("mm2", "UCUM", "mm2"),
        "ml": ("mL", "UCUM", "mL"),
        "deg": ("deg", "UCUM", "degrees"),
        "weeks": ("wk", "UCUM", "weeks"),
        "": ("1", "UCUM", "no units"),
    }
)
