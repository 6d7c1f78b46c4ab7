"""Takes from a curve what a heart beat tells: the rate, the strain of a lumen, the ejection fraction of a ventricle."""

from collections.abc import Sequence

import numpy as np

from rtseg.measure.beating_measure import is_lumen_measure, is_ventricle_measure
from rtseg.measure.heart_cycle import find_beats, heart_rate
from rtseg.measure.measure_history import MeasureHistory

Row = tuple[str, str, str]  # title, median, the value of each beat

_MIN_BEATS = 3
_MAX_SHOWN = 12


def beat_rows(name: str, history: MeasureHistory) -> list[Row]:
    """Return the rows of a measure that beats; none where fewer than 3 beats are seen, or it is no vessel and no ventricle."""
    is_volume = is_ventricle_measure(name)
    if not is_volume and not is_lumen_measure(name, history.classes):
        return []
    times, values, _, _ = history.curve()
    beats = find_beats(times, values)
    if len(beats) < _MIN_BEATS:
        return []
    full = np.array([values[beat.end_diastole] for beat in beats])
    least = np.array([values[beat.end_systole] for beat in beats])
    rate, rates = heart_rate(beats), [60 / beat.seconds for beat in beats]
    rows = [(f"heart rate by the {history.title}", f"{rate:.0f} per minute", _each(rates, "{:.0f}"))]
    if is_volume:
        shares = list(100 * (full - least) / full)
        rows.append((f"ejection fraction by the {history.title}", f"{np.median(shares):.0f} %", _each(shares, "{:.0f}")))
        rows.append(("end-diastolic volume", f"{np.median(full):.0f} ml", _each(list(full), "{:.0f}")))
        rows.append(("end-systolic volume", f"{np.median(least):.0f} ml", _each(list(least), "{:.0f}")))
    else:
        strains = list(100 * (full - least) / least)
        rows.append((f"growth of the {history.title} over the beat", f"{np.median(strains):.1f} %", _each(strains, "{:.1f}")))
    return rows


def _each(values: Sequence[float], form: str) -> str:
    shown = ", ".join(form.format(value) for value in values[:_MAX_SHOWN])
    return shown + (f" and {len(values) - _MAX_SHOWN} more" if len(values) > _MAX_SHOWN else "")
