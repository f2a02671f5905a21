"""How codes differ from recorded ones, by class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError
from emu.formats.decode import decode_code
from emu.formats.model import Format

VALUE, ZERO_SIGN, NAN, NAN_OR_NUMBER, INFINITY = range(5)
CLASSES = ("value", "zero sign", "NaN payload/sign", "NaN vs number", "infinity")
"""Two finite numbers; +0 and -0; two codes of NaN; NaN and a number; an infinity and another number"""


def classify(got: NDArray[Any], expected: NDArray[Any], fmt: Format) -> NDArray[np.intp]:
    """The class of each pair of codes that differ, as an index of `CLASSES`."""
    (x_nan, x_inf, x_zero), (y_nan, y_inf, y_zero) = _kinds(got, fmt), _kinds(expected, fmt)
    out = np.full(got.shape, VALUE, np.intp)
    out[x_zero & y_zero] = ZERO_SIGN
    out[x_inf | y_inf] = INFINITY
    out[x_nan | y_nan] = NAN_OR_NUMBER
    out[x_nan & y_nan] = NAN
    return out


def _kinds(codes: NDArray[Any], fmt: Format) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which codes are NaN, infinite, zero."""
    try:
        values = fmt.decode(codes)
        return np.isnan(values), np.isinf(values), values == 0
    except FormatError:  # a format whose values float64 does not hold
        exact = [decode_code(fmt, int(code)) for code in codes.ravel()]
        nan, infinite, zero = (
            np.array(kind, bool).reshape(codes.shape)
            for kind in ([x.nan for x in exact], [x.inf for x in exact], [x.is_zero for x in exact])
        )
        return nan, infinite, zero
