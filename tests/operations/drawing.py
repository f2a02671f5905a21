"""Hypothesis strategies: codes of a format with all its corners, and the keywords of the operations."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.oracle.scalar.casting import How
from tests.oracle.scalar.decoding import infinity_field, max_field
from tests.oracle.scalar.directions import DETERMINISTIC
from tests.oracle.scalar.formats import Format, describe

FLOATS = ["float16", "bfloat16", "float32", "float64", "tensorfloat32", "dlfloat16", "e6m9", "e8m13", "e11m4"]
MIXED = [*FLOATS, "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float6_e3m2fn", "ufloat8_e4m3fn", "int8", "int16",
         "int32", "uint8", "uint64", "float4_radix4", "binary12p5se", "binary16p9ue"]  # fmt: skip


def fields(fmt: Format) -> list[int]:
    """Magnitude fields at the corners of a float: zero, subnormal and normal ends, one, infinity, NaN."""
    one = fmt.bias << fmt.man_bits
    least, low = 1 << fmt.man_bits, fmt.ignored_low_bits
    found = [0, 1, 2, least - 2, least - 1, least, least + 1, one - 1, one, one + 1, one + least, max_field(fmt) - 1,
             max_field(fmt), infinity_field(fmt), infinity_field(fmt) + 1, fmt.field_mask]  # fmt: skip
    return sorted({x << low for x in found if 0 <= x <= fmt.field_mask})


def codes(name: str) -> st.SearchStrategy[int]:
    """Codes of a format: corners of either sign, and any."""
    fmt = describe(name)
    every = st.integers(0, (1 << fmt.bits) - 1)
    if fmt.kind != "float":
        return st.one_of(
            st.sampled_from(sorted({0, 1, (1 << fmt.bits) - 1, 1 << (fmt.bits - 1), (1 << fmt.bits) // 2 - 1})), every
        )
    sign = 1 << (fmt.bits - fmt.ignored_high_bits - 1) if fmt.signed else 0
    corners = [x | s for x in fields(fmt) for s in {0, sign}]
    middle = st.integers(-3 << fmt.man_bits, 3 << fmt.man_bits).map(
        lambda d: max(0, min(fmt.field_mask, (fmt.bias << fmt.man_bits) + d)) << fmt.ignored_low_bits
    )
    near = st.tuples(middle, st.sampled_from([0, sign])).map(lambda t: t[0] | t[1])
    return st.one_of(st.sampled_from(corners), near, every)


@st.composite
def keywords(draw: Any, target: str, *, deterministic: bool = False) -> dict[str, Any]:
    """Keywords for a result in `target`, but for random bits."""
    fmt = describe(target)
    out: dict[str, Any] = {"rounding": draw(st.sampled_from(DETERMINISTIC))}
    out["tininess"] = draw(st.sampled_from(["after_rounding", "before_rounding"]))
    out["nan"] = draw(st.sampled_from(["riscv", "x86", "arm"]))
    out["daz"] = draw(st.booleans())
    if fmt.kind == "float":
        out["ftz"] = draw(st.sampled_from(["off", "before_rounding", "after_rounding", "result"]))
    choices = [None, "saturate", "saturate_propagate"]
    if fmt.kind == "float" and (fmt.infinities or fmt.has_nan):
        choices += ["infinity", "infinity_always"]
    if fmt.has_nan:
        choices.append("nan")
    out["overflow"] = draw(st.sampled_from(choices))
    if not deterministic and draw(st.integers(0, 3)) == 0:
        out |= {"rounding": "stochastic", "sr_bits": draw(st.sampled_from([1, 3, 8, 13, 64]))}
        out["sr_variant"] = draw(st.sampled_from("ABC"))
    return out


def how_of(target: str, how: dict[str, Any], random: int = 0) -> How:
    """The oracle's settings of the same keywords."""
    names = ("rounding", "overflow", "tininess", "ftz", "sr_bits", "sr_variant")
    return How(fmt=describe(target), random=random, **{k: v for k, v in how.items() if k in names})
