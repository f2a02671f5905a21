"""The keys of a format file, one struct per kind, and the rules between them.

The structs are what spec/README.md documents; `build` turns one into a `Format` or says which rule it breaks.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from emu.errors import SpecError
from emu.formats.enums import FormatKind, IntegerEncoding, NanEncoding, NanTo, Subnormals
from emu.formats.model import MAX_STORED_BITS, Format
from emu.spec.about import AboutKeys

Count = Annotated[int, msgspec.Meta(ge=0, le=4096)]
MAX_EXP_BITS = 15
"""Exponent fields are at most this wide: binary128's, far beyond any accelerator's."""
Bias = Annotated[int, msgspec.Meta(ge=-(1 << 20), le=1 << 20)]
"""Any integer that leaves room for exponents to add up in the kernels' 32 bits."""


class CommonKeys(AboutKeys, frozen=True, kw_only=True):
    """Keys of every format."""

    alias: tuple[str, ...] = ()
    kind: FormatKind = FormatKind.FLOAT
    nan_to: NanTo = NanTo.ZERO


class FloatKeys(CommonKeys, frozen=True, kw_only=True):
    """Keys of a float format."""

    exp_bits: Annotated[int, msgspec.Meta(ge=1, le=MAX_EXP_BITS)]
    man_bits: Count
    bias: Bias | None = None
    signed: bool = True
    subnormals: Subnormals = Subnormals.GRADUAL
    infinities: bool = True
    nan: NanEncoding = NanEncoding.IEEE
    negative_zero: bool | None = None
    ignored_low_bits: Count = 0
    ignored_high_bits: Count = 0


class IntegerKeys(CommonKeys, frozen=True, kw_only=True):
    """Keys of an integer format."""

    bits: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    signed: bool = True
    symmetric: bool = False
    encoding: IntegerEncoding = IntegerEncoding.TWOS_COMPLEMENT


class FixedKeys(CommonKeys, frozen=True, kw_only=True):
    """Keys of a fixed-point format."""

    bits: Annotated[int, msgspec.Meta(ge=1, le=8192)]
    frac_bits: Annotated[int, msgspec.Meta(ge=-4096, le=8192)]
    signed: bool = True


class LogKeys(CommonKeys, frozen=True, kw_only=True):
    """Keys of a log format."""

    radix: Annotated[int, msgspec.Meta(ge=2, le=256)]
    exp_bits: Annotated[int, msgspec.Meta(ge=1, le=MAX_EXP_BITS)]
    bias: Bias
    signed: bool = True
    zero: bool = True
    nan: NanEncoding = NanEncoding.NONE


KEYS_OF_KIND: dict[str, type[CommonKeys]] = {
    FormatKind.FLOAT.value: FloatKeys,
    FormatKind.INTEGER.value: IntegerKeys,
    FormatKind.FIXED.value: FixedKeys,
    FormatKind.LOG.value: LogKeys,
}


def build(keys: CommonKeys, name: str, file: str) -> Format:
    """The format that the keys describe.

    Raises:
        SpecError: two keys contradict each other, or the format would be too wide.
    """
    common = {
        "name": name, "alias": keys.alias, "doc": keys.doc, "source": keys.source,
        "maturity": keys.maturity, "scope": keys.scope, "nan_to": keys.nan_to, "kind": keys.kind,
    }  # fmt: skip
    match keys:
        case FloatKeys():
            return _float(keys, common, file)
        case FixedKeys():
            return Format(**common, bits=keys.bits, frac_bits=keys.frac_bits, signed=keys.signed)  # type: ignore[arg-type]
        case LogKeys():
            return _log(keys, common, file)
        case IntegerKeys():
            return _integer(keys, common, file)
    raise AssertionError(keys)


def _refuse(file: str, key: str, reason: str, value: object) -> SpecError:
    return SpecError(reason, file=file, key=key, value=value)


def _float(keys: FloatKeys, common: dict[str, object], file: str) -> Format:
    bits = int(keys.signed) + keys.exp_bits + keys.man_bits
    if bits + keys.ignored_low_bits + keys.ignored_high_bits > MAX_STORED_BITS:
        raise _refuse(file, "man_bits", f"a float format has at most {MAX_STORED_BITS} bits", keys.man_bits)
    if keys.nan is NanEncoding.IEEE and not keys.infinities:
        reason = 'nan = "ieee" reserves the top exponent for infinities too: use another nan rule, or infinities = true'
        raise _refuse(file, "nan", reason, keys.nan.value)
    if keys.nan is NanEncoding.IEEE and keys.man_bits == 0:
        raise _refuse(file, "nan", 'nan = "ieee" needs a mantissa bit to tell NaN from infinity', keys.nan.value)
    if keys.nan is NanEncoding.TOP_CODE and keys.signed:
        raise _refuse(file, "nan", 'nan = "top_code" is for unsigned formats: use "all_ones"', keys.nan.value)
    if keys.nan is NanEncoding.NEGATIVE_ZERO and not keys.signed:
        raise _refuse(file, "nan", 'nan = "negative_zero" needs a signed format', keys.nan.value)
    has_negative_zero = keys.signed and keys.nan is not NanEncoding.NEGATIVE_ZERO
    if keys.negative_zero and not has_negative_zero:
        raise _refuse(file, "negative_zero", "this format's code of -0 is NaN, or it has no sign", True)
    negative_zero = has_negative_zero if keys.negative_zero is None else keys.negative_zero
    out = Format(
        **common,  # type: ignore[arg-type]
        bits=bits + keys.ignored_low_bits + keys.ignored_high_bits,
        signed=keys.signed, exp_bits=keys.exp_bits, man_bits=keys.man_bits,
        bias=(1 << (keys.exp_bits - 1)) - 1 if keys.bias is None else keys.bias,
        subnormals=keys.subnormals, infinities=keys.infinities, nan=keys.nan, negative_zero=negative_zero,
        ignored_low_bits=keys.ignored_low_bits, ignored_high_bits=keys.ignored_high_bits,
    )  # fmt: skip
    smallest_normal = 1 << keys.man_bits if keys.subnormals is not Subnormals.NORMAL else 1
    if out.max_magnitude < smallest_normal:
        raise _refuse(file, "exp_bits", "no normal number is left after NaN and infinity", keys.exp_bits)
    return out


def _integer(keys: IntegerKeys, common: dict[str, object], file: str) -> Format:
    if not keys.signed and (keys.symmetric or keys.encoding is not IntegerEncoding.TWOS_COMPLEMENT):
        raise _refuse(file, "signed", "symmetric and sign_magnitude are for signed integers", False)
    if keys.signed and keys.bits < 2 and (keys.symmetric or keys.encoding is IntegerEncoding.SIGN_MAGNITUDE):
        raise _refuse(file, "bits", "leaves no value but zero", keys.bits)
    return Format(
        **common,  # type: ignore[arg-type]
        bits=keys.bits, signed=keys.signed, symmetric=keys.symmetric, encoding=keys.encoding,
    )  # fmt: skip


def _log(keys: LogKeys, common: dict[str, object], file: str) -> Format:
    if keys.radix & (keys.radix - 1):
        raise _refuse(file, "radix", "the radix of a log format is a power of two", keys.radix)
    if keys.nan not in (NanEncoding.NONE, NanEncoding.TOP_CODE):
        raise _refuse(file, "nan", 'a log format has nan = "none" or "top_code"', keys.nan.value)
    if keys.nan is NanEncoding.TOP_CODE and keys.signed:
        raise _refuse(file, "nan", 'nan = "top_code" is for unsigned formats', keys.nan.value)
    return Format(
        **common,  # type: ignore[arg-type]
        bits=int(keys.signed) + keys.exp_bits, signed=keys.signed, exp_bits=keys.exp_bits, bias=keys.bias,
        radix_log2=keys.radix.bit_length() - 1, has_zero=keys.zero, nan=keys.nan,
        negative_zero=keys.signed and keys.zero,
    )  # fmt: skip
