"""Finds the measures of plug-ins, and turns what they raise into the reason why a value is withheld."""

import math
from dataclasses import replace
from typing import Any

from rtseg.errors import PluginError
from rtseg.measure.measured_region import MeasuredRegion
from rtseg.measure.quantity import Compute, Quantity
from rtseg.plugins import MEASURES, Plugin, find_plugin


def plugin_quantity(name: str) -> Quantity | None:
    """Return the quantity of a plug-in, None where there is none of that name. Raises PluginError."""
    plugin = find_plugin(MEASURES, name)
    if plugin is None:
        return None
    quantity = plugin.load()
    if not isinstance(quantity, Quantity) or quantity.name != name:
        raise PluginError(f"{plugin} is no Quantity of that name, see docs/plugins.md: tell its makers")
    return replace(quantity, compute=_guarded(plugin, quantity.compute))


def _guarded(plugin: Plugin, compute: Compute) -> Compute:
    def guarded(*regions: MeasuredRegion) -> float | None:
        value = plugin.call(lambda: _number(compute(*regions)), "cannot measure this")
        if value is not None and not math.isfinite(value):
            raise PluginError(f"{plugin} measured {value}: tell its makers")
        return value

    return guarded


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
