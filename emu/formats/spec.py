"""The keys of a format file, one struct per kind, and the rules between them.

The structs are what spec/README.md documents; `build` turns one into a `Format` or says which rule it breaks.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import msgspec

from emu.formats import listing
from emu.formats.enums import (
    FormatKind,
    IntegerEncoding,
    LogBoundary,
    LogPhase,
    NanEncoding,
    NanTo,
    Subnormals,
    Ties,
    ZeroBoundary,
)
from emu.formats.grid import MAX_POINT_BITS
from emu.formats.logs import MAX_LISTED_EXPONENT, log_format, refused
from emu.formats.model import MAX_STORED_BITS, Format
from emu.formats.value import Value, compare
from emu.spec.about import AboutKeys, Keys, means

Count = Annotated[int, msgspec.Meta(ge=0, le=4096)]
MAX_EXP_BITS = 20
"""Exponent fields are at most this wide: binary128 has 15, P3109's widest 16; exact sums need 2^exp_bits bits."""
MAX_LOG_EXP_BITS = 15
MAX_LISTED_BITS = 16
"""Log and codebook formats are listed value by value."""
Bias = Annotated[int, msgspec.Meta(ge=-(1 << 20), le=1 << 20)]
"""Any integer that leaves room for exponents to add up in the kernels' 32 bits."""
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
TIES = means("what `ties_to_even` does with a tie; the other roundings do what they say")


class CommonKeys(AboutKeys, frozen=True, kw_only=True):
    """Keys of every format."""

    alias: Annotated[tuple[str, ...], means("other names, compared without case")] = ()
    kind: Annotated[
        FormatKind, means("what map it is", values="`float`, `integer`, `fixed`, `log`, `codebook`, `block`")
    ] = FormatKind.FLOAT
    nan_to: Annotated[NanTo, means("what a NaN becomes where the format has none")] = NanTo.ZERO


class FloatKeys(CommonKeys, frozen=True, kw_only=True):
    """Keys of a float format."""

    exp_bits: Annotated[Annotated[int, msgspec.Meta(ge=1, le=MAX_EXP_BITS)], means("width of the exponent field")]
    man_bits: Annotated[Count, means("stored mantissa bits")]
    bias: Annotated[Bias | None, means("of the exponent field", default="2^(exp_bits − 1) − 1")] = None
    signed: Annotated[bool, means("whether there is a sign bit")] = True
    subnormals: Annotated[Subnormals, means("what E = 0 means")] = Subnormals.GRADUAL
    infinities: Annotated[bool, means("whether there are infinities")] = True
    nan: Annotated[NanEncoding, means("which codes are NaN", without=("listed",))] = NanEncoding.IEEE
    negative_zero: Annotated[
        bool | None,
        means(
            "`false`: the code of −0 decodes to +0 and is never produced",
            default="`true` if signed and that code is not NaN",
        ),
    ] = None
    ignored_low_bits: Annotated[
        Count, means("bits of the code below the mantissa that are not looked at, and written as 0 (TF32)")
    ] = 0
    ignored_high_bits: Annotated[Count, means("the same above the sign (UE4M3)")] = 0


class IntegerKeys(CommonKeys, frozen=True, kw_only=True):
    """Keys of an integer format."""

    bits: Annotated[Annotated[int, msgspec.Meta(ge=1, le=4096)], means("width of a code")]
    signed: Annotated[bool, means("whether there are negative values")] = True
    symmetric: Annotated[bool, means("−2^(bits − 1) is outside the range (its code still decodes)")] = False
    encoding: Annotated[IntegerEncoding, means("of negative numbers")] = IntegerEncoding.TWOS_COMPLEMENT


class FixedKeys(CommonKeys, frozen=True, kw_only=True):
    """Keys of a fixed-point format."""

    bits: Annotated[Annotated[int, msgspec.Meta(ge=1, le=8192)], means("width of a code")]
    frac_bits: Annotated[Annotated[int, msgspec.Meta(ge=-4096, le=8192)], means("bits below the binary point")]
    signed: Annotated[bool, means("whether there are negative values")] = True
    symmetric: Annotated[bool, means("−2^(bits − 1) is outside the range")] = False


class LogKeys(CommonKeys, frozen=True, kw_only=True):
    """Keys of a log format."""

    radix: Annotated[Annotated[int, msgspec.Meta(ge=2, le=256)], means("a power of two", values="2, 4, 8, … 256")]
    exp_bits: Annotated[Annotated[int, msgspec.Meta(ge=1, le=MAX_LOG_EXP_BITS)], means("width of the exponent field")]
    bias: Annotated[Bias, means("of the exponent field")]
    signed: Annotated[bool, means("whether there is a sign bit")] = True
    zero: Annotated[bool, means("E = 0 is a zero of its sign")] = True
    nan: Annotated[
        NanEncoding,
        means(
            "`top_code` is for unsigned formats",
            without=("ieee", "all_ones", "negative_zero", "listed"),
        ),
    ] = NanEncoding.NONE
    phase: Annotated[LogPhase, means("which of two interleaved grids (two-phase rounding)")] = LogPhase.EVEN
    boundary: Annotated[
        LogBoundary | Share,
        means(
            "where nearest roundings change from one power to the next; `geometric`, and a number, are for `steps = 1` "
            "only. A number is the share of the upper power, from 1/radix to 1, exactly as its binary64 has it: of "
            "radix 4, 0.625 is half way between 1 and 4, and 0.5 their geometric mean"
        ),
    ] = LogBoundary.ARITHMETIC
    zero_boundary: Annotated[ZeroBoundary, means("and from zero to the smallest power")] = ZeroBoundary.SERIES
    ties: Annotated[Ties, TIES] = Ties.EVEN
    steps: Annotated[Annotated[int, msgspec.Meta(ge=1, le=256)], means("values for each power of the radix")] = 1
    table_bits: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=52)] | None,
        means("of `steps` above 1: radix^(i/steps) is rounded to so many fraction bits, to nearest"),
    ] = None
    table: Annotated[tuple[float, ...], means("or given: `steps` numbers from 1 up to the radix")] = ()


class PositKeys(Keys, frozen=True, kw_only=True):
    """A posit: the rule that lists a codebook."""

    bits: Annotated[Annotated[int, msgspec.Meta(ge=3, le=MAX_LISTED_BITS)], means("width of a code")]
    es: Annotated[Annotated[int, msgspec.Meta(ge=0, le=4)], means("exponent bits")]


class CodebookKeys(CommonKeys, frozen=True, kw_only=True):
    """Keys of a codebook format."""

    values: Annotated[
        tuple[float, ...],
        means(
            "by code: finite numbers, `-0.0`, `nan`, `inf` and `-inf` (one of each sign that the values have, or "
            "none). Of several codes of a value the smallest is written",
            values="list of 2^bits numbers, 2 to 65536",
            default="those of `posit`",
        ),
    ] = ()
    boundaries: Annotated[
        tuple[float, ...],
        means(
            "where nearest roundings change, ascending, between the distinct finite values",
            default="half way",
        ),
    ] = ()
    posit: Annotated[
        PositKeys | None,
        means(
            "instead of `values`: a posit of 3 to 16 `bits` with `es` 0 to 4 exponent bits; its boundaries are the "
            "posits of one bit more, and no number but zero is rounded to zero by the nearest roundings"
        ),
    ] = None
    ties: Annotated[Ties, TIES] = Ties.EVEN


KEYS_OF_KIND: dict[str, type[CommonKeys]] = {
    FormatKind.FLOAT.value: FloatKeys,
    FormatKind.INTEGER.value: IntegerKeys,
    FormatKind.FIXED.value: FixedKeys,
    FormatKind.LOG.value: LogKeys,
    FormatKind.CODEBOOK.value: CodebookKeys,
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
            return _fixed(keys, common, file)
        case LogKeys():
            return log_format(keys, common, file)
        case IntegerKeys():
            return _integer(keys, common, file)
        case CodebookKeys():
            return _codebook(keys, common, file)
    raise AssertionError(keys)


def _float(keys: FloatKeys, common: dict[str, object], file: str) -> Format:
    bits = int(keys.signed) + keys.exp_bits + keys.man_bits
    if keys.subnormals is Subnormals.LOWERED:
        return _lowered(keys, common, file)
    if keys.nan is NanEncoding.LISTED:
        raise refused(file, "nan", "a float format does not list its NaN", keys.nan.value)
    if bits + keys.ignored_low_bits + keys.ignored_high_bits > MAX_STORED_BITS:
        raise refused(file, "man_bits", f"a float format has at most {MAX_STORED_BITS} bits", keys.man_bits)
    if keys.nan is NanEncoding.IEEE and not keys.infinities:
        reason = 'nan = "ieee" reserves the top exponent for infinities too: use another nan rule, or infinities = true'
        raise refused(file, "nan", reason, keys.nan.value)
    if keys.nan is NanEncoding.IEEE and keys.man_bits == 0:
        raise refused(file, "nan", 'nan = "ieee" needs a mantissa bit to tell NaN from infinity', keys.nan.value)
    if keys.nan is NanEncoding.TOP_CODE and keys.signed:
        raise refused(file, "nan", 'nan = "top_code" is for unsigned formats: use "all_ones"', keys.nan.value)
    if keys.nan is NanEncoding.NEGATIVE_ZERO and not keys.signed:
        raise refused(file, "nan", 'nan = "negative_zero" needs a signed format', keys.nan.value)
    has_negative_zero = keys.signed and keys.nan is not NanEncoding.NEGATIVE_ZERO
    if keys.negative_zero and not has_negative_zero:
        raise refused(file, "negative_zero", "this format's code of -0 is NaN, or it has no sign", True)
    negative_zero = has_negative_zero if keys.negative_zero is None else keys.negative_zero
    out = Format(
        **common,  # type: ignore[arg-type]
        bits=bits + keys.ignored_low_bits + keys.ignored_high_bits,
        signed=keys.signed, exp_bits=keys.exp_bits, man_bits=keys.man_bits,
        bias=_bias(keys),
        subnormals=keys.subnormals, infinities=keys.infinities, nan=keys.nan, negative_zero=negative_zero,
        ignored_low_bits=keys.ignored_low_bits, ignored_high_bits=keys.ignored_high_bits,
    )  # fmt: skip
    smallest_normal = 1 << keys.man_bits if keys.subnormals is not Subnormals.NORMAL else 1
    if out.max_magnitude < smallest_normal:
        raise refused(file, "exp_bits", "no normal number is left after NaN and infinity", keys.exp_bits)
    return out


def _bias(keys: FloatKeys) -> int:
    return (1 << (keys.exp_bits - 1)) - 1 if keys.bias is None else keys.bias


def _lowered(keys: FloatKeys, common: dict[str, object], file: str) -> Format:
    """A float with a gap below its normal numbers has no regular grid: it becomes a codebook."""
    bits = int(keys.signed) + keys.exp_bits + keys.man_bits
    if bits > MAX_LISTED_BITS:
        reason = f'subnormals = "lowered" is for formats of at most {MAX_LISTED_BITS} bits'
        raise refused(file, "subnormals", reason, keys.subnormals.value)
    if abs(_bias(keys)) > MAX_LISTED_EXPONENT:
        reason = f'subnormals = "lowered" needs a bias from {-MAX_LISTED_EXPONENT} to {MAX_LISTED_EXPONENT}'
        raise refused(file, "bias", reason, _bias(keys))
    if keys.infinities or keys.nan is not NanEncoding.NONE or keys.ignored_low_bits or keys.ignored_high_bits:
        reason = 'subnormals = "lowered" needs infinities = false, nan = "none" and no ignored bits'
        raise refused(file, "subnormals", reason, keys.subnormals.value)
    values = listing.lowered(keys.signed, keys.exp_bits, keys.man_bits, _bias(keys))
    return _listed(values, common | {"kind": FormatKind.CODEBOOK}, Ties.EVEN, file)


def _codebook(keys: CodebookKeys, common: dict[str, object], file: str) -> Format:
    if (keys.posit is None) == (not keys.values):
        raise refused(file, "values", "give values, or posit = { bits, es }, and not both", len(keys.values))
    if keys.posit is not None:
        if keys.boundaries:
            raise refused(file, "boundaries", "a posit has those of its standard", len(keys.boundaries))
        return _listed(listing.posit(keys.posit.bits, keys.posit.es), common, keys.ties, file)
    count = len(keys.values)
    if count & (count - 1) or not 2 <= count <= 1 << MAX_LISTED_BITS:
        reason = f"a codebook lists 2^bits values, 2 to {1 << MAX_LISTED_BITS} (write nan for a code that is not used)"
        raise refused(file, "values", reason, count)
    made = listing.Listing(values=listing.from_floats(keys.values), boundaries=listing.from_floats(keys.boundaries))
    if any(not value.finite for value in made.boundaries):
        raise refused(file, "boundaries", "a boundary is a finite number", keys.boundaries)
    return _listed(made, common, keys.ties, file)


def _listed(made: listing.Listing, common: dict[str, object], ties: Ties, file: str) -> Format:
    finite = [value for value in made.values if value.finite]
    if not any(value.sig for value in finite):
        raise refused(file, "values", "a codebook needs a finite value that is not zero", len(made.values))
    signed = any(value.negative for value in made.values if not value.nan)
    infinities = [made.first(inf=True, negative=negative) >= 0 for negative in (False, True)]
    if any(infinities) and (not infinities[0] or infinities[1] != signed):
        raise refused(file, "values", "list an infinity of each sign that the values have, or none", "inf")
    out = Format(
        **common,  # type: ignore[arg-type]
        bits=(len(made.values) - 1).bit_length(), signed=signed, listing=made, ties=ties,
        infinities=infinities[0], negative_zero=made.negative_zero_code >= 0,
        nan=NanEncoding.LISTED if made.first(nan=True) >= 0 else NanEncoding.NONE,
        has_zero=any(value.sig == 0 for value in finite),
    )  # fmt: skip
    _check_points(out, file)
    return out


def _text(x: Value) -> str:
    """A finite value for an error message: sig * 2^q."""
    return f"{x.signed_sig} * 2^{x.q}"


def _check_points(fmt: Format, file: str) -> None:
    """Values and boundaries fit a word, and the boundaries lie between the values."""
    assert fmt.listing is not None
    points = fmt.grid.points
    given = fmt.listing.boundaries
    if given and len(given) != len(points) - 1:
        reason = f"between {len(points)} distinct values there are {len(points) - 1} boundaries"
        raise refused(file, "boundaries", reason, len(given))
    for low, high in pairwise(points):
        assert low.boundary is not None
        span = [x for x in (low.value, low.boundary.value, high.value) if x.sig]
        ordered = compare(low.value, low.boundary.value) <= 0 <= compare(high.value, low.boundary.value)
        if not ordered:
            raise refused(file, "boundaries", "a boundary lies between its two values", _text(low.boundary.value))
        if max(x.top for x in span) - min(listing.normal(x).q for x in span) >= MAX_POINT_BITS:
            reason = f"two neighbours and their boundary need more than {MAX_POINT_BITS} bits together"
            raise refused(file, "values", reason, _text(high.value))


def _fixed(keys: FixedKeys, common: dict[str, object], file: str) -> Format:
    if keys.symmetric and (not keys.signed or keys.bits < 2):
        raise refused(file, "symmetric", "symmetric is for signed formats of at least 2 bits", keys.symmetric)
    return Format(
        **common,  # type: ignore[arg-type]
        bits=keys.bits, frac_bits=keys.frac_bits, signed=keys.signed, symmetric=keys.symmetric,
    )  # fmt: skip


def _integer(keys: IntegerKeys, common: dict[str, object], file: str) -> Format:
    if not keys.signed and (keys.symmetric or keys.encoding is not IntegerEncoding.TWOS_COMPLEMENT):
        raise refused(file, "signed", "symmetric and sign_magnitude are for signed integers", False)
    if keys.signed and keys.bits < 2 and (keys.symmetric or keys.encoding is IntegerEncoding.SIGN_MAGNITUDE):
        raise refused(file, "bits", "leaves no value but zero", keys.bits)
    return Format(
        **common,  # type: ignore[arg-type]
        bits=keys.bits, signed=keys.signed, symmetric=keys.symmetric, encoding=keys.encoding,
    )  # fmt: skip
