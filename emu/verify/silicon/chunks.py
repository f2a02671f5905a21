"""Operands of one call: laid out for emu, and the same expanded for the instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from emu.formats.enums import FormatKind
from emu.formats.model import Format
from emu.verify.silicon import floats, integers, probes
from emu.verify.silicon.floats import Theme
from emu.verify.silicon.targets import Layout, Target

Array = NDArray[Any]
SIDE = 128
"""Rows and columns of a grid: 16384 patterns"""
LANES = 1 << 14
TILES = 64
SHAPES = ((16, 64, 16), (16, 64, 16), (5, 12, 3), (1, 64, 1), (16, 4, 16), (7, 32, 16), (16, 60, 9), (1, 8, 1))
"""Rows, bytes of a row of a, and columns of tiles, by the number of the chunk"""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Operands of one call, in the dtype of their codes."""

    operands: tuple[Array, ...]
    """as `Instruction.run` takes them"""

    def sample(self, target: Target, one_in: int, rng: np.random.Generator) -> tuple[Chunk, tuple[Any, ...]]:
        """About one pattern of so many, and where their results stand in the whole result."""
        if target.layout is Layout.GRID:
            a, b, *c = self.operands
            part = np.sqrt(1 / one_in)
            rows, columns = (_chosen(rng, size, part) for size in (a.shape[0], b.shape[1]))
            at: tuple[Any, ...] = np.ix_(rows, columns)
            chosen = (a[rows], b[:, columns], *(x[at] for x in c))
            return Chunk(operands=chosen), at
        at = (_chosen(rng, len(self.operands[0]), 1 / one_in),)
        shared = target.layout is Layout.TILES  # b
        chosen = tuple(x if shared and i == 1 else x[at] for i, x in enumerate(self.operands))
        return Chunk(operands=chosen), at


def _chosen(rng: np.random.Generator, size: int, part: float) -> NDArray[np.intp]:
    return np.sort(rng.choice(size, max(1, round(size * part)), replace=False))


def generator(target: Target, seed: int, index: int) -> np.random.Generator:
    """The random numbers of one chunk. Roundings of one instruction are given the same."""
    return np.random.default_rng([seed, crc32(target.group.encode()), index])


def exhaustive(target: Target) -> bool:
    """Whether the first chunk has all patterns."""
    return target.layout is Layout.LANES and len(target.formats) == 1 and target.formats[0].bits <= 16


def chunk(target: Target, seed: int, index: int) -> Chunk:
    """The operands number `index`."""
    rng = generator(target, seed, index)
    made = {Layout.GRID: _grid, Layout.LANES: _lanes, Layout.TILES: _tiles}[target.layout](target, rng, index)
    operands = tuple(
        np.ascontiguousarray(codes.astype(fmt.code_dtype)) for codes, fmt in zip(made, target.formats, strict=True)
    )
    return Chunk(operands=operands)


def outputs(target: Target, index: int) -> int:
    """Numbers in the result of chunk number `index`; each is a pattern."""
    if target.layout is Layout.TILES:
        m, _, n = SHAPES[index % len(SHAPES)]
        return TILES * m * n
    if target.layout is Layout.LANES:
        return 1 << target.formats[0].bits if exhaustive(target) else LANES
    if _has_corners(target, index):
        one, other = (len(integers.corner_rows(fmt, target.k)) for fmt in target.formats[:2])
        return one * other
    return SIDE * SIDE


def _is_integer(fmt: Format) -> bool:
    return fmt.kind is FormatKind.INTEGER


def _has_corners(target: Target, index: int) -> bool:
    """Whether the rows and columns of a grid are all combinations of extremes."""
    return index == 0 and _is_integer(target.formats[0])


def _factors(
    target: Target, rng: np.random.Generator, index: int, a_shape: tuple[int, ...], b_shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """Codes of a and b."""
    a, b = target.formats[:2]
    if _is_integer(a):
        theme = index % integers.THEMES
        return integers.draw(rng, a, a_shape, theme), integers.draw(rng, b, b_shape, theme)
    kind = Theme(index % len(Theme))
    return floats.draw(rng, a, target.result, a_shape, kind), floats.draw(rng, b, target.result, b_shape, kind)


def _accumulator(target: Target, rng: np.random.Generator, index: int, a: Array, b: Array) -> list[Array]:
    """Codes of c, planted on the products of a and b; none if there is no c."""
    if len(target.formats) < 3:
        return []
    one, other, fmt = target.formats
    if _is_integer(fmt):
        return [integers.accumulators(rng, fmt, integers.values(a, one) @ integers.values(b, other))]
    with np.errstate(all="ignore"):
        sums = floats.values(a, one) @ floats.values(b, other)
    return [floats.accumulators(rng, fmt, sums, Theme(index % len(Theme)))]


def _grid(target: Target, rng: np.random.Generator, index: int) -> tuple[Array, ...]:
    if _has_corners(target, index):
        one, other = target.formats[:2]
        a, b = integers.corner_rows(one, target.k), integers.corner_rows(other, target.k).T
    else:
        a, b = _factors(target, rng, index, (SIDE, target.k), (target.k, SIDE))
    return (a, b, *_accumulator(target, rng, index, a, b))


def _tiles(target: Target, rng: np.random.Generator, index: int) -> tuple[Array, ...]:
    m, row_bytes, n = SHAPES[index % len(SHAPES)]
    k = row_bytes * 8 // target.formats[0].bits
    theme = index // len(SHAPES) + index  # every shape meets every theme
    a, b = _factors(target, rng, theme, (TILES, m, k), (k, n))
    return (a, b, *_accumulator(target, rng, theme, a, b))


def _lanes(target: Target, rng: np.random.Generator, index: int) -> tuple[Array, ...]:
    fmt, result, theme = target.formats[0], target.result, Theme(index % len(Theme))
    if exhaustive(target):
        return (np.arange(1 << fmt.bits, dtype=np.uint64),)
    if target.instruction.operation == "cast" and _is_integer(result):
        return (floats.to_integer(rng, fmt, result.bits, (LANES,), theme),)
    if target.instruction.operation == "cast" and result.bits > fmt.bits:
        return (floats.draw(rng, fmt, fmt, (LANES,), theme),)
    if target.instruction.operation == "cast":
        return (floats.to_narrow(rng, fmt, result, (LANES,), theme),)
    if target.instruction.complex:
        return _complex(target, rng, theme)
    if len(target.formats) == 1:  # square roots: every other operand is a square, or next to one
        a = floats.draw(rng, fmt, result, (LANES,), theme)
        with np.errstate(all="ignore"):
            square = floats.codes_of(floats.values(_short(a, fmt), fmt) ** 2, fmt)
        return (np.where(rng.random(LANES) < 0.5, square + rng.integers(-1, 2, LANES).astype(np.uint64), a),)
    a, b = (floats.draw(rng, fmt, result, (LANES,), theme) for _ in range(2))
    if target.instruction.operation in ("add", "sub"):
        b = floats.accumulators(rng, fmt, floats.values(a, fmt), theme)
        if target.instruction.operation == "sub":
            b ^= np.uint64(1 << (fmt.bits - 1))
    if target.instruction.operation == "div":  # every other quotient is exact, or nearly so
        with np.errstate(all="ignore"):
            exact = floats.codes_of(floats.values(a, fmt) * floats.values(b, fmt), fmt)
        a = np.where(rng.random(LANES) < 0.5, exact, a)
    if len(target.formats) < 3:
        return a, b
    with np.errstate(all="ignore"):
        products = floats.values(a, fmt) * floats.values(b, fmt)
    return a, b, floats.accumulators(rng, fmt, products, theme)


def _short(codes: Array, fmt: Format) -> Array:
    """Numbers of so few bits that their squares are exact."""
    low = np.uint64(fmt.man_bits // 2 + 1)
    return codes >> low << low


def _complex(target: Target, rng: np.random.Generator, theme: Theme) -> tuple[Array, ...]:
    fmt = target.formats[0]
    a, b = (floats.draw(rng, fmt, fmt, (LANES // 2, 2), theme) for _ in range(2))
    mirrored = rng.random(LANES // 2) < 0.25  # the second step cancels the first
    b[mirrored] = a[mirrored][:, ::-1] ^ (rng.integers(0, 2, (mirrored.sum(), 2), np.uint64) << np.uint64(15))
    if len(target.formats) < 3:
        return a, b
    x, y = floats.values(a, fmt), floats.values(b, fmt)
    with np.errstate(all="ignore"):
        sums = x * y[:, :1]
    return a, b, floats.accumulators(rng, fmt, sums, theme)


def expanded(target: Target, operands: Sequence[Array]) -> list[Array]:
    """Operands as the instruction takes them, one for each result."""
    if target.layout is Layout.LANES:
        return list(operands)
    a, b, *c = operands
    if target.layout is Layout.TILES:
        return [a, np.ascontiguousarray(np.broadcast_to(b, (len(a), *b.shape))), *c]
    shape = (a.shape[0], b.shape[1], a.shape[1])
    return [*(np.ascontiguousarray(np.broadcast_to(x, shape)) for x in (a[:, None, :], b.T[None])), *c]


def run_expanded(target: Target, probe: str, mode: int, operands: Sequence[Array]) -> Array:
    """What the processor gives for expanded operands, in the shape of emu's result."""
    dtype = target.result.code_dtype
    if target.layout is Layout.TILES:
        a, b, c = operands
        out = probes.empty(c.shape, dtype)
        probes.run_tiles(probe, mode, a, b, c, out)
        return out
    shape = operands[0].shape[:2] if target.layout is Layout.GRID else operands[0].shape
    out = probes.empty(shape, dtype)
    probes.run_lanes(probe, mode, operands, out, out.size // 2 if target.instruction.complex else out.size)
    return out
