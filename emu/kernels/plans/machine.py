"""This processor: what it has, how wide vectors are, and the floating-point control word of a thread."""

from __future__ import annotations

from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

REGISTERS = 4
"""of a vector of AVX-512, which has 32 of them; other machines have 16, and get vectors of half so many bytes"""


@cache
def features() -> frozenset[str]:
    """What this processor has, by LLVM's names."""
    return frozenset(name for name, has in llvm.get_host_cpu_features().items() if has)


def width(dtype: Any) -> int:
    """Elements of the vectors that kernels compute with on this machine."""
    size = 64 * REGISTERS if "avx512f" in features() else 64
    return size // np.dtype(dtype).itemsize


@intrinsic  # type: ignore[untyped-decorator]
def set_control(typingctx: Any, word: Any) -> Any:
    """Write the floating-point control word of this thread (MXCSR, FPCR); the one before.

    Loads and stores do not move across it, nor does, then, any arithmetic between them.
    """
    del typingctx, word

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        del context, sig
        llvm.initialize_native_asmparser()
        long = ir.IntType(64)
        if "neon" in features():
            before = builder.asm(ir.FunctionType(long, []), "mrs $0, fpcr", "=r,~{memory}", [], True)
            builder.asm(ir.FunctionType(ir.VoidType(), [long]), "msr fpcr, $0", "r,~{memory}", [args[0]], True)
            return before
        place = cgutils.alloca_once(builder, ir.IntType(32))
        kind = ir.FunctionType(ir.VoidType(), [place.type])
        builder.asm(kind, "stmxcsr ($0)", "r,~{memory}", [place], True)
        before = builder.zext(builder.load(place), long)
        builder.store(builder.trunc(args[0], ir.IntType(32)), place)
        builder.asm(kind, "ldmxcsr ($0)", "r,~{memory}", [place], True)
        return before

    return types.int64(types.int64), generate


def control_word(mode: int, *, flush: bool = False) -> int:
    """The control word of a direction: to nearest, down, up, to zero (0 … 3). Exceptions are masked.

    Args:
        mode: the direction.
        flush: tiny results become zero.
    """
    if "neon" in features():
        return (0, 2, 1, 3)[mode] << 22 | int(flush) << 24
    return 0x1F80 | mode << 13 | int(flush) << 15


def has_control() -> bool:
    """Whether `set_control` does anything here."""
    return "sse2" in features() or "neon" in features()


def has_fma() -> bool:
    """Whether `fma` is an instruction here; LLVM would call a function for every lane else."""
    return "fma" in features() or "neon" in features()
