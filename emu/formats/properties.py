"""What a format says of itself, under the names of NumPy's `finfo` and `iinfo`.

* Numbers are exact: Fractions, which compare with floats and become floats by `float()` (an OverflowError where no
  float is that large). Exponents, counts and codes are integers.
* None means that the format has no such thing. Each property says of which kinds that is so; it is never an
  AttributeError.
* Where NumPy, ml_dtypes and gfloat have the same name, the number is the same, but for `precision`, which counts bits
  here (as in gfloat) and decimal digits in NumPy.
* The codes are those that a cast writes; `None` too in formats of more than 64 bits, which have no codes.

Sources: NumPy's finfo and iinfo; ml_dtypes 0.6; gfloat 0.5.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, cast

from emu.formats.enums import FormatKind, NanEncoding, Subnormals
from emu.formats.value import Value, compare, infinity, zero

if TYPE_CHECKING:
    from emu.formats.model import Format

_ONE = Value(sig=1, q=0, e=0)
_EXPONENTIAL = (FormatKind.FLOAT, FormatKind.LOG)


class Properties:
    """The properties of a `Format` (which derives from this)."""

    @property
    def max(self) -> Fraction:
        """The largest finite value."""
        return _of(self).largest(negative=False).fraction()

    @property
    def min(self) -> Fraction:
        """The lowest finite value: the most negative one; of unsigned formats zero, or the smallest without zero."""
        return _of(self).largest(negative=True).fraction()

    @property
    def smallest_positive(self) -> Fraction | None:
        """The smallest positive value, whatever the kind; None if a codebook has none."""
        fmt = _of(self)
        if fmt.is_integral:
            return Fraction(2) ** -fmt.frac_bits if fmt.max_sig else None
        if fmt.is_listed:
            return fmt.smallest.fraction() if self.max > 0 else None
        if fmt.subnormals is Subnormals.GRADUAL and fmt.man_bits:
            return Fraction(2) ** (fmt.emin - fmt.man_bits)
        return self.smallest_normal

    @property
    def smallest_normal(self) -> Fraction | None:
        """The smallest positive normal value: of floats 2^emin (DLFloat's is one step above, 2^emin being zero), of log
        formats the smallest positive one. None for integer, fixed and codebook formats.
        """
        fmt = _of(self)
        if fmt.kind is FormatKind.LOG:
            return fmt.smallest.fraction()
        if fmt.kind is not FormatKind.FLOAT:
            return None
        unit = Fraction(2) ** fmt.emin
        if fmt.subnormals is not Subnormals.NORMAL:
            return unit
        return unit * (1 + Fraction(1, 1 << fmt.man_bits)) if fmt.man_bits else 2 * unit

    @property
    def tiny(self) -> Fraction | None:
        """NumPy's other name of `smallest_normal`."""
        return self.smallest_normal

    @property
    def smallest_subnormal(self) -> Fraction | None:
        """The smallest positive value of floats and log formats, as in ml_dtypes also of those without subnormals;
        None for integer, fixed and codebook formats.
        """
        return self.smallest_positive if _of(self).kind in _EXPONENTIAL else None

    @property
    def eps(self) -> Fraction | None:
        """The gap from 1 to the next larger value. None if 1 is no value or the largest one, and for integer and fixed
        formats.
        """
        gaps = _around_one(_of(self))
        return gaps[1]

    @property
    def epsneg(self) -> Fraction | None:
        """The gap from 1 to the next smaller value; None as `eps`, and if 1 is the lowest value."""
        gaps = _around_one(_of(self))
        return gaps[0]

    @property
    def machep(self) -> int | None:
        """The exponent of `eps`; None also if `eps` is no power of two."""
        return _log2(self.eps)

    @property
    def negep(self) -> int | None:
        """The exponent of `epsneg`; None also if `epsneg` is no power of two."""
        return _log2(self.epsneg)

    @property
    def nexp(self) -> int | None:
        """Exponent bits of floats and log formats; None for the others."""
        fmt = _of(self)
        return fmt.exp_bits if fmt.kind in _EXPONENTIAL else None

    @property
    def iexp(self) -> int | None:
        """NumPy's other name of `nexp`."""
        return self.nexp

    @property
    def nmant(self) -> int | None:
        """Stored mantissa bits of floats and log formats (0); None for the others."""
        fmt = _of(self)
        return fmt.man_bits if fmt.kind in _EXPONENTIAL else None

    @property
    def minexp(self) -> int | None:
        """floor(log2 `smallest_normal`); None where that is."""
        smallest = self.smallest_normal
        return None if smallest is None else floor_log2(smallest)

    @property
    def emax(self) -> int | None:
        """floor(log2 `max`); None if no value is positive."""
        return floor_log2(self.max) if self.max > 0 else None

    @property
    def maxexp(self) -> int | None:
        """NumPy's exponent of overflow of floats and log formats, `emax` + 1; None for the others."""
        return None if self.emax is None or _of(self).kind not in _EXPONENTIAL else self.emax + 1

    @property
    def code_of_zero(self) -> int | None:
        """The code of +0; None in formats without zero."""
        return code_of(_of(self), zero()) if _of(self).has_zero else None

    @property
    def code_of_negzero(self) -> int | None:
        """The code of -0, where there is one."""
        return code_of(_of(self), zero(True)) if _of(self).negative_zero else None

    @property
    def code_of_one(self) -> int | None:
        """The code of 1, where it is a value."""
        return code_of(_of(self), _ONE)

    @property
    def code_of_nan(self) -> int | None:
        """The canonical NaN, where there is one: positive, only the quiet bit set."""
        from emu.formats.cast import default_nan_code

        return default_nan_code(_of(self)) if _of(self).has_nan else None

    @property
    def code_of_posinf(self) -> int | None:
        """The code of +infinity, where there is one."""
        return code_of(_of(self), infinity(False)) if _of(self).infinities else None

    @property
    def code_of_neginf(self) -> int | None:
        """The code of -infinity, where there is one."""
        fmt = _of(self)
        return code_of(fmt, infinity(True)) if fmt.infinities and fmt.signed else None

    @property
    def code_of_max(self) -> int | None:
        """The code of `max`."""
        return code_of(_of(self), _of(self).largest(negative=False))

    @property
    def code_of_min(self) -> int | None:
        """The code of `min`."""
        return code_of(_of(self), _of(self).largest(negative=True))

    @property
    def num_nans(self) -> int:
        """How many codes are NaN; bits that are not looked at count."""
        fmt = _of(self)
        if fmt.listing is not None:
            return sum(value.nan for value in fmt.listing.values)
        signs = 1 + int(fmt.signed)
        match fmt.nan:
            case NanEncoding.IEEE:
                looked_at = signs * ((1 << fmt.man_bits) - 1)
            case NanEncoding.ALL_ONES:
                looked_at = signs
            case NanEncoding.NEGATIVE_ZERO | NanEncoding.TOP_CODE:
                looked_at = 1
            case _:
                return 0
        return looked_at << fmt.ignored_low_bits + fmt.ignored_high_bits

    @property
    def num_infs(self) -> int:
        """How many codes are infinities; bits that are not looked at count."""
        fmt = _of(self)
        if fmt.listing is not None:
            return sum(value.inf for value in fmt.listing.values)
        return (1 + int(fmt.signed)) << fmt.ignored_low_bits + fmt.ignored_high_bits if fmt.infinities else 0


def _of(numbers: Properties) -> Format:
    return cast("Format", numbers)


def floor_log2(x: Fraction) -> int:
    """floor(log2 x) of a positive number."""
    guess = x.numerator.bit_length() - x.denominator.bit_length()
    return guess if x >= Fraction(2) ** guess else guess - 1


def _log2(x: Fraction | None) -> int | None:
    if x is None:
        return None
    exponent = floor_log2(x)
    return exponent if Fraction(2) ** exponent == x else None


def code_of(fmt: Format, x: Value) -> int | None:
    """The code that a cast writes for a value; None if it is no value of the format, or the format has no codes."""
    from emu.formats.decode import decode_code
    from emu.formats.encode import encode_value
    from emu.formats.model import MAX_STORED_BITS

    if fmt.bits > MAX_STORED_BITS:
        return None
    if x.finite and (compare(x, fmt.largest(False)) > 0 or compare(x, fmt.largest(True)) < 0):
        return None
    try:
        code = encode_value(fmt, x)
    except ValueError:
        return None
    made = decode_code(fmt, code)
    return code if not x.finite or (made.finite and compare(made, x) == 0) else None


def _around_one(fmt: Format) -> tuple[Fraction | None, Fraction | None]:
    """The gaps below and above 1."""
    from emu.formats.decode import decode_code

    code = None if fmt.is_integral else fmt.code_of_one
    if code is None:
        return None, None
    if fmt.is_listed:
        points = [point.value.fraction() for point in fmt.grid.real]
        at = points.index(Fraction(1))
        below = points[at - 1] if at else None
        above = points[at + 1] if at + 1 < len(points) else None
    else:  # magnitudes ascend with their fields
        one = code >> fmt.ignored_low_bits
        lower, upper = (decode_code(fmt, field << fmt.ignored_low_bits) for field in (one - 1, one + 1))
        below, above = lower.fraction(), upper.fraction() if one < fmt.max_magnitude else None
    return None if below is None else 1 - below, None if above is None else above - 1
