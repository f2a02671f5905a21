"""The matrix products that are measured: one representative unit for each kind of plan, and its operands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.backend import Backend
from emu.formats.enums import FormatKind
from emu.formats.model import Format
from emu.units.form import PerBlock
from emu.units.plans import GENERAL, plan_of
from emu.units.unit import Unit


@dataclass(frozen=True, kw_only=True)
class Product:
    """A unit that is measured."""

    unit: str
    goal: str = ""
    """the key of the goal that it stands for, if it does"""
    plan: str | None = None
    """a plan by name, in place of the one that is chosen"""
    backend: Backend = Backend.C
    events: bool = False
    """whether events are counted"""
    batch: int = 0
    """how many products one call computes; 0: one, without a batch axis"""

    @property
    def key(self) -> str:
        """What --only is compared with."""
        words = [self.unit, self.plan or "", "" if self.backend is Backend.C else self.backend.value]
        words += ["events" * self.events, f"batch of {self.batch}" if self.batch else ""]
        return " ".join(filter(None, words))

    @property
    def how(self) -> dict[str, Any]:
        """The keywords of Unit.matmul."""
        return {"plan": self.plan, "backend": self.backend, "events": self.events}

    def plan_at(self, k: int) -> str:
        """The plan that runs it."""
        return self.plan or plan_of(self.loaded.form, k, self.backend, counts=self.events).name

    @cached_property
    def loaded(self) -> Unit:
        """The unit."""
        from emu.units.load import load_unit

        return load_unit(self.unit)


_HOPPER, _BLACKWELL = "nvidia-hopper:wgmma.mma_async", "nvidia-blackwell:tcgen05.mma"
_CHOSEN = (
    ("integer:add(a=int8, b=int8, acc=int32)", "int8"),
    ("integer:add(a=int8, b=int8, acc=int16, overflow=saturate)", "int8-sat16"),
    ("generic:float(acc=float16)", "narrow-fp16"),
    ("generic:float(acc=e6m9)", "narrow"),
    ("generic:float(acc=e6m9, rounding=toward_zero, overflow=saturate)", "narrow"),
    ("fp8-e4m3-fp16acc", "narrow"),
    ("generic:float(acc=float32, a=float16, b=float16)", "float32-sum"),
    (f"{_HOPPER}.m64n8k32.f32.e4m3.e4m3", "aligned-small"),
    ("nvidia-ampere:mma.sync.m16n8k16.f32.f16.f16.f32", "aligned-wide"),
    (f"{_HOPPER}.m64n8k16.f32.bf16.bf16", "aligned-wide"),
    (f"{_BLACKWELL}.m128n8k32.kind::mxf8f6f4.block32.f32.e4m3.e4m3.ue8m0", "aligned-wide"),
    (f"{_BLACKWELL}.m128n8k64.kind::mxf4nvf4.block16.f32.e2m1.e2m1.ue4m3", "aligned-wide"),
    ("bf16-fma-f32", "fma"),
    ("intel-amx:tdpbf16ps", "fma"),
    ("kulisch-e4m3", "exact"),
    ("ibm-int4-radix4:tree", "log4"),
)
BATCH = 256
PRODUCTS = (
    *(Product(unit=unit, goal=goal) for unit, goal in _CHOSEN),
    Product(unit="fp8-e4m3-fp16acc", goal="general", plan="lanes"),
    *(Product(unit=unit, goal="general") for unit in ("nnpi:fma", "ibm-int4-radix4:even", "kulisch-e5m2-66")),
)
"""What goals are judged by."""
MORE = (
    Product(unit="fp8-e4m3-fp16acc", plan=GENERAL),
    *(Product(unit=unit, backend=Backend.NUMBA) for unit, _ in _CHOSEN),
    *(Product(unit=unit, events=True) for unit in ("generic:float(acc=float16)", f"{_HOPPER}.m64n8k32.f32.e4m3.e4m3")),
    *(Product(unit=unit, batch=BATCH) for unit in ("integer:add(a=int8, b=int8, acc=int32)",
                                                   "generic:float(acc=float16)", "kulisch-e4m3")),
)  # fmt: skip
"""What is measured besides: Numba where it has a plan, event counting, many small products in one call."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operands:
    """Codes of a product of M = N = K = size."""

    a: NDArray[Any]
    b: NDArray[Any]
    a_scale: NDArray[Any] | None
    b_scale: NDArray[Any] | None

    def part(self, rows: Any, columns: Any) -> Operands:
        """Some rows of a, some columns of b, all of K."""
        return Operands(
            a=self.a[rows], b=self.b[:, columns],
            a_scale=None if self.a_scale is None else self.a_scale[rows],
            b_scale=None if self.b_scale is None else self.b_scale[:, columns],
        )  # fmt: skip

    def part_of_batch(self, at: int) -> Operands:
        """One product of a batch, of a unit without scales."""
        return Operands(a=self.a[at], b=self.b[at], a_scale=None, b_scale=None)

    def run(self, unit: Unit, **how: Any) -> Any:
        """The product."""
        return unit.matmul(self.a, self.b, a_scale=self.a_scale, b_scale=self.b_scale, **how)


def operands(unit: Unit, size: int, seed: int = 1, batch: int = 0) -> Operands:
    """Operands like those of a network: normally distributed floats, uniform integers, scales near one."""
    rng = np.random.default_rng(seed)
    shape = (batch, size, size) if batch else (size, size)
    return Operands(
        a=_codes(unit.a, shape, rng), b=_codes(unit.b, shape, rng),
        a_scale=_scales(unit.scale_a, size, rng), b_scale=_transposed(_scales(unit.scale_b, size, rng)),
    )  # fmt: skip


def _codes(fmt: Format, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    if fmt.kind is FormatKind.FLOAT and fmt.bits >= 8:
        found: NDArray[Any] = fmt.encode(rng.standard_normal(shape, dtype=np.float32))
        return found
    codes = np.arange(1 << fmt.bits, dtype=fmt.code_dtype)
    return rng.choice(codes[np.isfinite(fmt.decode(codes))], shape)


def _scales(scale: PerBlock | None, size: int, rng: np.random.Generator) -> NDArray[Any] | None:
    if scale is None:
        return None
    codes: NDArray[Any] = scale.format.encode(np.ldexp(1.0, rng.integers(-3, 4, (size, scale.blocks(size)))))
    return codes


def _transposed(codes: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if codes is None else np.ascontiguousarray(codes.T)
