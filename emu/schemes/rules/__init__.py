"""The rules of the step `scale`, one module each: what range of the values a scale maps to the format.

A rule is a frozen dataclass; its fields are the keys of the step that it takes (`emu.schemes.steps.scale`).
"""

from __future__ import annotations

from emu.schemes.enums import ScaleRule
from emu.schemes.rules.absmax import Absmax
from emu.schemes.rules.given import Bound, Given
from emu.schemes.rules.mean_abs import MeanAbs
from emu.schemes.rules.minmax import MinMax
from emu.schemes.rules.mse import Mse
from emu.schemes.rules.pact import Pact
from emu.schemes.rules.percentile import Percentile
from emu.schemes.rules.rule import Rule
from emu.schemes.rules.sawb import Sawb

RULES: dict[ScaleRule, type[Rule]] = {
    ScaleRule.ABSMAX: Absmax,
    ScaleRule.MINMAX: MinMax,
    ScaleRule.PERCENTILE: Percentile,
    ScaleRule.MEAN_ABS: MeanAbs,
    ScaleRule.MSE: Mse,
    ScaleRule.GIVEN: Given,
    ScaleRule.BOUND: Bound,
    ScaleRule.SAWB: Sawb,
    ScaleRule.PACT: Pact,
}
"""The class of every rule."""
