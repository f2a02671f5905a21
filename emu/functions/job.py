"""One job: a function, the format of its operand and the cast of its result. It fixes the result of every code."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from functools import cached_property

from emu.errors import FormatError
from emu.formats.cast import Cast, cast
from emu.formats.decode import decode_code
from emu.formats.encode import encode_value
from emu.formats.enums import FLAG_OF_EVENT, Flag, FormatKind, NanEncoding, Overflow
from emu.formats.model import Format
from emu.formats.rounding import RandomBits
from emu.formats.value import FRESH_NAN, QUIET, Value, zero
from emu.functions.enums import Function
from emu.functions.target import Target
from emu.functions.ziv import result
from emu.operations.enums import NanStyle

SEMANTICS = 1
"""Counts the changes of any bit of any result; in the key of every table on disk."""
MAX_BITS = 16
"""Operands of at most this width have tables."""
MAX_WRAP_TOP = 11
"""Exponentials of operands below 2^(this + 1) have few enough bits to be reduced modulo 2^bits."""
MAX_ANGLE_TOP = 20000
"""Angles beyond 2^this would need more bits of pi than that."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a table of results depends on."""

    function: Function
    operand: Format
    how: Cast
    nan: NanStyle = NanStyle.RISCV
    daz: bool = False

    @cached_property
    def target(self) -> Target:
        """The boundaries of the cast."""
        return Target(how=self.how)

    @cached_property
    def key(self) -> str:
        """A hash of all that the results depend on; names and prose of the formats do not count."""
        parts = [
            f"semantics={SEMANTICS}", f"function={self.function.value}", f"nan={self.nan.value}", f"daz={self.daz}",
            f"operand=({meaning(self.operand)})", f"to=({meaning(self.how.format)})",
            *(f"{f.name}={getattr(self.how, f.name)}" for f in fields(Cast) if f.name != "format"),
        ]  # fmt: skip
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def operand_of(self, code: int) -> Value:
        """The value of a code, subnormals taken for zeros of their sign with `daz`."""
        x, fmt = decode_code(self.operand, code), self.operand
        small = fmt.kind is FormatKind.FLOAT and x.finite and x.sig and x.top < fmt.emin
        return zero(x.negative) if self.daz and small else x

    def exact_result(self, code: int) -> tuple[Value, Flag]:
        """A value that is cast as the exact result is, and the operation's own flags."""
        x = self.operand_of(code)
        if not x.nan:
            return result(self.function, x, self.target)
        signalling = self.operand.nan is NanEncoding.IEEE and not x.payload & QUIET
        made = FRESH_NAN if self.nan is NanStyle.RISCV else replace(x, payload=x.payload | QUIET)
        return made, Flag.INVALID if signalling else Flag(0)

    def finish(self, made: Value, raised: Flag, random: RandomBits | None = None) -> tuple[int, int]:
        """The code and the flags of a result.

        Raises:
            OverflowRaised: as the overflow rule says.
        """
        y, events = cast(made, self.how, random if made.finite else None)
        return encode_value(self.how.format, y), int(raised) | FLAGS_OF_EVENTS[events & FLAG_EVENTS]


FLAG_EVENTS = sum(kind.bit for kind in FLAG_OF_EVENT)
FLAGS_OF_EVENTS = {
    mask: int(sum(flag for kind, flag in FLAG_OF_EVENT.items() if mask & kind.bit)) for mask in range(FLAG_EVENTS + 1)
}


def meaning(fmt: Format) -> str:
    """All that a format's codes and casts depend on, as text."""
    return ", ".join(f"{f.name}={getattr(fmt, f.name)!r}" for f in fields(Format) if f.compare and f.name != "name")


def check_job(job: Job) -> None:
    """Refuse what has no table.

    Raises:
        FormatError: too wide an operand, an exponential that wraps, an angle with a huge exponent.
    """
    fmt, function = job.operand, job.function
    if fmt.bits > MAX_BITS:
        raise FormatError(
            f"{function.value}: operands have at most {MAX_BITS} bits, and {fmt.name} has {fmt.bits}; cast them first"
        )
    top = max((fmt.largest(sign).top for sign in (False, True) if fmt.largest(sign).sig), default=0)
    exponential = function in (Function.EXP, Function.EXP2)
    if exponential and job.how.overflow is Overflow.WRAP and top > MAX_WRAP_TOP:
        raise FormatError(
            f"{function.value}: overflow = 'wrap' needs operands below {2 << MAX_WRAP_TOP}, and {fmt.name} has larger "
            f"ones; use 'saturate'"
        )
    if function in (Function.SIN, Function.COS) and top > MAX_ANGLE_TOP:
        raise FormatError(f"{function.value}: {fmt.name} has angles beyond 2^{MAX_ANGLE_TOP}")
