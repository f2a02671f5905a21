"""Einsum of two operands as one batched matrix product, by transposes and reshapes.

* Every axis has a letter. In both operands and the output: batch. In both, not in the output: K. In one operand and the
  output: a row (first operand) or a column (second). `...` stands for batch axes that broadcast.
* A product has at least one letter of K. Several are one K, in the order in which the first operand names them, the
  last one fastest; rows and columns likewise, each in its own operand's order.
* Everything else is no matrix product: other numbers of operands, a letter twice in one operand (a diagonal), a letter
  in one operand alone (a sum before the product), no K (products that are not summed), `...` not in the output.
* What follows - batch rules, weights at operand b, one scale per row - is `emu.layers.matmul`'s.

Source: ONNX operator `Einsum`, opset 12. Without `->` the output is `...`, then the letters that occur once, sorted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.layers.gemm import Array, Rows
from emu.layers.matmul import MatMulGeometry

DOTS = "..."
OPERANDS = 2


@dataclass(frozen=True, kw_only=True)
class Term:
    """One side of an equation."""

    letters: str
    dots_at: int | None
    """before how many letters `...` stands; None: nowhere"""

    @staticmethod
    def of(text: str) -> Term | None:
        """Read one; None if it is none, or has a letter twice."""
        before, dots, after = text.partition(DOTS)
        letters = before + after
        if not all(one.isascii() and one.isalpha() for one in letters) or len(set(letters)) < len(letters):
            return None
        return Term(letters=letters, dots_at=len(before) if dots else None)


def read_terms(equation: str) -> tuple[Term, Term, Term] | None:
    """Both operands and the output of an equation; None if it is no equation of two operands without diagonals."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != OPERANDS:
        return None
    if not arrow:
        letters = left.replace(DOTS, "").replace(",", "")
        once = "".join(sorted(one for one in set(letters) if letters.count(one) == 1))
        right = (DOTS if DOTS in left else "") + once
    first, second, output = (Term.of(part) for part in (*parts, right))
    if first is None or second is None or output is None:
        return None
    return first, second, output


def is_product(equation: str, operands: int) -> bool:
    """Whether an equation of so many operands is a matrix product."""
    terms = read_terms(equation) if operands == OPERANDS else None
    if terms is None:
        return False
    first, second, output = terms
    a, b, made = set(first.letters), set(second.letters), set(output.letters)
    dots = first.dots_at is not None or second.dots_at is not None
    return bool((a & b) - made) and made <= a | b and (a ^ b) <= made and dots == (output.dots_at is not None)


@dataclass(frozen=True, kw_only=True)
class EinsumPlan:
    """How the operands become matrices and the product the output; a ValueError if the shapes do not fit."""

    terms: tuple[Term, Term, Term]
    first: tuple[int, ...]
    """shape of the first operand"""
    second: tuple[int, ...]

    def __post_init__(self) -> None:
        for term, shape in zip(self.terms, (self.first, self.second), strict=False):
            spread = len(shape) - len(term.letters)
            if spread < 0 or (spread and term.dots_at is None):
                raise ValueError(f"Einsum: {len(term.letters)} letters do not fit a shape of {list(shape)}")
        a, b = self._sizes(0), self._sizes(1)
        for one in a.keys() & b.keys():
            if a[one] != b[one]:
                raise ValueError(f"Einsum: axis {one!r} has sizes {a[one]} and {b[one]}")

    def _axes(self, side: int) -> tuple[dict[str, int], list[int]]:
        """Where an operand's letters are, and the axes of its `...`."""
        term, rank = self.terms[side], len((self.first, self.second)[side])
        spread, at = rank - len(term.letters), term.dots_at or 0
        places = {one: i + (spread if i >= at else 0) for i, one in enumerate(term.letters)}
        return places, list(range(at, at + spread))

    def _sizes(self, side: int) -> dict[str, int]:
        shape = (self.first, self.second)[side]
        return {one: shape[axis] for one, axis in self._axes(side)[0].items()}

    @cached_property
    def letters(self) -> tuple[str, str, str, str]:
        """Those of the batch, of rows, of K, of columns."""
        first, second, output = (term.letters for term in self.terms)
        shared = [one for one in first if one in second]
        return (
            "".join(one for one in shared if one in output),
            "".join(one for one in first if one not in second),
            "".join(one for one in shared if one not in output),
            "".join(one for one in second if one not in first),
        )

    def _shape(self, letters: str) -> list[int]:
        sizes = self._sizes(0) | self._sizes(1)
        return [sizes[one] for one in letters]

    def matrices(self, a: Array, b: Array) -> tuple[Array, Array]:
        """The operands as [batch, ..., rows, K] and [batch, ..., K, columns]."""
        batch, rows, k, columns = self.letters
        out = []
        for side, (operand, last) in enumerate(((a, (rows, k)), (b, (k, columns)))):
            places, dots = self._axes(side)
            order = [places[one] for one in batch] + dots + [places[one] for part in last for one in part]
            spread = [1] * (self._dots - len(dots)) + [operand.shape[axis] for axis in dots]
            flat = [math.prod(self._shape(part)) for part in last]
            out.append(operand.transpose(order).reshape(*self._shape(batch), *spread, *flat))
        return out[0], out[1]

    @property
    def _dots(self) -> int:
        """Axes of `...` in the output."""
        return max(len(self._axes(side)[1]) for side in range(OPERANDS))

    def output(self, y: Array) -> Array:
        """The output from the product [batch, ..., rows, columns]."""
        batch, rows, _, columns = self.letters
        dots = y.shape[len(batch) : len(batch) + self._dots]
        split = y.reshape((*self._shape(batch), *dots, *self._shape(rows), *self._shape(columns)))
        places = {one: i for i, one in enumerate(batch)}
        places |= {one: len(batch) + self._dots + i for i, one in enumerate(rows + columns)}
        term = self.terms[2]
        order = [places[one] for one in term.letters]
        if term.dots_at is not None:
            order[term.dots_at : term.dots_at] = range(len(batch), len(batch) + self._dots)
        return split.transpose(order).copy()


@dataclass(frozen=True, kw_only=True)
class EinsumGeometry:
    """A matrix product whose output's axes are put in the equation's order."""

    product: MatMulGeometry
    plan: EinsumPlan

    @property
    def groups(self) -> int:
        """Products that share nothing."""
        return self.product.groups

    @property
    def m(self) -> int:
        """Rows of each product."""
        return self.product.m

    @property
    def k(self) -> int:
        """Products per output element."""
        return self.product.k

    @property
    def n(self) -> int:
        """Columns of each product."""
        return self.product.n

    def rows(self, source: Array, fill: Any) -> Rows:
        """A, a tile at a time."""
        return self.product.rows(source, fill)

    @property
    def token_axes(self) -> tuple[int, ...]:
        """A token is a row."""
        return self.product.token_axes

    @property
    def matrix_axes(self) -> tuple[int, ...]:
        """Those of the product."""
        return self.product.matrix_axes

    @property
    def channel_axis(self) -> int:
        """K itself."""
        return self.product.channel_axis

    @property
    def channel_of_k(self) -> NDArray[np.intp]:
        """Every k is a channel."""
        return self.product.channel_of_k

    def padded(self, source: Array) -> tuple[EinsumGeometry, Array]:
        """There is no padding."""
        return self, source

    def row_scales(self, scale: Array) -> Rows:
        """Scales of the source's rows."""
        return self.product.row_scales(scale)

    def assemble(self, y: Array) -> Array:
        """The output from the product [groups, M, N]."""
        return self.plan.output(self.product.assemble(y))
