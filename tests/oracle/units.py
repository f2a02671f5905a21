"""The evaluation of a unit, one output element at a time.

    value of one output = c; then for each piece of k products:
      c, decoded and loaded; x = the products in order of k
      for each level, innermost first: x = the results of its runs
      d = the one value that is left, through `output`, cast to d; d's code is the next piece's c

* A run takes `group` inputs at a time into an adder together with its accumulator.
* Step: any NaN, then inf - inf, then Inf decide; finite addends go through the adder of `exact`.
* NaN, rule `first`: the first NaN that is not fresh wins: a before b, terms before the accumulator (or
  after).
* Random bits are drawn in order of execution: c; for each k load a, load b, then product.result of every
  product; then level by level, for each step the inputs of its terms and then `result`; then output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .blocks import of_element
from .codes import Format
from .dealing import deal
from .events import Log, Note
from .exact import add_constant, aligned_sum, digits, multiply
from .flushing import daz, flushed
from .formats import Formats
from .model import Builder, Constant, Level, Pipe
from .parts import pairs, split, subtract_zero
from .rounding import Cast
from .stream import Draws
from .values import FRESH, PLUS_ZERO, Inf, NaN, Num, Value, floor_log2

Term = tuple[Value, int]  # a value on its way up, and the k of its first product


@dataclass
class Element:
    """What the evaluation of one output element has besides its operands."""

    draw: Draws
    scales: Mapping[str, Sequence[int]]
    zeros: Mapping[str, Sequence[int]]
    column: int
    log: Log


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
        self._loaded: dict[tuple[str, int, int | None], tuple[tuple[Value, ...], list[str]]] = {}
        self.log = Log()
        self._pairs = pairs(*(self._parts_of(side) for side in "ab"), self.unit.product.terms)
        self._dealt: dict[tuple[int, int], list[list[int]]] = {}
        self._check_output()
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
        self,
        a: Any,
        b: Any,
        c: Any = None,
        a_scale: Any = None,
        b_scale: Any = None,
        seed: int | None = None,
        a_zero: Any = None,
        b_zero: Any = None,
    ) -> np.ndarray:
        """Codes of a [..., M, K] times b [..., K, N], plus c broadcast to [..., M, N]; uint64 codes of d.

        Scales and zero points are [..., M, blocks] of a and [..., blocks, N] of b; a scalar zero point holds for all.
        """
        a, b = np.asarray(a), np.asarray(b)
        if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
            raise ValueError(f"shapes {a.shape} and {b.shape} are no matrix product")
        if c is not None and not self._has_c:
            raise ValueError("this unit has no operand c")
        (m, size), n = a.shape[-2:], b.shape[-1]
        beside = {
            name: self._beside(name, codes, m if name[0] == "a" else n, size)
            for name, codes in (("a_scale", a_scale), ("b_scale", b_scale), ("a_zero", a_zero), ("b_zero", b_zero))
        }
        given = [a, b, *(x for x in beside.values() if x is not None)]
        batch = np.broadcast_shapes(*(x.shape[:-2] for x in given))
        shape = (*batch, m, n)
        b_has_batch = any(x is not None and x.ndim > 2 for x in (b, beside["b_scale"], beside["b_zero"]))
        a, b = (np.broadcast_to(x, batch + x.shape[-2:]) for x in (a, b))
        beside = {k: None if x is None else np.broadcast_to(x, batch + x.shape[-2:]) for k, x in beside.items()}
        c = None if c is None else np.broadcast_to(np.asarray(c), shape)
        out = np.zeros(shape, np.uint64)
        self.log = flushed(self.unit.operands, a, b if b_has_batch else b[(0,) * len(batch)], c, len(batch))
        for index, at in enumerate(np.ndindex(shape)):
            lead, row, column = at[:-2], at[-2], at[-1]
            self.log.element = at
            seen = {name: of_element(x, name[0], lead, row, column) for name, x in beside.items()}
            out[at] = self.element(
                a[lead][row].tolist(),
                b[lead][:, column].tolist(),
                None if c is None else int(c[at]),
                seen["a_scale"],
                seen["b_scale"],
                index,
                seed,
                zeros={"a": seen["a_zero"], "b": seen["b_zero"]},
                column=(column, n),
            )
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
        *,
        zeros: Mapping[str, Sequence[int]] | None = None,
        column: tuple[int, int] = (0, 1),
    ) -> int:
        """The code of one output: codes a and b of its K products, c, the scales and zero points of its blocks.

        `column` is its place in a row, and the length of the row: the lists of `output` have an entry for each.
        """
        self._check_columns(column[1])
        size, k = len(a), self.unit.k
        if k is not None and size > k and not (self._has_c and self.format_of("c") == self.d):
            raise ValueError(f"K = {size} > k = {k}: a chain needs c and d of one format")
        self._check_one_result(size)
        run = Element(Draws(seed, index), {"a": a_scales, "b": b_scales}, zeros or {}, column[0], self.log)
        pieces = range(0, size, k) if k is not None and size else [0]
        d = c
        for first in pieces:
            last = size if k is None else min(first + k, size)
            d = self._piece(run, a, b, range(first, last), d)
        return d

    # --- one piece of k -----------------------------------------------------------------------------------

    def _piece(self, run: Element, a: Sequence[int], b: Sequence[int], ks: range, c: int | None) -> int:
        run.log.at("operand", None)
        start = self._operand("c", 0 if c is None else c, run, 0)[0] if self._has_c else None
        x = [(value, k) for k in ks for value in self._products(run, a[k], b[k], k)]
        for i in range(len(self.unit.levels)):
            runs = self._runs(i, len(x))
            if not runs and i == len(self.unit.levels) - 1:
                runs = [[]]  # the outermost level always has one run
            x = list(self._level(run, i, x, runs, start, ks.start))
        run.log.at("output", None)
        value = self._pipe(self.unit.output, x[0][0], run, ks.start, run.column)
        value = self._d_cast.apply(value, run.draw, self._made_nan, run.log.note)
        if isinstance(value, NaN) and not self.unit.nan_first:
            return self.unit.nan_codes.get(self.d, self.d.encode(self.d.default_nan))
        return self.d.encode(value)

    def _operand(self, name: str, code: int, run: Element, k: int) -> tuple[Value, ...]:
        """Decode, daz, zero point, load, split. Remembered, unless it draws random bits."""
        operand = self.unit.operands[name]
        points = run.zeros.get(name, ())
        key = name, code, points[k // operand.zero.block if operand.zero.block else 0] if points else None
        if key in self._loaded:
            parts, kinds = self._loaded[key]
            for kind in kinds:
                run.log.note(kind)
            return parts
        before = len(run.log.entries)
        value = daz(operand, operand.format.decode(code))
        if operand.zero:
            value = subtract_zero(value, operand.zero.at(points, k) if points else PLUS_ZERO)
        value = self._pipe(operand.load, value, run, 0, 0)
        steps = () if name == "c" else self.unit.product.split["ab".index(name)]
        parts = split(value, steps, self._made_nan, run.log.note)
        if not any(step.cast and step.cast.rounding == "stochastic" for step in operand.load):
            self._loaded[key] = parts, [kind for _, kind, _, _ in run.log.entries[before:]]
        return parts

    def _made_nan(self, fmt: Format) -> NaN:
        """What a fresh NaN becomes at a cast to fmt."""
        if fmt not in self.unit.nan_codes:
            return fmt.default_nan
        return fmt.decode(self.unit.nan_codes[fmt])

    # --- products -----------------------------------------------------------------------------------------

    def _check_digits(self) -> None:
        for name in "ab":
            operand = self.unit.operands[name]
            plain = operand.format.kind == "integer" and operand.format.encoding == "twos_complement"
            if not plain or operand.load or operand.zero:
                raise ValueError("product.digits needs two's complement integers without load and zero points")

    def _parts_of(self, side: str) -> int:
        """How many digits or parts an operand has."""
        width = self.unit.product.digits
        if width:
            return -(-self.format_of(side).bits // width)
        return len(self.unit.product.split["ab".index(side)]) or 1

    def _products(self, run: Element, a: int, b: int, k: int) -> Iterator[Value]:
        """The product of one k, or those of its digits or parts."""
        product, fmt_a, fmt_b = self.unit.product, self.format_of("a"), self.format_of("b")
        if product.table is not None:
            n = product.table[a][b]
            made = [Num(n, 0, 0 if n else None, n < 0)]
        elif product.digits:
            tops = [digits(code, f.bits, f.signed, product.digits) for code, f in ((a, fmt_a), (b, fmt_b))]
            made = [multiply(tops[0][i], tops[1][j], integers=True) for i, j in self._pairs]
        else:
            run.log.at("operand", k)
            left, right = self._operand("a", a, run, k), self._operand("b", b, run, k)
            run.log.at("product", k)
            integers = not any(product.split) and all(self.unit.operands[name].loads_integers for name in "ab")
            made = [_product(left[i], right[j], integers, run.log.note) for i, j in self._pairs]
        run.log.at("product", k)
        for value in made:
            if product.leading_bit and isinstance(value, Num) and value.m:
                value = value._replace(e=floor_log2(value.m, value.q))
            yield self._pipe(product.result, value, run, k, k)

    # --- levels -------------------------------------------------------------------------------------------

    def _check_one_result(self, size: int) -> None:
        """The outermost level hands up one result for every piece, or K is refused."""
        k = self.unit.k
        for piece in {min(size, k) if k else size, size % k if k else size}:
            n = piece * len(self._pairs)
            for i in range(len(self.unit.levels)):
                n = len(self._runs(i, n))
            if n > 1:
                raise ValueError(f"K = {size}: the outermost level hands up {n} results")

    def _runs(self, i: int, n: int) -> list[list[int]]:
        """How level i deals n inputs, remembered."""
        if (i, n) not in self._dealt:
            self._dealt[i, n] = list(deal(self.unit.levels[i], n))
        return self._dealt[i, n]

    def _level(
        self, run: Element, i: int, x: list[Term], runs: list[list[int]], c: Value | None, first_k: int
    ) -> Iterator[Term]:
        level = self.unit.levels[i]
        for r, positions in enumerate(runs):
            acc = self._start(level, c, r)
            for at in range(0, len(positions), level.group):
                taken = positions[at : at + level.group]
                terms = []
                for p in taken:
                    run.log.at(f"level {i}", x[p][1])
                    terms.append(self._pipe(level.input, x[p][0], run, x[p][1], p))
                run.log.at(f"level {i}", x[taken[0]][1])
                if acc is not None:
                    acc = self._pipe(level.accumulator, acc, run, x[taken[0]][1], at // level.group)
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
        s = self._special(addends, run.log) or aligned_sum(level, addends, len(terms), run.log.note)
        s = self._pipe(level.result, s, run, k, 0)
        if level.zero_sign == "always_positive" and isinstance(s, Num) and s.m == 0:
            s = s._replace(negative=False)
        return s

    def _special(self, addends: list[Value], log: Log) -> Value | None:
        """NaN or Inf, None if every addend is finite."""
        nans = [x for x in addends if isinstance(x, NaN)]
        if nans:
            return next((x for x in nans if self.unit.nan_first and not x.fresh), FRESH)
        signs = {x.negative for x in addends if isinstance(x, Inf)}
        if len(signs) == 2:
            log.note("nan_made")
            return FRESH
        return Inf(signs.pop()) if signs else None

    # --- pipes -------------------------------------------------------------------------------------------

    def _pipe(self, pipe: Pipe, x: Value, run: Element, k: int, position: int) -> Value:
        for step in pipe:
            if step.multiply is not None:
                x = multiply(x, self._factor(step.multiply, run, k, position), note=run.log.note)
            if step.add is not None:
                x = add_constant(x, _entry(step.add, position), step.rounding == "toward_negative")
            if step.cast is not None:
                x = step.cast.apply(x, run.draw, self._made_nan, run.log.note)
        return x

    def _factor(self, factor: Constant | str, run: Element, k: int, position: int) -> Value:
        if not isinstance(factor, str):
            return _entry(factor, position)
        if factor == "digits":
            return self._digit_weight(position)
        if factor != "scale":
            return self._scale(factor[0], run, k)
        back = run.log.stage, run.log.k
        run.log.at("scale", run.log.k)
        a, b = self._scale("a", run, k), self._scale("b", run, k)
        made = self._pipe(self.unit.scale_product, multiply(a, b, note=run.log.note), run, k, 0)
        run.log.at(*back)
        return made

    def _scale(self, side: str, run: Element, k: int) -> Value:
        scale, codes = self.unit.scales.get(side), run.scales[side]
        if scale is None or not len(codes):
            raise ValueError(f"the unit multiplies by {side}_scale, which is not given")
        return scale.at(codes, k)

    def _digit_weight(self, position: int) -> Num:
        width = self.unit.product.digits
        if not width:
            raise ValueError('multiply = "digits" needs product.digits')
        i, j = self._pairs[position % len(self._pairs)]
        return Num(1, width * (i + j), width * (i + j), False)

    def _beside(self, name: str, codes: Any, rows: int, size: int) -> np.ndarray | None:
        """Scales or zero points, as an array with its own batch."""
        if codes is None:
            return None
        side, kind = name.split("_")
        described = self.unit.scales.get(side) if kind == "scale" else self.unit.operands[side].zero
        if described is None:
            raise ValueError(f"this unit has no {name}")
        return described.array(codes, name, rows, size, scalar=kind == "zero")

    def _check_output(self) -> None:
        used = {step.multiply for step in self.unit.output if isinstance(step.multiply, str)}
        if "digits" in used:
            raise ValueError("digits belong to terms, not to the output")
        sides = "ab" if "scale" in used else [factor[0] for factor in used]
        if any(self.unit.scales[side].block for side in sides if side in self.unit.scales):
            raise ValueError("a scale in output has no block")

    def _check_columns(self, n: int) -> None:
        for step in self.unit.output:
            for constant in (step.multiply, step.add):
                if isinstance(constant, tuple) and not isinstance(constant, Num) and len(constant) not in (1, n):
                    raise ValueError(f"a list of {len(constant)} in output, and {n} columns")


def _entry(constant: Constant, position: int) -> Num:
    return constant if isinstance(constant, Num) else constant[position % len(constant)]


def _product(x: Value, y: Value, integers: bool, note: Note) -> Value:
    if isinstance(x, NaN) and x.fresh:  # a fresh NaN counts only if there is no other
        x, y = y, x
    return multiply(x, y, integers, note)
