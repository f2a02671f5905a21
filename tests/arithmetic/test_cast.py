"""The cast of single values: C against Python, value, NaN pattern and events, for random formats and keys."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from emu.errors import OverflowRaised
from emu.formats.cast import Cast, cast, check_cast
from emu.formats.decode import decode_code
from emu.formats.encode import encode_value
from emu.formats.enums import Ftz, Overflow, Rounding, StochasticVariant
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.formats.native import cast_codes
from emu.formats.rounding import RandomBits
from tests.units.drawing import codes as drawing
from tests.units.drawing import formats, pipes

CASTS, CODES = 1500, 40


def drawn_cast(r: Random) -> tuple[Format, Cast, drawing.Format]:
    """A source format, a cast to a stored format, and the source as the executor reads it."""
    source = formats.operand(r)
    while True:
        keys = pipes.cast(r, formats.target(r), raising=0.05, stochastic=0.15)
        target = load_format(keys["format"])
        if target.bits <= 64 and keys.get("rounding") != "exact":
            break
    how = check_cast(
        target,
        rounding=Rounding(keys.get("rounding", "ties_to_even")),
        overflow=Overflow(keys["overflow"]) if "overflow" in keys else None,
        ftz=Ftz(keys.get("ftz", "off")),
        sr_bits=keys.get("sr_bits"),
        sr_variant=StochasticVariant(keys.get("sr_variant", "B")),
    )
    return load_format(source), how, formats.meaning(source)


def in_python(fmt: Format, how: Cast, code: int, draw: int) -> tuple[int, int] | None:
    """(code, events), or None if it raised."""
    random = RandomBits(bits=how.sr_bits, value=draw, variant=how.sr_variant) if how.sr_bits else None
    try:
        x, events = cast(decode_code(fmt, code), how, random)
    except OverflowRaised:
        return None
    return encode_value(how.format, x), events


@pytest.mark.parametrize("first", range(0, CASTS, 300))
def test_c_is_python(first):
    for number in range(first, first + 300):
        r = Random(number)
        fmt, how, meaning = drawn_cast(r)
        words = drawing.array(r, meaning, (CODES,), r.choice(drawing.STYLES))
        draws = np.array([r.getrandbits(how.sr_bits) if how.sr_bits else 0 for _ in words], dtype=np.uint64)
        wanted = [in_python(fmt, how, int(code), int(draw)) for code, draw in zip(words, draws, strict=True)]
        if None in wanted:
            with pytest.raises(OverflowRaised, match=rf"index \({wanted.index(None)},\)"):
                cast_codes(words, fmt, how, draws=draws)
            continue
        out, masks = cast_codes(words, fmt, how, draws=draws, want_masks=True)
        assert [(int(code), int(mask)) for code, mask in zip(out, masks, strict=True)] == wanted, (number, fmt, how)


@pytest.mark.parametrize(
    "name", ["float16", "bfloat16", "float32", "e4m3", "e5m2", "float8_e4m3fnuz", "dlfloat16", "e2m1"]
)
def test_a_cast_to_its_own_format_is_the_identity(name):
    fmt = load_format(name)
    words = (
        np.arange(1 << fmt.bits, dtype=np.uint64) if fmt.bits <= 16 else np.arange(0, 1 << 32, 99991, dtype=np.uint64)
    )
    for rounding in (Rounding.TIES_TO_EVEN, Rounding.TOWARD_NEGATIVE, Rounding.TO_ODD):
        out, masks = cast_codes(words, fmt, check_cast(fmt, rounding=rounding), want_masks=True)
        changed = out != words
        assert all(decode_code(fmt, int(code)).nan for code in words[changed])  # signalling NaNs are quieted
        assert not masks.any()


def test_nan_keeps_sign_and_payload_where_there_is_room():
    f32, f16, bf16, e4m3 = (load_format(name) for name in ("float32", "float16", "bfloat16", "e4m3"))
    words = np.array([0xFFA12345, 0x7F800001, 0x7FC00000], dtype=np.uint64)
    assert cast_codes(words, f32, check_cast(f16))[0].tolist() == [0xFF09, 0x7E00, 0x7E00]
    assert cast_codes(words, f32, check_cast(bf16))[0].tolist() == [0xFFE1, 0x7FC0, 0x7FC0]
    assert cast_codes(words, f32, check_cast(e4m3))[0].tolist() == [0xFF, 0x7F, 0x7F]
    widened = cast_codes(np.array([0xFD01], np.uint64), f16, check_cast(f32))[0]
    assert widened.tolist() == [0xFFE02000 | 0x400000]


def test_exact_leaves_the_significand_alone():
    how = check_cast(load_format("float16"), rounding=Rounding.EXACT)
    x = decode_code(load_format("float32"), 0x3F800001)
    assert cast(x, how) == (x, 0)
    big = decode_code(load_format("float32"), 0x47800000)
    assert cast(big, how)[0].inf
    assert (
        cast(big, check_cast(load_format("float16"), rounding=Rounding.EXACT, overflow=Overflow.SATURATE))[0].sig
        == 2047
    )
