"""APyTypes' float arrays, and its accumulators for matrix products."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from emu.bench.peers.work import Array, Work, half_codes, numbers


def cast(x: Array) -> Work:
    """from_float."""
    arrays: Any = import_module("apytypes").APyFloatArray
    return Work(
        run=lambda: arrays.from_float(x, exp_bits=4, man_bits=3),
        codes=lambda found: np.asarray(found.to_bits(numpy=True)).astype(np.uint8),
        note="the top exponent is kept for infinity and NaN",
    )


def product(a: Array, b: Array) -> Work:
    """A matrix product with an accumulator of its own; operands in 1-5-3, which holds every E4M3 number."""
    library: Any = import_module("apytypes")
    x, y = (library.APyFloatArray.from_float(numbers(codes), exp_bits=5, man_bits=3) for codes in (a, b))

    def run() -> Any:
        with library.APyFloatAccumulatorContext(exp_bits=5, man_bits=10):
            return x @ y

    return Work(run=run, codes=lambda found: half_codes(found.to_numpy()))
