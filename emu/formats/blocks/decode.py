"""Decoding: element * scale (* tensor scale), exactly.

* A NaN scale makes its whole block NaN. NaN and infinite elements stay (an infinite one with a scale of zero is NaN).
* Zero elements keep their sign.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError
from emu.formats import codec
from emu.formats.blocks.blocked import Blocked
from emu.formats.blocks.model import BlockFormat


def decode(fmt: BlockFormat, blocked: Blocked) -> NDArray[np.float64]:
    """The values as float64 of the tensor's shape.

    Raises:
        FormatError: a product of element, scale and tensor scale may be no float64; use `decode_exact`.
        ValueError: `blocked` is of another format, or holds codes that are none.
    """
    _check(fmt, blocked)
    if not fmt.fits_float64:
        raise FormatError(f"{fmt} has values that float64 cannot hold: use decode_exact")
    elements = codec.decode(fmt.element, blocked.codes)
    tensor = np.float64(1 if blocked.tensor_scale is None else blocked.tensor_scale)
    with np.errstate(invalid="ignore"):
        return np.asarray(elements * spread(codec.decode(fmt.scale, blocked.scales), blocked) * tensor)


def decode_exact(fmt: BlockFormat, blocked: Blocked) -> NDArray[Any]:
    """The values as an object array of Fractions; NaN and infinities are Python floats.

    Raises:
        ValueError: `blocked` is of another format, or holds codes that are none.
    """
    _check(fmt, blocked)
    elements = codec.decode_exact(fmt.element, blocked.codes)
    scales = spread(codec.decode_exact(fmt.scale, blocked.scales), blocked)
    tensor = Fraction(1 if blocked.tensor_scale is None else float(blocked.tensor_scale))
    out = np.empty(blocked.shape, dtype=object)
    for index in np.ndindex(blocked.shape):
        out[index] = _product(elements[index], scales[index], tensor)
    return out


def _product(element: Any, scale: Any, tensor: Fraction) -> Fraction | float:
    if isinstance(element, Fraction) and isinstance(scale, Fraction):
        return element * scale * tensor
    return _sign(element) * _sign(scale)


def _sign(x: Fraction | float) -> float:
    """Stands for a finite number next to an infinity; NaN and infinities are what they are."""
    return float((x > 0) - (x < 0)) if isinstance(x, Fraction) else x


def spread(scales: NDArray[Any], blocked: Blocked) -> NDArray[Any]:
    """One scale for each element."""
    n = blocked.shape[blocked.axis]
    full = np.repeat(scales, blocked.format.block or max(n, 1), axis=blocked.axis)
    return full[(slice(None),) * blocked.axis + (slice(n),)]


def _check(fmt: BlockFormat, blocked: Blocked) -> None:
    if blocked.format != fmt:
        raise ValueError(f"codes of {blocked.format} are no codes of {fmt}")
