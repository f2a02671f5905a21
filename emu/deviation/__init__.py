"""How far a replay is from the truth: metrics, one row per layer, tables and stored results.

`emu.deviation.run` glues replay and judgement; it is imported by name, because it needs the replay engine.
"""

from emu.deviation.agreement import argmax_agreement, topk_agreement
from emu.deviation.metrics import cosine, finite_pairs, max_abs, mse, sqnr_db
from emu.deviation.result import Result
from emu.deviation.rows import LayerRow, OutputRow
from emu.deviation.ulp import histogram, ulp_distances

__all__ = [
    "LayerRow",
    "OutputRow",
    "Result",
    "argmax_agreement",
    "cosine",
    "finite_pairs",
    "histogram",
    "max_abs",
    "mse",
    "sqnr_db",
    "topk_agreement",
    "ulp_distances",
]
