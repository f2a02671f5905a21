"""A lowered layer in plain floating point: the truth that the emulated layer is compared with.

* The product in NumPy's matmul of the wanted type, then · alpha, then + beta·bias, in that type.
* Not bit-exact from machine to machine: the order of the sum is the BLAS library's. Integer-valued data whose sums fit
  the significand are exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emu.layers.gemm import Lowered


def evaluate(lowered: Lowered) -> NDArray[np.float64]:
    """The layer in float64.

    Returns:
        The output, in the operator's shape.
    """
    y = lowered.new_product(np.float64)
    rows = lowered.geometry.rows(lowered.source, 0)
    with np.errstate(all="ignore"):  # signalling NaN among them, which a cast to float64 would tell of
        b = lowered.b.astype(np.float64)
        for start, stop in lowered.tiles():
            part = np.matmul(rows(start, stop).astype(np.float64), b)
            if lowered.alpha != 1.0:
                part *= lowered.alpha
            bias = lowered.bias_rows(start, stop)
            if bias is not None:
                part += lowered.beta * bias.astype(np.float64)
            y[:, start:stop] = part
    return lowered.assemble(y)
