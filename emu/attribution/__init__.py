"""Where a layer's error comes from: a ladder of stages from exact to emulated, shares, traces of elements."""

from emu.attribution.ladder import Attribution, attribute, attribute_vector
from emu.attribution.shares import Shares, shapley, shares
from emu.attribution.stages import LADDER, Stage

__all__ = ["LADDER", "Attribution", "Shares", "Stage", "attribute", "attribute_vector", "shapley", "shares"]
