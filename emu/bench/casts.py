"""The casts that are measured, each next to what does the same elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One cast on one array."""

    run: Callable[[], Any]
    peers: dict[str, Callable[[], Any]]
    """other ways to do it, by name; the first one is the baseline"""
    check: Callable[[], str]
    """compares bits: empty, or what differs"""


@dataclass(frozen=True, kw_only=True)
class Cast:
    """A cast that is measured."""

    key: str
    goal: str
    cached_goal: str | None
    """the goal in cache, if there is one"""
    size: int
    make: Callable[[int], Job]
    """the job on so many elements"""


LARGE, CACHED = 1 << 24, 1 << 17
"""Elements: beyond every cache, and in the second level."""


def floats(size: int) -> Array:
    """Normally distributed float32."""
    return np.random.default_rng(size).standard_normal(size, dtype=np.float32)


def _encode(name: str) -> Callable[[int], Job]:
    def make(size: int) -> Job:
        import ml_dtypes

        from emu.formats.codes import native_dtype
        from emu.formats.load import load_format

        fmt, x = load_format(name), floats(size)
        same = native_dtype(fmt)
        peers: dict[str, Callable[[], Any]] = {"ml_dtypes astype": lambda: x.astype(ml_dtypes.float8_e4m3fn)}
        if same is not None and name != "float8_e4m3fn":
            peers[f"ml_dtypes astype to {name}"] = lambda: x.astype(same)
        peers |= _torch(name, x) | {"memcpy of the input": lambda: x.copy()}

        def check() -> str:
            part = x[: 1 << 20]
            if same is None or np.array_equal(fmt.encode(part), part.astype(same).view(fmt.code_dtype)):
                return _general_encode(fmt, part[: 1 << 18])
            return f"ml_dtypes' {name} differs"

        return Job(run=lambda: fmt.encode(x), peers=peers, check=check)

    return make


def _torch(name: str, x: Array) -> dict[str, Callable[[], Any]]:
    try:
        torch = import_module("torch")
    except ImportError:
        return {}
    dtype = getattr(torch, name, None)
    if dtype is None:
        return {}
    tensor = torch.from_numpy(x)
    return {"torch .to()": lambda: tensor.to(dtype)}


def _general_encode(fmt: Any, x: Array) -> str:
    from emu.formats.cast import check_cast
    from emu.formats.load import load_format
    from emu.formats.native import cast_codes

    codes, _ = cast_codes(
        x.view(np.uint32).astype(np.uint64), load_format("float32"), check_cast(fmt), want_masks=True, default_nan=True
    )
    return "" if np.array_equal(codes, fmt.encode(x)) else "the general kernel's codes differ"


def _decode(size: int) -> Job:
    import ml_dtypes

    from emu.formats.codec import decode32
    from emu.formats.load import load_format

    fmt = load_format("float8_e4m3fn")
    codes = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8)
    theirs = codes.view(ml_dtypes.float8_e4m3fn)
    peers = {
        "ml_dtypes astype": lambda: theirs.astype(np.float32), "decode to float64": lambda: fmt.decode(codes),
        "memcpy of the output": floats(size).copy,
    }  # fmt: skip

    def check() -> str:
        return (
            "" if np.array_equal(decode32(fmt, codes), theirs.astype(np.float32), equal_nan=True) else "numbers differ"
        )

    return Job(run=lambda: decode32(fmt, codes), peers=peers, check=check)


def _mxfp8(size: int) -> Job:
    import ml_dtypes

    from emu.formats.blocks.load import load_block

    fmt, x = load_block("mxfp8_e4m3"), floats(size).reshape(-1, 1024)
    peers = {"ml_dtypes astype": lambda: x.astype(ml_dtypes.float8_e4m3fn), "memcpy of the input": lambda: x.copy()}

    def check() -> str:
        part = x[:16]
        made = fmt.encode(part)
        wide = fmt.encode(part.astype(np.float64))
        same = np.array_equal(made.codes, wide.codes) and np.array_equal(made.scales, wide.scales)
        return "" if same else "codes of float32 and float64 differ"

    return Job(run=lambda: fmt.encode(x), peers=peers, check=check)


def _elementwise(operation: str) -> Callable[[int], Job]:
    def make(size: int) -> Job:
        import ml_dtypes

        import emu

        rng = np.random.default_rng(size)
        x, y = (rng.integers(0, 256, size).astype(np.uint8) for _ in range(2))
        number, values = getattr(emu, operation), floats(size)
        backends = [number(x[:4096], y[:4096], "float8_e5m2", backend=name) for name in ("c", "numba")]
        same = np.array_equal(*backends)
        return Job(
            run=lambda: number(x, y, "float8_e5m2"),
            peers={"ml_dtypes astype": lambda: values.astype(ml_dtypes.float8_e4m3fn)},
            check=lambda: "" if same else "the c and numba backends differ",
        )

    return make


CPFLOAT = {"multiply": 4.0, "add": 3.4}
"""CPFloat's float32 operations on E5M2, against ml_dtypes' astype to E4M3FN on the same machine (451 and 386 against
112 M elements/s, AVX-512, 2026-11-21); it is no Python package, so that it cannot be measured here."""

CASTS = (
    *(
        Cast(key=f"encode {name}", goal="encode", cached_goal="encode-cache", size=LARGE, make=_encode(name))
        for name in ("float8_e4m3fn", "float8_e5m2", "float6_e2m3fn", "bfloat16")
    ),
    Cast(key="quantise mxfp8_e4m3", goal="mxfp8", cached_goal=None, size=LARGE, make=_mxfp8),
    Cast(key="decode float8_e4m3fn to float32", goal="decode", cached_goal=None, size=LARGE, make=_decode),
    Cast(key="multiply float8_e5m2", goal="elementwise", cached_goal=None, size=1 << 22, make=_elementwise("mul")),
    Cast(key="add float8_e5m2", goal="elementwise", cached_goal=None, size=1 << 22, make=_elementwise("add")),
)
