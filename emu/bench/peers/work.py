"""What an adapter returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Work:
    """One work of one library."""

    run: Callable[[], Any]
    """what is timed"""
    codes: Callable[[Any], Array]
    """its result as codes"""
    note: str = ""
    """why its bits differ, if they do"""


def numbers(codes: Array) -> Array:
    """E4M3 codes as float32."""
    from emu.formats.codec import decode32
    from emu.formats.load import load_format

    return decode32(load_format("float8_e4m3fn"), codes)


def half_codes(x: Any) -> Array:
    """The codes of numbers of binary16, in an array of any library."""
    return np.asarray(x).astype(np.float16).view(np.uint16)
