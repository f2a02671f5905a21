"""Instructions of every x86-64 processor, and fused multiply-adds of float64: always live, so they are not recorded.

* ADD, SUB, MUL, DIV, SQRT of float32 (PS) and float64 (PD): emu's operations in all roundings, with DAZ and FTZ.
* CVTPS2DQ rounds as MXCSR says, CVTTPS2DQ truncates: casts to int32; what fits none is the integer indefinite.
* CVTPD2PS, CVTPS2PD: casts. FTZ counts for the first only, as a float64 result is never tiny.
* VFMADDxxxPD: emu.fma. Its three orders of operands agree on the NaN: of the first factor, the second, the addend.

All of them raise flags in MXCSR, which are compared too, but for the denormal flag, which emu does not have. MINPS and
MAXPS are not here: emu's minimum and maximum are those of IEEE 754-2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from emu.verify.instructions import DAZ, FTZ, ROUNDINGS, Instruction

S, D = "float32", "float64"
ANYWHERE = "sse2"
"""The feature that every x86-64 processor has"""
DAZ_AND_FTZ: tuple[tuple[str, dict[str, Any]], ...] = (
    ("", {}),
    (".daz", DAZ),
    (".ftz", FTZ),
    (".daz.ftz", {**DAZ, **FTZ}),
)

MXCSR: tuple[tuple[str, str, str, tuple[str, ...], str], ...] = (
    # name, feature, operation, operands, result: in all roundings, with DAZ and FTZ
    *((f"{name}ps", ANYWHERE, name, (S, S), S) for name in ("add", "sub", "mul", "div")),
    ("sqrtps", ANYWHERE, "sqrt", (S,), S),
    *((f"{name}pd", ANYWHERE, name, (D, D), D) for name in ("add", "sub", "mul", "div")),
    ("sqrtpd", ANYWHERE, "sqrt", (D,), D),
    ("cvtpd2ps", ANYWHERE, "cast", (D,), S),
    ("vfmaddpd", "fma", "fma", (D, D, D), D),
)


def instructions() -> dict[str, Instruction]:
    """By name: addps.toward_zero.daz.ftz."""
    return {instruction.name: instruction for instruction in _instructions()}


def _instructions() -> Iterator[Instruction]:
    for (name, feature, operation, operands, result), rounding, (suffix, how) in product(MXCSR, ROUNDINGS, DAZ_AND_FTZ):
        yield Instruction(
            name=f"{name}.{rounding}{suffix}", feature=feature, operation=operation, operands=operands, result=result,
            keywords={"rounding": rounding, **how}, flags=True,
        )  # fmt: skip
    for suffix, how in DAZ_AND_FTZ[:2]:
        for rounding in ROUNDINGS:
            yield _cast(f"cvtps2dq.{rounding}{suffix}", "int32", {"rounding": rounding, **how})
        yield _cast(f"cvttps2dq{suffix}", "int32", {"rounding": "toward_zero", **how})
        yield _cast(f"cvtps2pd{suffix}", D, how)


def _cast(name: str, result: str, keywords: dict[str, Any]) -> Instruction:
    return Instruction(
        name=name, feature=ANYWHERE, operation="cast", operands=(S,), result=result, keywords=keywords, flags=True
    )
