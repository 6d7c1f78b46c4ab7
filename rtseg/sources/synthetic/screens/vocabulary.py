"""Invent what is written on a scanner's screen: names, dates, numbers of patients, settings, menus."""

from collections.abc import Sequence

import numpy as np

_SURNAMES = (
    "Doe",
    "Miller",
    "Kowalski",
    "Nguyen",
    "Garcia",
    "Okafor",
    "Schmidt",
    "O'Brien",
    "Larsen",
    "Yilmaz",
    "Rossi",
    "Dubois",
)
_FIRST_NAMES = ("Jane", "John", "Anna", "Peter", "Maria", "Wei", "Fatima", "Carlos", "Ingrid", "Tom", "Aiko", "Lena")
_OTHER_SCRIPTS = (
    "Иванова Мария",
    "Петров Сергей",
    "Παπαδόπουλος Νίκος",
    "Ελένη Γεωργίου",
    "Çelik Özgür",
    "Łukasz Żak",
    "Шевченко Олена",
)
_CLINICS = (
    "ST. MARY HOSPITAL",
    "University Clinic",
    "City Imaging Center",
    "Vascular Lab",
    "Klinikum Nord",
    "Hopital Central",
    "Radiology 2",
)
_PRESETS = (
    "Abd Gen",
    "Carotid",
    "Thyroid",
    "OB 2/3",
    "Cardiac Adult",
    "MSK Sup",
    "Nerve",
    "Breast",
    "Prostate",
    "FAST",
    "Lung",
    "GYN",
)
_PROBES = ("C5-1", "L12-3", "L9-3s", "P4-2", "EC9-4", "SC6-1", "8L-RS", "BPC8-4/10", "12L", "C1-5-D", "S4-1")
_BUTTONS = (
    "Freeze",
    "Gain",
    "Depth",
    "Focus",
    "Measure",
    "Annotate",
    "Save",
    "Print",
    "Patient",
    "Probe",
    "Preset",
    "Color",
    "PW",
    "M-Mode",
)
_MORE_BUTTONS = (
    "Review",
    "End Exam",
    "Image",
    "Cine",
    "Map",
    "Zoom",
    "Dual",
    "Body Mark",
    "Menu",
    "Report",
    "Harmonics",
    "TGC",
    "Clip 3s",
)
_NOTES = (
    "RT LOBE",
    "LT KIDNEY LONG",
    "SAG",
    "TRV",
    "CCA PROX",
    "LIVER",
    "IJV",
    "A4C",
    "PLAX",
    "Dist 1.42 cm",
    "+ 23.1 mm",
    "HR 72 bpm",
    "BPD 5.3cm",
)


def person(rng: np.random.Generator) -> str:
    """Return a name, sometimes in another script."""
    if rng.random() < 0.2:
        return _one(rng, _OTHER_SCRIPTS)
    surname, first = _one(rng, _SURNAMES), _one(rng, _FIRST_NAMES)
    return _one(rng, (f"{surname}, {first}", f"{first} {surname}", f"{surname.upper()} {first.upper()}", f"{surname}^{first}"))


def date(rng: np.random.Generator) -> str:
    """Return a date in one of the usual orders."""
    year, month, day = int(rng.integers(1931, 2027)), int(rng.integers(1, 13)), int(rng.integers(1, 29))
    return _one(rng, (f"{year}-{month:02}-{day:02}", f"{day:02}.{month:02}.{year}", f"{month:02}/{day:02}/{year % 100:02}"))


def patient_number(rng: np.random.Generator) -> str:
    """Return a number of a patient."""
    number = int(rng.integers(10_000, 99_999_999))
    return _one(rng, (f"ID: {number}", f"ID{number}", f"MRN {number}", f"{number}", f"Pat. {number}"))


def clock(rng: np.random.Generator) -> str:
    """Return a time of the day."""
    return f"{int(rng.integers(0, 24)):02}:{int(rng.integers(0, 60)):02}:{int(rng.integers(0, 60)):02}"


def header(rng: np.random.Generator) -> list[str]:
    """Return the texts of a title bar: who, when, where."""
    texts = [person(rng), patient_number(rng), date(rng), clock(rng), _one(rng, _CLINICS), _one(rng, _PROBES)]
    texts += [f"MI {rng.uniform(0.2, 1.5):.1f}", f"TIs {rng.uniform(0.1, 1.2):.1f}", _one(rng, _PRESETS)]
    count = int(rng.integers(4, len(texts) + 1))
    return [texts[i] for i in sorted(rng.permutation(len(texts))[:count])]


def settings(rng: np.random.Generator, depth_cm: float, lines: int) -> list[str]:
    """Return lines of settings."""
    found = [
        f"Frq {rng.uniform(2, 15):.1f} MHz",
        f"Gn {int(rng.integers(20, 90))}",
        f"D {depth_cm:.1f} cm",
        f"DR {int(rng.integers(45, 90))}",
        f"FR {int(rng.integers(9, 60))} Hz",
        f"AO {int(rng.integers(20, 100))} %",
        f"Map {_one(rng, 'ABCDEF')}/{int(rng.integers(0, 6))}",
        f"2D {int(rng.integers(30, 90))}%",
        f"C {int(rng.integers(40, 70))}",
        "P Low",
        "HGen",
        _one(rng, _PRESETS),
        _one(rng, _PROBES),
        "XBeam On",
        f"Persist {int(rng.integers(0, 6))}",
    ]
    return [found[i] for i in rng.permutation(len(found))[:lines]]


def buttons(rng: np.random.Generator, count: int) -> list[str]:
    """Return the labels of a menu."""
    every = _BUTTONS + _MORE_BUTTONS
    return [every[i] for i in rng.permutation(len(every))[:count]]


def note(rng: np.random.Generator) -> str:
    """Return what an operator writes over the picture."""
    return _one(rng, _NOTES)


def _one(rng: np.random.Generator, texts: Sequence[str]) -> str:
    return texts[int(rng.integers(0, len(texts)))]
