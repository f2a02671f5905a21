"""Elementary functions of vector operations, correctly rounded.

* Formats of at most 16 bits: a table of all codes (`emu.functions`), looked up.
* Wider ones, in any rounding: libm's float64 result, whose relative error is below MARGIN (libms stay far below it:
  their errors are a few units of 2^-53), rounded if that error cannot change the result; the few elements where it
  could are computed by `emu.functions`, which is correct by construction. So every machine gives the same bits.
* A function unit (spec/functions) takes the place of a function where the accelerator names one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from emu.arithmetic.rounded import Arithmetic, Floats
from emu.functions import Function, FunctionUnit
from emu.functions.job import Job
from emu.functions.table import apply_table

TABLE_BITS = 16
MARGIN = 2.0**-42
"""Relative error that libm's float64 results are trusted to."""

_erf, _erfc = (np.frompyfunc(function, 1, 1) for function in (math.erf, math.erfc))
GELU_CUBE = 0.044715


def _gelu_tanh(x: Floats) -> Floats:
    """x (1 + tanh u) / 2 = x / (1 + e^-2u)."""
    y: Floats = x / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (x + GELU_CUBE * x * x * x)))
    return y


_ROUGH: dict[Function, Callable[[Floats], Floats]] = {
    Function.EXP: np.exp,
    Function.EXP2: np.exp2,
    Function.LOG: np.log,
    Function.LOG2: np.log2,
    Function.SIN: np.sin,
    Function.COS: np.cos,
    Function.TANH: np.tanh,
    Function.SIGMOID: lambda x: 1 / (1 + np.exp(-x)),
    Function.ERF: lambda x: np.asarray(_erf(x), np.float64),
    Function.GELU: lambda x: x * (np.asarray(_erfc(x * -math.sqrt(0.5)), np.float64) * 0.5),
    Function.GELU_TANH: _gelu_tanh,
    Function.SILU: lambda x: x / (1 + np.exp(-x)),
}
"""In float64, within MARGIN where the result is normal: no term of these cancels another."""


@dataclass(frozen=True, kw_only=True)
class Functions:
    """The functions of one vector unit."""

    arithmetic: Arithmetic
    units: Mapping[Function, FunctionUnit] = field(default_factory=dict)
    """function units that compute a function instead"""

    def __call__(self, function: Function, x: Floats) -> Floats:
        """The function of values of the format."""
        unit = self.units.get(function)
        if unit is not None:
            codes = unit.input.encode(x, overflow="saturate", nan_to="zero")
            return self.arithmetic.round(unit.output.decode(unit.apply(codes)))
        arithmetic = self.arithmetic
        rough = _ROUGH.get(function)
        if arithmetic.format.bits <= TABLE_BITS or rough is None:
            return self._exactly(function, x)
        with np.errstate(all="ignore"):
            y = rough(x)
            width = np.abs(y) * MARGIN
            low, high = arithmetic.round(y - width), arithmetic.round(y + width)
            out = arithmetic.round(y)
            unsure = (low != high) | (np.abs(y) < np.finfo(np.float64).tiny) | ~np.isfinite(x)
        if unsure.any():
            out[unsure] = self._exactly(function, x[unsure])
        return out

    def _exactly(self, function: Function, x: Floats) -> Floats:
        fmt = self.arithmetic.format
        how = self.arithmetic.cast
        job = Job(function=function, operand=fmt, how=how)
        codes = fmt.encode(x, nan_to="zero")
        if fmt.bits <= TABLE_BITS:
            return fmt.decode(apply_table(job, codes.astype(np.uint64))[0])
        distinct, where = np.unique(codes, return_inverse=True)
        made = np.array([job.finish(*job.exact_result(int(code)))[0] for code in distinct], fmt.code_dtype)
        return fmt.decode(made[where].reshape(codes.shape))
