"""A unit that can be run: codes in, codes out."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.formats.backend import Backend, backend_of
from emu.formats.codes import as_codes, smallest
from emu.formats.enums import FormatKind
from emu.formats.model import Format
from emu.units.backends import runner
from emu.units.events import KINDS, Events, stage_count, stage_names
from emu.units.form import ScaleOperand, UnitForm
from emu.units.problem import Problem
from emu.units.schedule import check_runs

MAX_SEED = 1 << 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
    """An arithmetic datapath: codes x codes (+ codes) -> codes. Build it with `emu.load_unit`."""

    form: UnitForm
    about: Mapping[str, str] = field(default_factory=dict)
    """doc, source, maturity and scope of the spec"""
    spec_hash: str = ""

    @property
    def name(self) -> str:
        """The unit's name; `family:instruction` for an instruction."""
        return self.form.name

    @property
    def a(self) -> Format:
        """Format of the codes of a."""
        return self.form.a.format

    @property
    def b(self) -> Format:
        """Format of the codes of b."""
        return self.form.b.format

    @property
    def c(self) -> Format | None:
        """Format of the codes of c; None if the unit has no accumulator input."""
        return None if self.form.c is None else self.form.c.format

    @property
    def d(self) -> Format:
        """Format of the result."""
        return self.form.d.format

    @property
    def scale_a(self) -> ScaleOperand | None:
        """Block scales of a, if the unit applies scales itself."""
        return self.form.scale_a

    @property
    def scale_b(self) -> ScaleOperand | None:
        """Block scales of b."""
        return self.form.scale_b

    def __repr__(self) -> str:
        c = f" + {self.c}" if self.c else ""
        return f"Unit({self.name}: {self.a} x {self.b}{c} -> {self.d})"

    def explain(self, k: int = 4096) -> str:
        """The plan that would run for this K, and why its result is exact."""
        from emu.units.explain import explain

        return explain(self, k)

    def matmul(
        self,
        a: ArrayLike,
        b: ArrayLike,
        c: ArrayLike | None = None,
        *,
        a_scale: ArrayLike | None = None,
        b_scale: ArrayLike | None = None,
        a_zero: ArrayLike | None = None,
        b_zero: ArrayLike | None = None,
        seed: int | None = None,
        events: bool = False,
        backend: str | Backend | None = None,
    ) -> Any:
        """d = the unit's fold of a and b over k, starting at c.

        Args:
            a: codes [..., M, K]; NumPy's batch rules.
            b: codes [..., K, N].
            c: codes that broadcast to [..., M, N]; None is +0 of c's format. Refused by a unit without c.
            a_scale: codes [..., M, blocks] of the scales of a, blocks = ceil(K / block), or 1 if no block is stated.
            b_scale: codes [..., blocks, N].
            a_zero, b_zero: run-time zero points; no unit takes them yet.
            seed: of the random stream, 0 to 2^64 - 1; needed by a unit with stochastic rounding.
            events: also count what happened.
            backend: `reference`, `numba` or `c` (default). All give the same bits.

        Returns:
            Codes [..., M, N] in the smallest unsigned dtype, or (codes, Events). K = 0 gives the cast of what the
            outermost level starts from: c, or +0.

        Raises:
            ValueError: shapes, dtypes or codes that do not fit; K longer than one instruction where c and d differ.
            OverflowRaised: a cast with overflow = "raise" left its range.
        """
        if a_zero is not None or b_zero is not None:
            raise ValueError(
                f"{self.name} takes no run-time zero points; a constant one is `operands.a.load = {{ add = … }}`"
            )
        chosen = backend_of(backend)
        whole = self._operands(a, b, c, a_scale, b_scale)
        counts = np.zeros((stage_count(len(self.form.levels)), KINDS), dtype=np.int64)
        out = np.empty(whole.shape, dtype=np.uint64)
        run = runner(chosen)
        for problem in whole.problems(self.form, out, counts, self._seed(seed)):
            run(problem)
        codes = smallest(out, self.d)
        if not events:
            return codes
        return codes, Events(stages=stage_names(len(self.form.levels)), counts=counts)

    def _seed(self, seed: int | None) -> int:
        if seed is None:
            if self.form.stochastic:
                raise ValueError(f"{self.name} rounds stochastically: pass a seed")
            return 0
        number = operator.index(seed)
        if not 0 <= number < MAX_SEED:
            raise ValueError(f"seed {number} is outside 0 to 2^64 - 1")
        return number

    def _operands(self, a: Any, b: Any, c: Any, a_scale: Any, b_scale: Any) -> _Operands:
        codes_a, codes_b = as_codes(a, self.a, "a"), as_codes(b, self.b, "b")
        for name, codes in (("a", codes_a), ("b", codes_b)):
            if codes.ndim < 2:
                raise ValueError(f"{name} must be at least two-dimensional, not of shape {codes.shape}")
        m, k, n = codes_a.shape[-2], codes_a.shape[-1], codes_b.shape[-1]
        if codes_b.shape[-2] != k:
            raise ValueError(f"a {codes_a.shape} and b {codes_b.shape} do not agree in K: {k} and {codes_b.shape[-2]}")
        if self.form.k is not None and k > self.form.k and self.form.c is not None and self.c != self.d:
            raise ValueError(
                f"K = {k} needs a chain of {self.name} (k = {self.form.k}), whose c is {self.c} but d is {self.d}"
            )
        if self.form.k is not None and k > self.form.k and self.form.c is None:
            raise ValueError(f"K = {k} needs a chain of {self.name} (k = {self.form.k}), which has no operand c")
        check_runs(self.form, k)
        batch = np.broadcast_shapes(codes_a.shape[:-2], codes_b.shape[:-2])
        scales_a = _scales(a_scale, self.scale_a, "a_scale", k)
        scales_b = _scales(b_scale, self.scale_b, "b_scale", k)
        if scales_a is not None:
            batch = _check_scale("a_scale", scales_a, (m, self._blocks(self.scale_a, k)), batch)
        if scales_b is not None:
            batch = _check_scale("b_scale", scales_b, (self._blocks(self.scale_b, k), n), batch)
        shape = (*batch, m, n)
        return _Operands(
            shape=shape, a=codes_a, b=codes_b, c=self._accumulator(c, shape), a_scale=scales_a, b_scale=scales_b
        )

    @staticmethod
    def _blocks(scale: ScaleOperand | None, k: int) -> int:
        assert scale is not None
        return scale.blocks(k)

    def _accumulator(self, c: Any, shape: tuple[int, ...]) -> NDArray[np.uint64] | None:
        if self.c is None:
            if c is not None:
                raise ValueError(f"{self.name} has no accumulator input: c must be None")
            return None
        if c is None and self.c.kind is FormatKind.LOG and not self.c.has_zero:
            raise ValueError(f"{self.name}: {self.c} has no zero to start from: pass c")
        codes = np.zeros((1, 1), dtype=np.uint64) if c is None else as_codes(c, self.c, "c")
        try:
            return np.broadcast_to(codes, shape)
        except ValueError:
            raise ValueError(f"c {codes.shape} does not broadcast to {shape}") from None


def _scales(scale: Any, operand: ScaleOperand | None, what: str, k: int) -> NDArray[np.uint64] | None:
    if operand is None:
        if scale is not None:
            raise ValueError(f"this unit takes no {what}")
        return None
    if scale is None:
        raise ValueError(f"this unit needs {what}: codes of {operand.format.name}, {operand.blocks(k)} for K = {k}")
    return as_codes(scale, operand.format, what)


def _check_scale(
    what: str, codes: NDArray[np.uint64], last: tuple[int, int], batch: tuple[int, ...]
) -> tuple[int, ...]:
    if codes.ndim < 2 or codes.shape[-2:] != last:
        raise ValueError(f"{what} must have shape [..., {last[0]}, {last[1]}], not {codes.shape}")
    return np.broadcast_shapes(batch, codes.shape[:-2])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Operands:
    """Checked operands of one matmul, batch and all."""

    shape: tuple[int, ...]
    a: NDArray[np.uint64]
    b: NDArray[np.uint64]
    c: NDArray[np.uint64] | None
    a_scale: NDArray[np.uint64] | None
    b_scale: NDArray[np.uint64] | None

    def problems(self, form: UnitForm, out: NDArray[np.uint64], events: NDArray[np.int64], seed: int) -> Any:
        """The two-dimensional products, in order. A b without batch takes all rows of a in one product."""
        *batch, m, n = self.shape
        k = self.a.shape[-1]
        if out.size == 0:
            return
        rows = m
        if self.b.ndim == 2 and (self.b_scale is None or self.b_scale.ndim == 2):
            rows, batch = m * int(np.prod(batch, dtype=np.int64)), []
        count = int(np.prod(batch, dtype=np.int64))
        a = _flat(self.a, self.shape[:-2], (m, k), (count, rows, k))
        b = _flat(self.b, tuple(batch), (k, n), (count, k, n))
        c = None if self.c is None else np.ascontiguousarray(self.c).reshape(count, rows, n)
        sa, sb = self.a_scale, self.b_scale
        if sa is not None:
            sa = _flat(sa, self.shape[:-2], sa.shape[-2:], (count, rows, sa.shape[-1]))
        if sb is not None:
            sb = _flat(sb, tuple(batch), sb.shape[-2:], (count, *sb.shape[-2:]))
        d = out.reshape(count, rows, n)
        for i in range(count):
            yield Problem(
                form=form, a=a[i], b=b[i], c=None if c is None else c[i],
                a_scale=None if sa is None else sa[i], b_scale=None if sb is None else sb[i],
                d=d[i], events=events, first_index=i * rows * n, seed=seed, shape=self.shape,
            )  # fmt: skip


def _flat(
    array: NDArray[np.uint64], batch: tuple[int, ...], last: tuple[int, ...], shape: tuple[int, ...]
) -> NDArray[np.uint64]:
    """The array broadcast over a batch, with the batch flattened."""
    return np.ascontiguousarray(np.broadcast_to(array, (*batch, *last))).reshape(shape)
