"""Units: arithmetic datapaths as data, and the backends that run them."""

from emu.units.events import Events
from emu.units.load import load_unit
from emu.units.unit import Unit

__all__ = ["Events", "Unit", "load_unit"]
