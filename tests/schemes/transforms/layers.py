"""A layer for tests of transforms: a plan, an operator, and how far its output is from the exact one."""

from __future__ import annotations

import numpy as np

from emu import load_accelerator
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.layers.static import AT_HAND

F32 = np.float32
EXACT = {"name": "exact", "operands": {"a": "float32", "b": "float32", "d": "float64"}, "level": [{}]}
INT4 = "integer:add(a=int4,b=int4)"


def plan(unit="int8-int32", scheme="absmax", per="tensor", **matrix):
    keys = {
        "unit": unit,
        "activations": {"scheme": scheme, "per": per},
        "weights": {"scheme": scheme, "per": "channel"},
    }
    return load_accelerator({"matrix": {**keys, **matrix}}).matrix


def layer(x, w, op="MatMul", **attributes):
    return lower(op, [x, w], attributes, constant=(False, True))


def error(lowered, how, exact, static=AT_HAND):
    """Squares of the error, summed."""
    return float(((emulate(lowered, how, static=static).y.astype(float) - exact) ** 2).sum())
