"""Vectors of integers: shifts, saturating sums, products of pairs; and vectors of one type as those of another."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from emu.kernels.plans.lanes import Arguments, Builder, Context, Lanes, Signature, in_all


@intrinsic  # type: ignore[untyped-decorator]
def shift_up(typingctx: Any, x: Any, count: Any) -> Any:
    """Integers times 2^count."""
    del typingctx, count

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context, sig
        word = args[1] if x.scalar.bitwidth == 64 else builder.trunc(args[1], args[0].type.element)
        return builder.shl(args[0], in_all(builder, word, x.count))

    return x(x, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def shift_down(typingctx: Any, x: Any, count: Any) -> Any:
    """Integers divided by 2^count, rounded down."""
    del typingctx, count

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context, sig
        word = args[1] if x.scalar.bitwidth == 64 else builder.trunc(args[1], args[0].type.element)
        return builder.ashr(args[0], in_all(builder, word, x.count))

    return x(x, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def add_pairs(typingctx: Any, s: Any, x: Any, y: Any) -> Any:
    """s + the products of the 16-bit halves of words; modulo 2^32."""
    del typingctx

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context, sig
        count = s.count
        halves, wide = (ir.VectorType(ir.IntType(bits), 2 * count) for bits in (16, 32))
        left, right = (builder.sext(builder.bitcast(word, halves), wide) for word in args[1:])
        products = builder.mul(left, right)
        parts = []
        for first in (0, 1):
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(first, 2 * count, 2)))
            parts.append(builder.shuffle_vector(products, ir.Constant(wide, ir.Undefined), lanes))
        return builder.add(args[0], builder.add(*parts))

    return s(s, x, y), generate


@intrinsic  # type: ignore[untyped-decorator]
def add_saturating(typingctx: Any, x: Any, y: Any) -> Any:
    """The sums of signed integers, clamped to their type."""
    del typingctx

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context, sig
        kind = args[0].type
        name = f"llvm.sadd.sat.v{x.count}i{x.scalar.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 2), name)
        return builder.call(function, args)

    return x(x, y), generate


@intrinsic  # type: ignore[untyped-decorator]
def any_set(typingctx: Any, x: Any) -> Any:
    """Whether an integer of a vector is not 0."""
    del typingctx

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context, sig
        seen = builder.icmp_signed("!=", args[0], ir.Constant(args[0].type, None))
        word = builder.bitcast(seen, ir.IntType(x.count))
        return builder.icmp_signed("!=", word, ir.Constant(word.type, 0))

    return types.boolean(x), generate


def _converted(scalar: Any, instructions: dict[Any, str]) -> Any:
    """A vector of another type. instructions: LLVM's, by the type that is given."""

    @intrinsic  # type: ignore[untyped-decorator]
    def convert(typingctx: Any, x: Any) -> Any:
        del typingctx
        made = Lanes(scalar, x.count)

        def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
            del sig
            return getattr(builder, instructions[x.scalar])(args[0], context.get_value_type(made))

        return made(x), generate

    return convert


to_double = _converted(types.float64, {types.float32: "fpext", types.int32: "sitofp"})
to_single = _converted(types.float32, {types.float64: "fptrunc", types.int32: "sitofp"})
cut_to_int = _converted(types.int32, {types.float32: "fptosi"})
"""Toward zero; it must fit."""
to_int = _converted(types.int32, {types.int16: "sext"})
to_long = _converted(types.int64, {types.int32: "sext", types.int16: "sext"})
as_int = _converted(types.int32, {types.float32: "bitcast"})
as_single = _converted(types.float32, {types.int32: "bitcast"})
as_double = _converted(types.float64, {types.int64: "bitcast"})
as_long = _converted(types.int64, {types.float64: "bitcast"})
