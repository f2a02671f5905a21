"""Pairs without a layer: what a transform sees, with quantisers that are a few lines of NumPy."""

from __future__ import annotations

import numpy as np

from emu.schemes.draft import Fixed
from emu.schemes.transforms.pair import Pair

F32 = np.float32


def pair(x, w, bits=None):
    """A matrix product x [M, K] · w [K, N]; with `bits`, both operands have a symmetric scale per tensor."""
    x, w = np.asarray(x, F32), np.asarray(w, F32)[None]
    largest = None if bits is None else F32(2 ** (bits - 1) - 1)

    def quantised(values, fixed=None):
        scale = np.abs(values).max() / largest if fixed is None else fixed.scale
        return (np.clip(np.rint(values / scale), -largest, largest) * scale).astype(F32)

    def of(values):
        return Fixed(scale=np.asarray(np.abs(values).max() / largest))

    return Pair(
        x=x, channel_axis=1, w=w, channel_of_k=np.arange(x.shape[1])[None], rows=lambda values: values[None],
        quantised_x=quantised, quantised_w=quantised, scale_of_x=lambda: of(x),
    )  # fmt: skip


def value(made):
    """The product in float64, with what is added to it."""
    product = made.rows(made.x)[0].astype(np.float64) @ made.w[0].astype(np.float64)
    return product if made.extra is None else product + made.extra[0]


def error(made, wanted):
    """The squared error of the quantised product."""
    fixed = None if made.ranges is None else made.scale_of_x()
    x, w = made.quantised_x(made.x, fixed).astype(float), made.quantised_w(made.w)[0].astype(float)
    extra = 0 if made.extra is None else made.extra[0]
    return ((x @ w + extra - wanted) ** 2).mean()
