"""Instructions of this kind of processor that were recorded, and what emu computes for each.

An instruction is one encoding in one rounding: `vaddph.toward_zero`. Three kinds:

* **units**: dot products and tiles, computed by a built-in unit (`unit` names it). Operands a [..., M, K],
  b [..., K, N] and, if the unit has it, c [..., M, N].
* **elementwise**: computed by operations of emu. Operands broadcast; those of complex instructions have the pairs
  (real, imaginary) in their last axis.
* **functions**: computed by a built-in function unit (`function` names it); elementwise too. All backends look results
  up in the unit's table; `reference` evaluates its definition again.

VFMADD231PH and VFMADD231PS are there twice, as units (`vfmadd231ph.toward_zero`) and as emu.fma
(`vfmaddph.toward_zero`): destination c, second source a, third source b.

What holds for all of them: a NaN result is the first operand that is NaN, quieted, else the negative default NaN
(nan = "x86"). `flags` says for which the exception flags are those of emu, but for the denormal flag, which emu does
not have; the others raise none, or were not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import emu
from emu.functions.datapath import compute

ROUNDINGS = ("ties_to_even", "toward_negative", "toward_positive", "toward_zero")
"""In the order of the processor's rounding control: 0, 1, 2, 3"""

SIGN16 = 0x8000
MAGNITUDE16 = 0x7FFF
INFINITY16 = 0x7C00


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction in one rounding, as emu computes it."""

    name: str
    """what the instruction is called here, for example vaddph.toward_zero or tdpbssd"""
    feature: str
    """the CPUID feature that it needs"""
    unit: str | None = None
    """the built-in unit that computes it; None: an elementwise operation"""
    operands: tuple[str, ...]
    """format names, in operand order; a unit's are a, b and c"""
    result: str
    operation: str = ""
    """of an elementwise one: a key of `OPERATIONS`"""
    function: str | None = None
    """the built-in function unit that computes it"""
    keywords: Mapping[str, Any] = field(default_factory=dict)
    """for the operation: rounding, daz, ftz"""

    flags: bool = False
    """whether its exception flags are those of the operation"""

    @property
    def mnemonic(self) -> str:
        """The name without rounding and modes: vaddph."""
        return self.name.partition(".")[0]

    @property
    def computed_by(self) -> str:
        """What of emu computes it."""
        return self.unit or self.function or f"emu.{self.operation.partition(' ')[0]}"

    @property
    def complex(self) -> bool:
        """Whether the last axis of operands and result is (real, imaginary)."""
        return self.operation.startswith("complex")

    def run(self, *codes: NDArray[Any], backend: str | None = None) -> NDArray[Any]:
        """The emulator's result codes.

        Args:
            codes: one array for each operand; of a unit a [..., M, K], b [..., K, N] and, where there is one, c
                [..., M, N], which may be left out: then it is +0.
            backend: as everywhere.

        Raises:
            ValueError: the number, shapes or codes of the operands do not fit.
        """
        if self.unit is not None:
            found: NDArray[Any] = emu.load_unit(self.unit).matmul(*codes, backend=backend)
            return found
        if len(codes) != len(self.operands):
            raise ValueError(f"{self.name} takes {len(self.operands)} operands, not {len(codes)}")
        if self.function is not None:
            return _function(self.function, codes[0], backend)
        return np.asarray(OPERATIONS[self.operation](self, codes, {**self.keywords, "nan": "x86", "backend": backend}))

    def run_with_flags(
        self, *codes: NDArray[Any], backend: str | None = None
    ) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
        """Result codes as `run`, and the flags of each result; None: of an instruction without `flags`."""
        if not self.flags:
            return self.run(*codes, backend=backend), None
        how = {**self.keywords, "nan": "x86", "backend": backend, "flags": True}
        found, flags = OPERATIONS[self.operation](self, codes, how)
        return found, flags


def _function(name: str, codes: NDArray[Any], backend: str | None) -> NDArray[Any]:
    unit = emu.load_function(name)
    if backend != "reference":
        return unit.apply(codes)
    found = [compute(unit.form, int(code)) for code in codes.ravel()]
    return np.array(found, unit.output.code_dtype).reshape(codes.shape)


Operate = Callable[[Instruction, tuple[NDArray[Any], ...], dict[str, Any]], Any]
"""Codes, or with flags = True codes and flags"""


def _operation(name: str) -> Operate:
    """One operation of emu, operands and result in one format."""

    def operate(instruction: Instruction, codes: tuple[NDArray[Any], ...], how: dict[str, Any]) -> Any:
        return getattr(emu, name)(*codes, instruction.result, **how)

    return operate


def _cast(instruction: Instruction, codes: tuple[NDArray[Any], ...], how: dict[str, Any]) -> Any:
    return emu.cast(codes[0], instruction.operands[0], instruction.result, **how)


def _negative(codes: NDArray[Any]) -> NDArray[Any]:
    """Numbers with their sign inverted; a NaN keeps its own."""
    return np.where((codes & MAGNITUDE16) > INFINITY16, codes, codes ^ np.uint16(SIGN16))


def _complex(conjugate: bool) -> Operate:
    """a * b, or a * conj(b); with c: c + that. Real operations, each rounded, in this order.

    First step, with the real part of b: a product, or with c a fused multiply-add to it. Second step, with the
    imaginary part: a fused multiply-add to the first.
    """

    def operate(_: Instruction, codes: tuple[NDArray[Any], ...], how: dict[str, Any]) -> NDArray[Any]:
        (ar, ai), (br, bi) = ((np.asarray(x)[..., 0], np.asarray(x)[..., 1]) for x in codes[:2])
        if len(codes) == 2:
            real, imaginary = emu.mul(ar, br, "float16", **how), emu.mul(ai, br, "float16", **how)
        else:
            c = np.asarray(codes[2])
            real = emu.fma(ar, br, c[..., 0], "float16", **how)
            imaginary = emu.fma(ai, br, c[..., 1], "float16", **how)
        minus_i, plus_r = (ai, _negative(ar)) if conjugate else (_negative(ai), ar)
        real = emu.fma(minus_i, bi, real, "float16", **how)
        imaginary = emu.fma(plus_r, bi, imaginary, "float16", **how)
        return np.stack(np.broadcast_arrays(real, imaginary), axis=-1)

    return operate


OPERATIONS: dict[str, Operate] = {
    **{name: _operation(name) for name in ("add", "sub", "mul", "div", "fma", "sqrt")},
    "cast": _cast,
    "complex": _complex(conjugate=False),
    "complex conjugate": _complex(conjugate=True),
}

H, B, S = "float16", "bfloat16", "float32"
DAZ, FTZ = {"daz": True}, {"ftz": "after_rounding"}

IN_FOUR_ROUNDINGS: tuple[tuple[str, str, str, tuple[str, ...], str], ...] = (
    # name, feature, operation, operands, result
    ("vaddph", "avx512_fp16", "add", (H, H), H),
    ("vsubph", "avx512_fp16", "sub", (H, H), H),
    ("vmulph", "avx512_fp16", "mul", (H, H), H),
    ("vdivph", "avx512_fp16", "div", (H, H), H),
    ("vsqrtph", "avx512_fp16", "sqrt", (H,), H),
    ("vfmaddph", "avx512_fp16", "fma", (H, H, H), H),
    ("vfmaddps", "fma", "fma", (S, S, S), S),
    ("vcvtps2ph", "f16c", "cast", (S,), H),
    ("vfmulcph", "avx512_fp16", "complex", (H, H), H),
    ("vfmaddcph", "avx512_fp16", "complex", (H, H, H), H),
    ("vfcmulcph", "avx512_fp16", "complex conjugate", (H, H), H),
    ("vfcmaddcph", "avx512_fp16", "complex conjugate", (H, H, H), H),
)
OTHERS: tuple[tuple[str, str, str, tuple[str, ...], str, dict[str, Any]], ...] = (
    *((f"vcvtps2ph.{rounding}.daz", "f16c", "cast", (S,), H, {"rounding": rounding, **DAZ}) for rounding in ROUNDINGS),
    ("vfmaddps.daz.ftz", "fma", "fma", (S, S, S), S, {**DAZ, **FTZ}),
    ("vcvtph2ps", "f16c", "cast", (H,), S, {}),
    ("vcvtneps2bf16", "avx512_bf16", "cast", (S,), B, DAZ),
)
FUNCTIONS: tuple[tuple[str, str, str], ...] = (
    # name, feature, function unit from float16 to float16
    ("vrcpph", "avx512_fp16", "intel-vrcpph"),
    ("vrsqrtph", "avx512_fp16", "intel-vrsqrtph"),
)
RAISE_FLAGS = ("vfmaddps", "vcvtps2ph", "vcvtph2ps")
"""AVX512-FP16 is run with embedded rounding, which suppresses them; VCVTNEPS2BF16 raises none"""
UNITS: tuple[tuple[str, str, str, tuple[str, ...], str], ...] = (
    # name, feature, family, operands, result
    ("vdpbf16ps", "avx512_bf16", "intel-avx512", (B, B, S), S),
    ("vpdpbusd", "avx512_vnni", "intel-avx512", ("uint8", "int8", "int32"), "int32"),
    ("vpdpbusds", "avx512_vnni", "intel-avx512", ("uint8", "int8", "int32"), "int32"),
    ("vpdpwssd", "avx512_vnni", "intel-avx512", ("int16", "int16", "int32"), "int32"),
    ("vpdpwssds", "avx512_vnni", "intel-avx512", ("int16", "int16", "int32"), "int32"),
    ("vpmaddubsw", "avx512_bw", "intel-avx512", ("uint8", "int8"), "int16"),
    ("vpmaddwd", "avx512_bw", "intel-avx512", ("int16", "int16"), "int32"),
    *((f"vfmadd231ph.{rounding}", "avx512_fp16", "intel-avx512", (H, H, H), H) for rounding in ROUNDINGS),
    *((f"vfmadd231ps.{rounding}", "fma", "intel-avx512", (S, S, S), S) for rounding in ROUNDINGS),
    ("vfmadd231ps.daz.ftz", "fma", "intel-avx512", (S, S, S), S),
    ("tdpbf16ps", "amx_bf16", "intel-amx", (B, B, S), S),
    ("tdpbssd", "amx_int8", "intel-amx", ("int8", "int8", "int32"), "int32"),
    ("tdpbsud", "amx_int8", "intel-amx", ("int8", "uint8", "int32"), "int32"),
    ("tdpbusd", "amx_int8", "intel-amx", ("uint8", "int8", "int32"), "int32"),
    ("tdpbuud", "amx_int8", "intel-amx", ("uint8", "uint8", "int32"), "int32"),
)


Row = tuple[str, str, str, tuple[str, ...], str, dict[str, Any]]


def _rows() -> list[Row]:
    """The elementwise instructions: name, feature, operation, operands, result, keywords."""
    rounded: list[Row] = [
        (f"{name}.{rounding}", feature, operation, operands, result, {"rounding": rounding})
        for name, feature, operation, operands, result in IN_FOUR_ROUNDINGS
        for rounding in ROUNDINGS
    ]
    return [*rounded, *OTHERS]


@cache
def instructions() -> dict[str, Instruction]:
    """All instructions that emu computes, by name."""
    units = [
        Instruction(name=name, feature=feature, unit=f"{family}:{name}", operands=operands, result=result)
        for name, feature, family, operands, result in UNITS
    ]
    elementwise = [
        Instruction(
            name=name, feature=feature, operation=operation, operands=operands, result=result, keywords=keywords
        )
        for name, feature, operation, operands, result, keywords in _rows()
    ]
    elementwise = [replace(one, flags=True) if one.mnemonic in RAISE_FLAGS else one for one in elementwise]
    functions = [
        Instruction(name=name, feature=feature, function=function, operands=(H,), result=H)
        for name, feature, function in FUNCTIONS
    ]
    return {instruction.name: instruction for instruction in [*units, *elementwise, *functions]}
