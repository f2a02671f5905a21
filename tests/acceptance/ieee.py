"""IEEE machines: their units, loops that compute what they should, operands that are hard on them.

Nothing here imports emu: the convolution is gathered index by index from ONNX's definition, the fused loop is C's
`fmaf`, the other one NumPy's float32.
"""

from __future__ import annotations

import ctypes
import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FLOAT32 = dict.fromkeys("abcd", "float32")
FMA = {"name": "float32-fma-chain", "operands": FLOAT32, "level": [{"result": {"format": "float32"}}]}
MULTIPLY_ADD = FMA | {"name": "float32-multiply-then-add", "product": {"result": {"format": "float32"}}}
IDENTITY = {"activations": {"scheme": "cast"}, "weights": {"scheme": "cast"}, "output": "float32"}
Loop = Callable[..., Any]


def machine(unit: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """An accelerator that leaves float32 tensors as they are and multiplies them in this unit."""
    return {"name": unit["name"], "matrix": {"unit": unit} | IDENTITY | keys}


def compiled(folder: Path) -> Loop:
    """`fmaf` in a loop: acc = +0 (or `start`), k ascending."""
    library = folder / "loops.so"
    source = Path(__file__).with_name("loops.c")
    flags = ["-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, str(source), "-o", str(library), "-lm"], check=True)
    fused = ctypes.CDLL(str(library)).fused
    pointer = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")
    fused.argtypes = [pointer] * 4 + [ctypes.c_size_t] * 3
    fused.restype = None

    def loop(a: Any, b: Any, start: Any = 0.0) -> Any:
        (m, k), n = a.shape, b.shape[1]
        c = np.empty((m, n), np.float32)
        begin = np.ascontiguousarray(np.broadcast_to(np.asarray(start, np.float32), (m, n)))
        fused(np.ascontiguousarray(a), np.ascontiguousarray(b), begin, c, m, k, n)
        return c

    return loop


def multiply_then_add(a: Any, b: Any, start: Any = 0.0) -> Any:
    """The plain loop in float32: a product is rounded, then a sum; acc = +0 (or `start`), k ascending."""
    total = np.broadcast_to(np.asarray(start, np.float32), (a.shape[0], b.shape[1])).copy()
    with np.errstate(all="ignore"):
        for k in range(a.shape[1]):
            total += a[:, k, None] * b[None, k, :]
    return total


def convolution(
    loop: Loop, x: Any, w: Any, *, group: int = 1, strides: Any = None, pads: Any = None, dilations: Any = None,
    channels_last: bool = False,
) -> Any:  # fmt: skip
    """ONNX's Conv: one element after the other, channels then taps in k (or taps then channels); padding is a +0 that
    is multiplied like any other element."""
    axes = x.ndim - 2
    strides, dilations = strides or [1] * axes, dilations or [1] * axes
    pads = pads or [0] * (2 * axes)
    taps = list(itertools.product(*map(range, w.shape[2:])))
    channels = range(w.shape[1])
    order = [(c, t) for t in taps for c in channels] if channels_last else [(c, t) for c in channels for t in taps]
    padded = np.pad(x, [(0, 0), (0, 0), *zip(pads[:axes], pads[axes:], strict=True)])
    spans = [(size - 1) * d + 1 for size, d in zip(w.shape[2:], dilations, strict=True)]
    sizes = [(size - span) // s + 1 for size, span, s in zip(padded.shape[2:], spans, strides, strict=True)]
    y = np.empty((x.shape[0], w.shape[0], *sizes), np.float32)
    outs = w.shape[0] // group
    for image, out in np.ndindex(x.shape[0], w.shape[0]):
        first = out // outs * w.shape[1]
        weights = np.array([w[(out, c, *t)] for c, t in order], np.float32)[:, None]
        for place in np.ndindex(*sizes):
            corner = [p * s for p, s in zip(place, strides, strict=True)]
            at = {t: tuple(p + i * d for p, i, d in zip(corner, t, dilations, strict=True)) for t in taps}
            row = [padded[(image, first + c, *at[t])] for c, t in order]
            y[(image, out, *place)] = loop(np.array([row], np.float32), weights)[0, 0]
    return y


TINY, HUGE, EPS = 2.0**-149, float(np.finfo(np.float32).max), 2.0**-23
CLASSES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Any]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "subnormal": lambda rng, shape: rng.integers(-(2**23) + 1, 2**23, shape) * TINY,
    "smallest": lambda rng, shape: rng.choice([TINY, -TINY, 2.0**-126, 2.0**-75, -(2.0**-75), 2.0**-74], shape),
    "huge": lambda rng, shape: rng.choice([HUGE, -HUGE, 2.0**127, 2.0**64, -(2.0**63), 1.0], shape),
    "near one": lambda rng, shape: 1 + rng.integers(-4, 5, shape) * EPS,
    "cancelling": lambda rng, shape: rng.choice([1, -1], shape) * (1 + rng.integers(0, 3, shape) * EPS) * 2.0**12,
    "zeros": lambda rng, shape: rng.choice([0.0, -0.0, 1.0, -1.0], shape),
    "spread": lambda rng, shape: np.ldexp(rng.standard_normal(shape), rng.integers(-60, 60, shape)),
    "infinite": lambda rng, shape: rng.choice([np.inf, -np.inf, 1.0, -2.0, 0.5], shape, p=[0.02, 0.02, 0.4, 0.3, 0.26]),
    "nan": lambda rng, shape: rng.choice([np.nan, np.inf, 1.0, -1.0], shape, p=[0.03, 0.03, 0.5, 0.44]),
    "any bits": lambda rng, shape: rng.integers(0, 2**32, shape, dtype=np.uint32).view(np.float32),
}  # fmt: skip
"""Values of one class; the loops are compared class by class."""


def values(kind: str, seed: int, *shape: int) -> Any:
    """A tensor of one class."""
    rng = np.random.default_rng([seed, *map(ord, kind)])
    with np.errstate(all="ignore"):
        return CLASSES[kind](rng, shape).astype(np.float32)
