"""Running this processor's instructions on arrays of codes: cemu_probe.h in Python."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.enums import Flag
from emu.formats.native import pointer

DAZ, FTZ, MODES = 4, 8, 16
"""Bits of a mode above the rounding (0 to 3, in the order of `emu.verify.instructions.ROUNDINGS`); how many modes"""


EXCEPTIONS = (Flag.INVALID, Flag(0), Flag.DIVIDE_BY_ZERO, Flag.OVERFLOW, Flag.UNDERFLOW, Flag.INEXACT)
"""By bit of MXCSR; bit 1 is the denormal flag"""
_FLAGS = np.array(
    [sum(int(flag) for i, flag in enumerate(EXCEPTIONS) if word >> i & 1) for word in range(1 << len(EXCEPTIONS))],
    np.uint8,
)


class State(Enum):
    """Whether a probe can run here, or why not; in the order of cemu_probe.h."""

    AVAILABLE = "available"
    NOT_COMPILED = "not compiled in"
    NO_CPU = "not in this processor"
    NO_OS = "not let by the operating system"


@cache
def state(name: str) -> State:
    """Whether a probe (its name in cemu_probe.h, without CEMU_PROBE_) can run here."""
    from cemu import lib

    return list(State)[int(lib.cemu_probe_available(number(name)))]


def number(name: str) -> int:
    """The number of a probe."""
    from cemu import lib

    return int(getattr(lib, f"CEMU_PROBE_{name}"))


def run_lanes(name: str, mode: int, operands: Sequence[NDArray[Any]], out: NDArray[Any], n: int) -> None:
    """Run a vector instruction.

    Args:
        name: the probe.
        mode: rounding, DAZ and FTZ.
        operands: C-contiguous codes of a, b and c as cemu_probe_run takes them, as many as there are.
        out: gets the result codes.
        n: results; of complex instructions, pairs.
    """
    from cemu import lib

    a, b, c = (pointer("void *", x) for x in (*operands, None, None)[:3])
    _check(lib.cemu_probe_run(number(name), mode, a, b, c, pointer("void *", out), n), name)


def run_flags(name: str, mode: int, operands: Sequence[NDArray[Any]], n: int) -> NDArray[np.uint8]:
    """The flags that each result of a vector instruction raises, in the bits of emu; the denormal flag is left out."""
    from cemu import lib

    a, b, c = (pointer("void *", x) for x in (*operands, None, None)[:3])
    out = empty((n,), np.uint8)
    _check(lib.cemu_probe_flags(number(name), mode, a, b, c, pointer("uint8_t *", out), n), name)
    return np.asarray(_FLAGS[out])


def run_tiles(name: str, mode: int, a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], out: NDArray[Any]) -> None:
    """Run a tile instruction on a [tiles, M, K], b [tiles, K, N], c and out [tiles, M, N], all C-contiguous."""
    from cemu import lib

    (tiles, m, k), n = a.shape, b.shape[2]
    arrays = (pointer("void *", x) for x in (a, b, c, out))
    _check(lib.cemu_probe_tiles(number(name), mode, m, n, k, *arrays, tiles), name)


def _check(code: int, name: str) -> None:
    if code:
        raise AssertionError(f"probe {name}: status {code}")


def processor() -> str:
    """The processor's name for itself, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    named = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    numbers = ", ".join(f"{key} {named[key]}" for key in ("cpu family", "model", "stepping") if key in named)
    return " ".join(filter(None, (named.get("model name", ""), f"({numbers})" if numbers else "")))


def empty(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array for results, filled so that a result that is not written shows."""
    return np.full(shape, 0xA5, dtype=dtype)
