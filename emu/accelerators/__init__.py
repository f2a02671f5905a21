"""Accelerators: which unit and scheme each operator of a model uses."""

from emu.accelerators.accelerator import Accelerator, Rule
from emu.accelerators.keys import FallbackOps
from emu.accelerators.load import load_accelerator
from emu.accelerators.plan import BiasPlacement, KOrder, LayerPlan, OutputCast, Pass

__all__ = [
    "Accelerator",
    "BiasPlacement",
    "FallbackOps",
    "KOrder",
    "LayerPlan",
    "OutputCast",
    "Pass",
    "Rule",
    "load_accelerator",
]
