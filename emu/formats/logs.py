"""From the keys of a log format to the format: its table of powers, its boundaries, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from emu.errors import SpecError
from emu.formats.enums import LogBoundary, NanEncoding
from emu.formats.model import Format

if TYPE_CHECKING:
    from emu.formats.spec import LogKeys

MAX_LISTED_EXPONENT = 1 << 16
"""Exponents of values that are listed one by one: their exact sums need as many bits."""


def refused(file: str, key: str, reason: str, value: object) -> SpecError:
    """An error about one key."""
    return SpecError(reason, file=file, key=key, value=value)


def log_format(keys: LogKeys, common: dict[str, object], file: str) -> Format:
    """A log format.

    Args:
        keys: its own.
        common: the fields that every format has.
        file: for error messages.

    Raises:
        SpecError: keys that contradict each other.
    """
    if keys.radix & (keys.radix - 1):
        raise refused(file, "radix", "the radix of a log format is a power of two (steps divide it)", keys.radix)
    if keys.nan not in (NanEncoding.NONE, NanEncoding.TOP_CODE):
        raise refused(file, "nan", 'a log format has nan = "none" or "top_code"', keys.nan.value)
    if keys.nan is NanEncoding.TOP_CODE and keys.signed:
        raise refused(file, "nan", 'nan = "top_code" is for unsigned formats', keys.nan.value)
    if (1 << keys.exp_bits) - int(keys.zero) - int(keys.nan is NanEncoding.TOP_CODE) < 1:
        raise refused(file, "exp_bits", "no value is left after zero and NaN", keys.exp_bits)
    reach = (keys.radix.bit_length() - 1) * max(abs(keys.bias), (1 << keys.exp_bits) - keys.bias) // keys.steps
    if reach > MAX_LISTED_EXPONENT:
        reason = f"the powers of a log format are from 2^-{MAX_LISTED_EXPONENT} to 2^{MAX_LISTED_EXPONENT}"
        raise refused(file, "bias", reason, keys.bias)
    table = _log_table(keys, file)
    if table and keys.boundary is LogBoundary.GEOMETRIC:
        raise refused(file, "boundary", "geometric boundaries are for steps = 1", keys.boundary.value)
    boundary = keys.boundary if isinstance(keys.boundary, LogBoundary) else _share(keys.boundary, keys, file)
    return Format(
        **common,  # type: ignore[arg-type]
        bits=int(keys.signed) + keys.exp_bits, signed=keys.signed, exp_bits=keys.exp_bits, bias=keys.bias,
        radix_log2=keys.radix.bit_length() - 1, has_zero=keys.zero, nan=keys.nan,
        negative_zero=keys.signed and keys.zero, phase=keys.phase, boundary=boundary,
        zero_boundary=keys.zero_boundary, ties=keys.ties, log_table=table,
    )  # fmt: skip


def _share(number: float, keys: LogKeys, file: str) -> Fraction:
    """A boundary as a share of the upper power: no more bits than a point of the grid may have."""
    if keys.steps > 1:
        raise refused(file, "boundary", "a number is for steps = 1", number)
    if not 1 <= number * keys.radix <= keys.radix:  # a power of two: exact
        raise refused(file, "boundary", f"a boundary lies between two powers: from {1 / keys.radix} to 1", number)
    return Fraction(number)


def _log_table(keys: LogKeys, file: str) -> tuple[Fraction, ...]:
    """1 and the values between 1 and the radix: given, or radix^(i/steps) rounded to `table_bits` fraction bits."""
    if keys.steps == 1:
        if keys.table or keys.table_bits is not None:
            raise refused(file, "table", "a table is for steps above 1", keys.steps)
        return ()
    if (keys.table_bits is None) == (not keys.table):
        raise refused(file, "table", "steps above 1 need table_bits, or table, and not both", keys.steps)
    if keys.table_bits is not None:
        unit = 1 << keys.table_bits
        out = [Fraction(_root(keys.radix, i, keys.steps, keys.table_bits), unit) for i in range(keys.steps)]
    else:
        if len(keys.table) != keys.steps or not all(1 <= x < keys.radix for x in keys.table):
            reason = f"the table has {keys.steps} values from 1 up to the radix"
            raise refused(file, "table", reason, keys.table)
        out = [Fraction(x) for x in keys.table]
    if out[0] != 1 or any(a >= b for a, b in zip(out, [*out[1:], Fraction(keys.radix)], strict=True)):
        raise refused(file, "table", "the values start at 1 and ascend to below the radix", [float(x) for x in out])
    return tuple(out)


def _root(radix: int, i: int, steps: int, bits: int) -> int:
    """radix^(i/steps) * 2^bits, rounded to the nearest integer (there are no ties: a half would be rational)."""
    power = radix**i << (bits * steps)
    low, high = 0, radix << bits
    while low < high:  # the largest n with n^steps <= power
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**steps <= power else (low, middle - 1)
    return low + int((2 * low + 1) ** steps < power << steps)
