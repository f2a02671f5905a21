"""Vectors as values of Numba code: a type, its operators, and what processors do with whole vectors.

`Lanes` of float32 or float64 have + - * and, on their codes, & |. A vector may be wider than a register: LLVM cuts it.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from emu.kernels.plans.machine import has_fma, width

Context = Any
Builder = Any
Signature = Any
Arguments = Any

_LLVM = {
    types.float32: ir.FloatType(), types.float64: ir.DoubleType(), types.int16: ir.IntType(16),
    types.int32: ir.IntType(32), types.int64: ir.IntType(64), types.uint8: ir.IntType(8),
}  # fmt: skip
_FLOATS = (types.float32, types.float64)


class Lanes(types.Type):  # type: ignore[misc]
    """A vector."""

    def __init__(self, scalar: Any, count: int) -> None:
        self.scalar, self.count = scalar, count
        super().__init__(name=f"lanes({scalar} x {count})")


@register_model(Lanes)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, ir.VectorType(_LLVM[lanes.scalar], lanes.count))


def _codes(builder: Builder, x: Any) -> Any:
    """A vector's codes, as integers."""
    element = x.type.element
    if isinstance(element, ir.IntType):
        return x
    bits = 32 if isinstance(element, ir.FloatType) else 64
    return builder.bitcast(x, ir.VectorType(ir.IntType(bits), x.type.count))


def in_all(builder: Builder, x: Any, count: int) -> Any:
    """A scalar in every lane."""
    kind = ir.VectorType(x.type, count)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), x, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), count), None)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)


def _operator(function: Any, of_floats: str | None, of_integers: str) -> None:
    @infer_global(function)
    class _Typing(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            del kws
            if len(args) == 2 and isinstance(args[0], Lanes) and args[0] == args[1]:
                return signature(args[0], *args)
            return None

    @lower_builtin(function, Lanes, Lanes)  # type: ignore[untyped-decorator]
    def _lower(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context
        x, y = args
        if of_floats and sig.return_type.scalar in _FLOATS:
            return getattr(builder, of_floats)(x, y)
        return builder.bitcast(getattr(builder, of_integers)(_codes(builder, x), _codes(builder, y)), x.type)


for _function, _of_floats, _of_integers in (
    (operator.add, "fadd", "add"), (operator.sub, "fsub", "sub"), (operator.mul, "fmul", "mul"),
    (operator.and_, None, "and_"), (operator.or_, None, "or_"),
):  # fmt: skip
    _operator(_function, _of_floats, _of_integers)


def _address(context: Context, builder: Builder, kind: Any, array: Any, index: Any, vector: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """`width` elements of a one-dimensional array."""
    del typingctx, index
    made = Lanes(array.dtype, width(array.dtype.name))

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        address = _address(context, builder, sig.args[0], args[0], args[1], context.get_value_type(made))
        return builder.load(address, align=array.dtype.bitwidth // 8)

    return made(array, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def load_like(typingctx: Any, like: Any, array: Any, index: Any) -> Any:
    """As many elements of a one-dimensional array as another vector has."""
    del typingctx, index
    made = Lanes(array.dtype, like.count)

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        address = _address(context, builder, sig.args[1], args[1], args[2], context.get_value_type(made))
        return builder.load(address, align=array.dtype.bitwidth // 8)

    return made(like, array, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def store(typingctx: Any, array: Any, index: Any, x: Any) -> Any:
    """Write a vector to consecutive elements of a one-dimensional array."""
    del typingctx, index

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        address = _address(context, builder, sig.args[0], args[0], args[1], args[2].type)
        builder.store(args[2], address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, x), generate


def _zeros(scalar: Any, count: int) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def zeros(typingctx: Any) -> Any:
        del typingctx
        made = Lanes(scalar, count)

        def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
            del builder, sig, args
            return ir.Constant(context.get_value_type(made), None)

        return made(), generate

    return zeros


singles_64 = _zeros(types.float32, 64)
"""64 zeros."""
doubles_64 = _zeros(types.float64, 64)


@intrinsic  # type: ignore[untyped-decorator]
def every(typingctx: Any, like: Any, x: Any) -> Any:
    """A number in all lanes of a vector like another one."""
    del typingctx, x

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context, sig
        return in_all(builder, args[1], like.count)

    return like(like, like.scalar), generate


@intrinsic  # type: ignore[untyped-decorator]
def pattern(typingctx: Any, like: Any, code: Any) -> Any:
    """A code in all lanes of a vector like another one."""
    del typingctx, code

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del sig
        bits = like.scalar.bitwidth
        word = builder.trunc(args[1], ir.IntType(bits)) if bits < 64 else args[1]
        return builder.bitcast(in_all(builder, word, like.count), context.get_value_type(like))

    return like(like, types.int64), generate


def _constant(of_single: int, of_double: int) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def constant(typingctx: Any, like: Any) -> Any:
        del typingctx

        def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
            del sig, args
            single = like.scalar.bitwidth == 32
            word = ir.Constant(ir.IntType(32 if single else 64), of_single if single else of_double)
            return builder.bitcast(in_all(builder, word, like.count), context.get_value_type(like))

        return like(like), generate

    return constant


sign_bit = _constant(1 << 31, 1 << 63)
magnitude_bits = _constant((1 << 31) - 1, (1 << 63) - 1)
exponent_bits = _constant(0x7F800000, 0x7FF << 52)
half_bit = _constant(0x00400000, 1 << 51)
"""The first bit of the fraction."""
last_bit = _constant(1, 1)
largest = _constant(0x7F7FFFFF, (0x7FF << 52) - 1)
minus_tiny_part = _constant(1 << 31 | (127 - 30) << 23, 1 << 63 | (1023 - 60) << 52)
"""-2^-30, -2^-60: less than half a last bit of 1."""


@intrinsic  # type: ignore[untyped-decorator]
def add_codes(typingctx: Any, x: Any, y: Any) -> Any:
    """The sums of codes."""
    del typingctx

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context, sig
        return builder.bitcast(builder.add(_codes(builder, args[0]), _codes(builder, args[1])), args[0].type)

    return x(x, y), generate


@intrinsic  # type: ignore[untyped-decorator]
def subtract_codes(typingctx: Any, x: Any, y: Any) -> Any:
    """The differences of codes."""
    del typingctx

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context, sig
        return builder.bitcast(builder.sub(_codes(builder, args[0]), _codes(builder, args[1])), args[0].type)

    return x(x, y), generate


@intrinsic  # type: ignore[untyped-decorator]
def shift_codes(typingctx: Any, x: Any, count: Any) -> Any:
    """Codes without their last bits, zeros above."""
    del typingctx, count

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context, sig
        codes = _codes(builder, args[0])
        word = builder.trunc(args[1], codes.type.element) if x.scalar.bitwidth < 64 else args[1]
        return builder.bitcast(builder.lshr(codes, in_all(builder, word, x.count)), args[0].type)

    return x(x, types.int64), generate


def _chosen(compare: str) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def choose(typingctx: Any, x: Any, y: Any, then: Any, other: Any) -> Any:
        del typingctx

        def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
            del context, sig
            ask = builder.fcmp_ordered if x.scalar in _FLOATS else builder.icmp_signed
            return builder.select(ask(compare, args[0], args[1]), args[2], args[3])

        return then(x, y, then, other), generate

    return choose


if_greater = _chosen(">")
"""if_greater(x, y, then, other): `then` where x > y; `other` where not, or where one is NaN."""
if_less = _chosen("<")
if_equal = _chosen("==")


def _fused(*, always: bool) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def multiply_add(typingctx: Any, x: Any, y: Any, z: Any) -> Any:
        del typingctx

        def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
            del context, sig
            if not always and not has_fma():
                return builder.fadd(builder.fmul(args[0], args[1]), args[2])
            kind = args[0].type
            name = f"llvm.fma.v{x.count}f{x.scalar.bitwidth}"
            function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
            return builder.call(function, args)

        return x(x, y, z), generate

    return multiply_add


fma = _fused(always=True)
"""x * y + z, rounded once."""
exact_fma = _fused(always=False)
"""x * y + z where the product is exact: the same whether it is fused or not."""


@intrinsic  # type: ignore[untyped-decorator]
def code_of(typingctx: Any, x: Any) -> Any:
    """The code of one float64, as an int64."""
    del typingctx, x

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context, sig
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic  # type: ignore[untyped-decorator]
def double_of(typingctx: Any, code: Any) -> Any:
    """The float64 of one code."""
    del typingctx, code

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context, sig
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def through_half(typingctx: Any, x: Any) -> Any:
    """float32 to binary16 in the direction of the moment, and back."""
    del typingctx

    def generate(context: Context, builder: Builder, sig: Signature, args: Arguments) -> Any:
        del context, sig
        half = builder.fptrunc(args[0], ir.VectorType(ir.HalfType(), x.count))
        return builder.fpext(half, args[0].type)

    return x(x), generate
