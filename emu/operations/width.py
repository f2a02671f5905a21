"""How many 64-bit words the kernels need for the widest exact result of an operation."""

from __future__ import annotations

from emu.operations.call import Call
from emu.operations.enums import Operation

LEAST_WORDS = 8


def words_of(call: Call) -> int:
    """Words for every value that the operation and its cast go through."""
    spans = [(fmt.lsb, fmt.msb) for fmt in call.formats]
    target = call.cast.format
    low, high = spans[0]
    match call.operation:
        case Operation.ADD | Operation.SUBTRACT:
            low, high = min(low, spans[1][0]), max(high, spans[1][1]) + 1
        case Operation.MULTIPLY:
            low, high = low + spans[1][0], high + spans[1][1]
        case Operation.FMA:
            low, high = low + spans[1][0], high + spans[1][1]
            low, high = min(low, spans[2][0]), max(high, spans[2][1]) + 1
        case Operation.DIVIDE:
            low, high = 0, high - spans[1][0]
        case Operation.REMAINDER:
            low, high = min(low, spans[1][0]), high  # beside an infinite y, x itself
        case Operation.ROUND_TO_INTEGRAL:
            high = max(high, 1)
    bits = high - low
    if target.is_integral:  # what is cast is first brought to the target's last place
        bits = max(bits, high + target.frac_bits + 128, target.bits)
    return max(LEAST_WORDS, bits // 64 + 6)
