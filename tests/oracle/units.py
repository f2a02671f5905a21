"""The evaluation of a unit, one output element at a time.

    value of one output = c; then for each piece of k products:
      c, decoded and loaded; x = the products in order of k
      for each level, innermost first: x = the results of its runs
      d = the one value that is left, through `output`, cast to d; d's code is the next piece's c

* A run takes `group` inputs at a time into an adder together with its accumulator.
* Step: any NaN, then inf - inf, then Inf decide; finite addends go through the adder of `exact`.
* NaN, rule `first`: the first NaN that is not fresh wins: a before b, terms before the accumulator (or
  after).
* Random bits are drawn in order of execution: c; for each product load a, load b, product.result; then
  level by level, for each step the inputs of its terms and then `result`; then output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .codes import Format
from .exact import add_constant, aligned_sum, digits, multiply
from .formats import Formats
from .model import Builder, Level, Operand, Pipe
from .rounding import Cast
from .stream import Draws
from .values import FRESH, PLUS_ZERO, Inf, NaN, Num, Value, floor_log2, zero

Term = tuple[Value, int]  # a value on its way up, and the k of its first product


@dataclass
class Element:
    """What the evaluation of one output element has besides its operands."""

    draw: Draws
    a_scales: Sequence[int]
    b_scales: Sequence[int]


class Executor:
    """One unit, ready to run.

    Args:
        unit: a mapping, the path of a unit file, or a name (`family:instruction`) in `root`.
        formats: a directory of format files, one file of several, or a `Formats`.
        root: a directory of unit files.
    """

    def __init__(
        self,
        unit: str | Path | Mapping[str, Any],
        formats: str | Path | Formats | None = None,
        root: str | Path | None = None,
    ) -> None:
        self.formats = formats if isinstance(formats, Formats) else Formats(formats)
        self.unit = Builder(self.formats, root).build(unit)
        self._has_c = "c" in self.unit.operands
        self._d_cast = Cast(self.d)
        self._loaded: dict[str, dict[int, Value]] = {"a": {}, "b": {}, "c": {}}
        self._dealt: dict[tuple[int, int], list[list[int]]] = {}
        if self.unit.product.digits:
            self._check_digits()

    @property
    def d(self) -> Format:
        """The format of the output."""
        return self.unit.operands["d"].format

    def format_of(self, operand: str) -> Format:
        """The format of operand a, b, c or d."""
        return self.unit.operands[operand].format

    def matmul(
        self, a: Any, b: Any, c: Any = None, a_scale: Any = None, b_scale: Any = None, seed: int | None = None
    ) -> np.ndarray:
        """Codes of a [..., M, K] times b [..., K, N], plus c broadcast to [..., M, N]; uint64 codes of d."""
        a, b = np.asarray(a), np.asarray(b)
        if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
            raise ValueError(f"shapes {a.shape} and {b.shape} are no matrix product")
        if c is not None and not self._has_c:
            raise ValueError("this unit has no operand c")
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        shape = (*batch, a.shape[-2], b.shape[-1])
        a = np.broadcast_to(a, batch + a.shape[-2:])
        b = np.broadcast_to(b, batch + b.shape[-2:])
        c = None if c is None else np.broadcast_to(np.asarray(c), shape)
        sa = self._scale_codes(a_scale, "a", batch, a.shape[-2:])
        sb = self._scale_codes(b_scale, "b", batch, b.shape[-2:])
        out = np.zeros(shape, np.uint64)
        for index, at in enumerate(np.ndindex(shape)):
            lead, row, column = at[:-2], at[-2], at[-1]
            scales = (
                [] if sa is None else sa[lead][row].tolist(),
                [] if sb is None else sb[lead][:, column].tolist(),
            )
            codes = a[lead][row].tolist(), b[lead][:, column].tolist(), None if c is None else int(c[at])
            out[at] = self.element(*codes, *scales, index, seed)
        return out

    def element(
        self,
        a: Sequence[int],
        b: Sequence[int],
        c: int | None = None,
        a_scales: Sequence[int] = (),
        b_scales: Sequence[int] = (),
        index: int = 0,
        seed: int | None = None,
    ) -> int:
        """The code of one output: codes a and b of its K products, c, and the scales of its blocks."""
        size, k = len(a), self.unit.k
        if k is not None and size > k and not (self._has_c and self.format_of("c") == self.d):
            raise ValueError(f"K = {size} > k = {k}: a chain needs c and d of one format")
        self._check_one_result(size)
        run = Element(Draws(seed, index), a_scales, b_scales)
        pieces = range(0, size, k) if k is not None and size else [0]
        d = c
        for first in pieces:
            last = size if k is None else min(first + k, size)
            d = self._piece(run, a, b, range(first, last), d)
        return d

    # --- one piece of k -----------------------------------------------------------------------------------

    def _piece(self, run: Element, a: Sequence[int], b: Sequence[int], ks: range, c: int | None) -> int:
        start = self._load("c", 0 if c is None else c, run) if self._has_c else None
        x = [(value, k) for k in ks for value in self._products(run, a[k], b[k], k)]
        for i, level in enumerate(self.unit.levels):
            runs = self._runs(i, len(x))
            if not runs and i == len(self.unit.levels) - 1:
                runs = [[]]  # the outermost level always has one run
            x = list(self._level(run, level, x, runs, start, ks.start))
        value = self._pipe(self.unit.output, x[0][0], run, ks.start, 0)
        value = self._d_cast.apply(value, run.draw, self._made_nan)
        if isinstance(value, NaN) and not self.unit.nan_first:
            return self.unit.nan_codes.get(self.d, self.d.encode(self.d.default_nan))
        return self.d.encode(value)

    def _load(self, name: str, code: int, run: Element) -> Value:
        """Decode, daz, load. Remembered, unless it draws random bits."""
        if code in self._loaded[name]:
            return self._loaded[name][code]
        operand = self.unit.operands[name]
        value = self._pipe(operand.load, self._daz(operand, operand.format.decode(code)), run, 0, 0)
        if not any(step.cast and step.cast.rounding == "stochastic" for step in operand.load):
            self._loaded[name][code] = value
        return value

    @staticmethod
    def _daz(operand: Operand, x: Value) -> Value:
        if operand.daz == "off" or operand.format.kind != "float" or not isinstance(x, Num):
            return x
        if x.m and floor_log2(x.m, x.q) >= operand.format.emin:
            return x
        return zero(x.negative and operand.daz == "signed")

    def _made_nan(self, fmt: Format) -> NaN:
        """What a fresh NaN becomes at a cast to fmt."""
        if fmt not in self.unit.nan_codes:
            return fmt.default_nan
        return fmt.decode(self.unit.nan_codes[fmt])

    # --- products -----------------------------------------------------------------------------------------

    def _check_digits(self) -> None:
        for name in "ab":
            operand = self.unit.operands[name]
            if operand.format.kind != "integer" or operand.format.encoding != "twos_complement" or operand.load:
                raise ValueError("product.digits needs two's complement integers without load")

    def _products(self, run: Element, a: int, b: int, k: int) -> Iterator[Value]:
        """The product of one k, or all its digit products."""
        product, fmt_a, fmt_b = self.unit.product, self.format_of("a"), self.format_of("b")
        if product.table is not None:
            n = product.table[a][b]
            made = [Num(n, 0, 0 if n else None, n < 0)]
        elif product.digits:
            tops = [digits(code, f.bits, f.signed, product.digits) for code, f in ((a, fmt_a), (b, fmt_b))]
            made = [multiply(x, y, integers=True) for x in tops[0] for y in tops[1]]
        else:
            x, y = self._load("a", a, run), self._load("b", b, run)
            if isinstance(x, NaN) and x.fresh:  # a fresh NaN counts only if there is no other
                x, y = y, x
            integers = all(self.unit.operands[name].loads_integers for name in "ab")
            made = [multiply(x, y, integers)]
        for value in made:
            if product.leading_bit and isinstance(value, Num) and value.m:
                value = value._replace(e=floor_log2(value.m, value.q))
            yield self._pipe(product.result, value, run, k, k)

    # --- levels -------------------------------------------------------------------------------------------

    def _inputs_per_k(self) -> int:
        width = self.unit.product.digits
        if not width:
            return 1
        return -(-self.format_of("a").bits // width) * -(-self.format_of("b").bits // width)

    def _check_one_result(self, size: int) -> None:
        """The outermost level hands up one result for every piece, or K is refused."""
        k = self.unit.k
        for piece in {min(size, k) if k else size, size % k if k else size}:
            n = piece * self._inputs_per_k()
            for i in range(len(self.unit.levels)):
                n = len(self._runs(i, n))
            if n > 1:
                raise ValueError(f"K = {size}: the outermost level hands up {n} results")

    def _runs(self, i: int, n: int) -> list[list[int]]:
        """How level i deals n inputs, remembered."""
        if (i, n) not in self._dealt:
            self._dealt[i, n] = list(_deal(self.unit.levels[i], n))
        return self._dealt[i, n]

    def _level(
        self, run: Element, level: Level, x: list[Term], runs: list[list[int]], c: Value | None, first_k: int
    ) -> Iterator[Term]:
        for r, positions in enumerate(runs):
            acc = self._start(level, c, r)
            for at in range(0, len(positions), level.group):
                terms = [self._pipe(level.input, x[p][0], run, x[p][1], p) for p in positions[at : at + level.group]]
                acc = self._step(run, level, terms, acc, x[positions[0]][1])
            yield (PLUS_ZERO if acc is None else acc), (x[positions[0]][1] if positions else first_k)

    @staticmethod
    def _start(level: Level, c: Value | None, r: int) -> Value | None:
        """The accumulator before the first step; without operand c, start = "c" is none."""
        if level.start == "none" or (level.start == "c" and c is None):
            return None
        return c if level.start == "c" and r == 0 else PLUS_ZERO

    def _step(self, run: Element, level: Level, terms: list[Value], acc: Value | None, k: int) -> Value:
        addends = list(terms)
        if acc is not None:
            addends = [acc, *terms] if level.accumulator_first else [*terms, acc]
        s = self._special(addends) or aligned_sum(level, addends, len(terms))
        s = self._pipe(level.result, s, run, k, 0)
        if level.zero_sign == "always_positive" and isinstance(s, Num) and s.m == 0:
            s = s._replace(negative=False)
        return s

    def _special(self, addends: list[Value]) -> Value | None:
        """NaN or Inf, None if every addend is finite."""
        nans = [x for x in addends if isinstance(x, NaN)]
        if nans:
            return next((x for x in nans if self.unit.nan_first and not x.fresh), FRESH)
        signs = {x.negative for x in addends if isinstance(x, Inf)}
        if len(signs) == 2:
            return FRESH
        return Inf(signs.pop()) if signs else None

    # --- pipes -------------------------------------------------------------------------------------------

    def _pipe(self, pipe: Pipe, x: Value, run: Element, k: int, position: int) -> Value:
        for step in pipe:
            if step.multiply is not None:
                x = multiply(x, self._factor(step.multiply, run, k, position))
            if step.add is not None:
                x = add_constant(x, step.add, step.rounding == "toward_negative")
            if step.cast is not None:
                x = step.cast.apply(x, run.draw, self._made_nan)
        return x

    def _factor(self, factor: Num | tuple[Num, ...] | str, run: Element, k: int, position: int) -> Value:
        if isinstance(factor, Num):
            return factor
        if isinstance(factor, tuple):
            return factor[position % len(factor)]
        if factor == "digits":
            return self._digit_weight(position)
        if factor != "scale":
            return self._scale(factor[0], run, k)
        a, b = self._scale("a", run, k), self._scale("b", run, k)
        return self._pipe(self.unit.scale_product, multiply(a, b), run, k, 0)

    def _scale(self, side: str, run: Element, k: int) -> Value:
        scale = self.unit.scales.get(side)
        codes = run.a_scales if side == "a" else run.b_scales
        if scale is None or not len(codes):
            raise ValueError(f"the unit multiplies by {side}_scale, which is not given")
        return scale.format.decode(codes[k // scale.block if scale.block else 0])

    def _digit_weight(self, position: int) -> Num:
        width = self.unit.product.digits
        if not width:
            raise ValueError('multiply = "digits" needs product.digits')
        nb = -(-self.format_of("b").bits // width)
        i, j = divmod(position % self._inputs_per_k(), nb)
        return Num(1, width * (i + j), width * (i + j), False)

    def _scale_codes(self, codes: Any, side: str, batch: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray | None:
        """Scale codes broadcast over the batch: [..., M, blocks] for a, [..., blocks, N] for b."""
        if codes is None:
            return None
        if side not in self.unit.scales:
            raise ValueError(f"this unit has no {side}_scale")
        k_axis = 1 if side == "a" else 0
        block, size = self.unit.scales[side].block, shape[k_axis]
        blocks = -(-size // block) if block else 1
        want = (shape[0], blocks) if side == "a" else (blocks, shape[1])
        codes = np.asarray(codes)
        if codes.ndim < 2 or codes.shape[-2:] != want:
            raise ValueError(f"{side}_scale has shape {codes.shape}, expected [..., {want[0]}, {want[1]}]")
        return np.broadcast_to(codes, batch + want)


def _deal(level: Level, n: int) -> Iterator[list[int]]:
    """Deal n positions: `order` first, then every lanes * length in turn to `lanes` runs. No empty runs."""
    positions = list(_ordered(level.order, range(n)))
    length = level.length
    if level.parts is not None:
        length = -(-n // (level.parts * level.group)) * level.group
    block = n if length is None else level.lanes * length
    for first in range(0, n, max(block, 1)):
        dealt = positions[first : first + block]
        for lane in range(min(level.lanes, len(dealt))):
            yield dealt[lane :: level.lanes]


def _ordered(order: tuple[int, ...] | None, positions: Sequence[int]) -> Iterator[int]:
    if order is None:
        yield from positions
        return
    for first in range(0, len(positions), len(order)):
        block = positions[first : first + len(order)]
        yield from (block[i] for i in order if i < len(block))
