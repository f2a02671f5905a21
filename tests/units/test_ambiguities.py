"""The numbered ambiguities of the unit language, directed tests of each, on every backend.

Every result is a number worked out by hand, and is compared with the independent executor too.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle.stream import Draws

from .checked import unit_of
from .small import codes, dot, dot_code


def bits(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint32)


def test_01_exponent_of_a_product_is_that_of_the_operand_fields(backend):
    # 1.5 * 1.5 = 2.25 counts as 2^0: with two bits below it 0.25 survives, below 2^1 it would not
    unit = unit_of("float16 float16 float32", {"group": 2, "align_bits": 2})
    assert dot(unit, [1.5, 0.25], [1.5, 1], backend=backend) == "2.5"
    leading = unit_of("float16 float16 float32", {"group": 2, "align_bits": 2}, product={"exponent": "leading_bit"})
    assert dot(leading, [1.5, 0.25], [1.5, 1], backend=backend) == "2.0"
    # a subnormal has emin: 2^-16 of e5m2 is two bits below 2^-14
    kept, cut = (unit_of("e5m2 e5m2 float32", {"align_bits": n}) for n in (2, 1))
    assert dot(kept, [2.0**-16], [1], backend=backend) == repr(2.0**-16)
    assert dot(cut, [2.0**-16], [1], backend=backend) == "0.0"


def test_02_zeros_are_dead_but_cancelled_sums_are_not(backend):
    dead = unit_of("float16 float16 float16 float32", {"group": 2, "align_bits": 2})
    assert dot(dead, [0, 0.125], [256, 1], 0.0, backend=backend) == "0.125"
    pairs = {"group": 2, "length": 2, "start": "none"}
    live = unit_of("float16 float16 float32", pairs, {"group": 2, "start": "none", "align_bits": 2})
    assert dot(live, [16, 16, 0.125, 0], [16, -16, 1, 1], backend=backend) == "0.0"
    assert dot(live, [16, 16, 64, 0], [16, -16, 1, 1], backend=backend) == "64.0"
    assert dot(live, [16, 0, 0.125, 0], [0, 16, 1, 1], backend=backend) == "0.125"


def test_02_the_exponent_of_a_cancelled_sum_lasts_until_a_cast(backend):
    # 16 - 16 is a zero with the exponent 4: at four bits below it 0.5 is lost, at five it is not
    for keep, wanted in ((4, "0.0"), (5, "0.5")):
        unit = unit_of("float16 float16 float32", {"align_bits": keep})
        assert dot(unit, [16, -16, 0.5], [1, 1, 1], backend=backend) == wanted
    # a sum that was cast is a zero without an exponent, but in an integer format it keeps the binary point's
    for result, wanted in (("float16", "0.5"), ("e8m13", "0.5"), ("int8", "0.0")):
        unit = unit_of("float16 float16 float32", {"align_bits": 4, "result": {"format": result}}, output={"add": 0})
        assert dot(unit, [16, -16, 0.5], [1, 1, 1], backend=backend) == wanted, result
    fixed = {"kind": "fixed", "bits": 24, "frac_bits": 8}
    unit = unit_of("float16 float16 float32", {"align_bits": 2, "result": {"format": fixed}})
    assert dot(unit, [16, -16, 0.125], [1, 1, 1], backend=backend) == "0.0"
    assert dot(unit, [0, 0, 0.125], [1, 1, 1], backend=backend) == "0.125"


def test_02_a_sum_keeps_the_exponent_that_it_was_aligned_to(backend):
    """Unnormalised: 1.5 + 1.5 counts as 2^0, and so does 1 - 0.75."""
    pairs = {"group": 2, "length": 2, "start": "none"}
    unit = unit_of("float16 float16 float32", pairs, {"group": 2, "start": "none", "align_bits": 1})
    assert dot(unit, [1.5, 1.5, 0.5, 0], [1] * 4, backend=backend) == "3.5"
    assert dot(unit, [1, -0.75, 0.25, 0], [1] * 4, backend=backend) == "0.0"


def test_03_a_cast_to_an_integer_gives_the_exponent_zero(backend):
    cast = {"length": 1, "start": "none", "result": {"format": "int8"}}
    unit = unit_of("int8 int8 float32", cast, {"group": 2, "align_bits": 1, "input": {"multiply": [1, 0.125]}})
    assert dot(unit, [101, 4], [1, 1], backend=backend) == "101.5"


def test_03_integers_have_exponent_zero_whatever_their_size(backend):
    unit = unit_of("int8 int8 float32", {"group": 2, "align_bits": 1, "input": {"multiply": [1, 0.125]}})
    assert dot(unit, [101, 1], [1, 1], backend=backend) == "101.0"
    assert dot(unit, [101, 4], [1, 1], backend=backend) == "101.5"


def test_04_addends_are_cut_one_by_one_and_the_sum_is_exact(backend):
    unit = unit_of("float16 float16 float32", {"group": 16, "align_bits": 0})
    assert dot(unit, [1, 0.75, 0.75], [1, 1, 1], backend=backend) == "1.0"
    wide = unit_of("float16 float16 float32", {"group": 16, "align_bits": 3})
    assert dot(wide, [1.875] * 16, [1] * 16, backend=backend) == "30.0"


def test_05_align_min_exp_is_one_more_candidate(backend):
    unit = unit_of("float16 float16 float32", {"align_bits": 2, "align_min_exp": 4})
    assert dot(unit, [3], [1], backend=backend) == "0.0"
    assert dot(unit, [5], [1], backend=backend) == "4.0"
    assert dot(unit, [0], [1], backend=backend) == "0.0"
    terms = {"align_bits": 2, "align_to": "terms"}
    free = unit_of("float16 float16 float32 float32", terms)
    assert dot(free, [0], [1], 1.0625, backend=backend) == "1.0625"  # no live term: nothing is cut
    assert dot(free, [4], [1], 1.0625, backend=backend) == "5.0"
    floor = unit_of("float16 float16 float32 float32", {**terms, "align_min_exp": 2})
    assert dot(floor, [0], [1], 1.0625, backend=backend) == "1.0"


def test_06_align_bits_count_below_the_leading_bit(backend):
    unit = unit_of("float16 float16 float32", {"group": 2, "align_bits": 13})
    assert dot(unit, [1, 2.0**-13], [1, 1], backend=backend) == repr(1 + 2.0**-13)
    assert dot(unit, [1, 2.0**-14], [1, 1], backend=backend) == "1.0"


INF, PAYLOAD, ONE = 0x7F800000, 0x7F812345, 0x3F800000


def test_07_special_values_are_decided_per_step(backend):
    step = {"group": 2}
    first = unit_of("float32 float32 float32", step, nan={"rule": "first"})
    # infinity * 0 is fresh: it loses to any NaN operand of the step
    assert dot_code(first, bits(INF, PAYLOAD), bits(0, ONE), backend=backend) == PAYLOAD | 0x400000
    assert dot_code(first, bits(INF, INF), bits(0, ONE), backend=backend) == 0x7FC00000
    plain = unit_of("float32 float32 float32", step)
    assert dot_code(plain, bits(INF, PAYLOAD), bits(0, ONE), backend=backend) == 0x7FC00000
    # one NaN wins over inf - inf; inf - inf is a NaN, inf + x is not
    assert dot(plain, [np.inf, -np.inf], [1, 1], backend=backend) == "nan"
    assert dot(plain, [np.inf, -5], [1, 1], backend=backend) == "inf"


def test_07_a_fresh_nan_becomes_an_ordinary_one_at_its_first_cast(backend):
    one, two = {"length": 1, "start": "none"}, {"group": 2, "start": "none"}
    cast = {**one, "result": {"format": "float32"}}
    bare = unit_of("float32 float32 float32", one, two, nan={"rule": "first"})
    done = unit_of("float32 float32 float32", cast, two, nan={"rule": "first"})
    a, b = bits(INF, PAYLOAD), bits(0, ONE)
    assert dot_code(bare, a, b, backend=backend) == PAYLOAD | 0x400000
    assert dot_code(done, a, b, backend=backend) == 0x7FC00000
    # a NaN that a load made loses to the other operand's
    loaded = unit_of("float32 float32 float32", {}, operands={"a": {"load": {"multiply": 0}}}, nan={"rule": "first"})
    assert dot_code(loaded, bits(INF), bits(PAYLOAD), backend=backend) == PAYLOAD | 0x400000


def test_08_start_zero_is_an_addend(backend):
    zero, none = (unit_of("float16 float16 float32", {"start": start}) for start in ("zero", "none"))
    assert dot(zero, [-0.0], [1], backend=backend) == "0.0"
    assert dot(none, [-0.0], [1], backend=backend) == "-0.0"


def test_09_the_tail_of_k_is_absent_not_padded(backend):
    unit = unit_of("float16 float16 float32", {"group": 4, "start": "none"})
    assert dot(unit, [-0.0] * 3, [1] * 3, backend=backend) == "-0.0"
    assert dot(unit, [-0.0, -0.0, -0.0, 0.0], [1] * 4, backend=backend) == "0.0"


def test_09_padding_would_make_a_nan(backend):
    unit = unit_of("float16 float16 float32", {"group": 4})
    assert dot(unit, [1, 2], [3, 4], backend=backend) == "11.0"
    assert dot(unit, [1, 2, 0], [3, 4, np.inf], backend=backend) == "nan"


def test_10_length_restarts_at_every_piece_and_the_scale_index_does_not(backend):
    runs = {"length": 2, "result": {"format": "uint2", "overflow": "saturate"}}
    unit = unit_of("uint2 uint2 uint8 uint8", runs, {}, k=3)
    assert dot(unit, [3, 1, 3, 1, 3, 3], [1] * 6, 0, backend=backend) == "12.0"
    scaled = unit_of(
        "float16 float16 float32 float32", {"input": {"multiply": "a_scale"}}, k=2,
        scale={"a": {"format": "e8m0", "block": 4}},
    )  # fmt: skip
    scales = np.array([[127, 128]], dtype=np.uint8)  # 1 and 2
    assert dot(scaled, [1] * 6, [1] * 6, backend=backend, a_scale=scales) == "8.0"


def test_10_c_enters_the_first_run_of_every_piece(backend):
    for k, wanted in ((8, "18.0"), (4, "18.0"), (2, "18.0")):
        unit = unit_of("float16 float16 float32 float32", {"length": 2, "start": "c"}, {"start": "none"}, k=k)
        assert dot(unit, [1] * 8, [1] * 8, 10.0, backend=backend) == wanted


def test_10_positions_restart_at_every_piece_and_digits_are_weighed_by_them(backend):
    level = {"order": [2, 0, 1], "input": {"multiply": [1, 10, 100]}}
    unit = unit_of("int8 int8 int32 int32", level, k=2)
    assert dot(unit, [1, 2, 3], [1] * 3, 0, backend=backend) == "24.0"
    for lanes, k in ((4, 1), (4, 3), (1, 2)):
        planes = {"lanes": lanes} if lanes == 4 else {"length": 1}
        unit = unit_of(
            "int4 int4 int32 int32", planes, {"input": {"multiply": "digits"}}, product={"digits": 2}, k=k
        )  # fmt: skip
        assert dot(unit, [-7, 5, -8, 3], [6, -3, -8, 7], 0, backend=backend) == f"{-42 - 15 + 64 + 21}.0"


@pytest.mark.parametrize(("parts", "group", "k", "total"), [(4, 1, 5, 9), (2, 4, 6, 6), (3, 1, 3, 9), (5, 2, 3, 6)])
def test_11_parts_may_leave_the_last_run_short_or_missing(backend, parts, group, k, total):
    # every run of 3s saturates at 3, so the total counts the runs
    level = {"parts": parts, "group": group, "result": {"format": "uint2", "overflow": "saturate"}}
    unit = unit_of("uint2 uint2 uint8", level, {})
    assert dot(unit, [3] * k, [1] * k, backend=backend) == f"{total}.0"


def test_12_daz_positive_and_the_sign_of_an_underflow(backend):
    for daz, wanted in (("off", "-0.0"), ("signed", "-0.0"), ("positive", "0.0")):
        unit = unit_of("float16 float16 float32", {"start": "none"}, operands={"a": {"daz": daz}})
        assert dot(unit, [-0.0], [1], backend=backend) == wanted
        tiny = dot(unit, [-(2.0**-20)], [1], backend=backend)
        assert tiny == (repr(-(2.0**-20)) if daz == "off" else wanted)
    for sign, wanted in (("ieee", "-0.0"), ("positive", "-0.0"), ("always_positive", "0.0")):
        level = {"zero_sign": sign, "result": {"format": "float16", "ftz": "result"}}
        assert dot(unit_of("float16 float16 float32", level), [-(2.0**-20)], [1], backend=backend) == wanted


@pytest.mark.parametrize(
    ("below", "kept"),
    [(2.0**-13, {"off", "after_rounding", "result"}), (2.0**-11, {"off", "result"}), (0.5, {"off"})],
)
def test_13_flushing_before_rounding_after_it_and_of_the_result(backend, below, kept):
    for ftz in ("off", "before_rounding", "after_rounding", "result"):
        unit = unit_of("float32 float32 float32", {"result": {"format": "float16", "ftz": ftz}})
        flushed = dot(unit, [1 - below], [2.0**-14], backend=backend) == "0.0"
        assert flushed == (ftz not in kept), ftz


@pytest.mark.parametrize("ftz", ["before_rounding", "after_rounding", "result"])
def test_13_flushing_keeps_the_sign_and_the_timing_shows_in_fused_sums_only(backend, ftz):
    unit = unit_of("float32 float32 float32", {"start": "none", "result": {"format": "float16", "ftz": ftz}})
    assert dot(unit, [-0.5], [2.0**-14], backend=backend) == "-0.0"
    # sums of float32 and products that are float32 are exact where they are tiny
    least, result = 2.0**-126, {"result": {"format": "float32", "ftz": ftz}}
    rounded = unit_of("bfloat16 bfloat16 float32 float32", result, product={"result": {"format": "float32"}})
    for a, b, c, wanted in (
        (-(2.0**-70), 2.0**-70, least, "0.0"), (2.0**-70, 2.0**-70, -least, "-0.0"),
        (-(2.0**-70), 2.0**-70, least * (1 + 2.0**-10), repr(least * (1 + 2.0**-10) - 2.0**-140)),
        (2.0**-90, -(2.0**-90), least, repr(least)),
    ):  # fmt: skip
        assert dot(rounded, [a], [b], c, backend=backend) == wanted
    # an exact product below all of float32 is not: least - 2^-180 rounds up to least
    fused = unit_of("bfloat16 bfloat16 float32 float32", result)
    wanted = "0.0" if ftz == "before_rounding" else repr(least)
    assert dot(fused, [2.0**-90], [-(2.0**-90)], least, backend=backend) == wanted


def test_14_truncation_and_overflow(backend):
    for overflow, wanted in (("infinity", "65504.0"), ("infinity_always", "inf"), ("saturate", "65504.0")):
        result = {"format": "float16", "rounding": "toward_zero", "overflow": overflow}
        unit = unit_of("float32 float32 float32", {"result": result})
        assert dot(unit, [1e6], [1], backend=backend) == wanted


def test_15_a_step_rounds_once_after_multiply_and_add(backend):
    x = 1 + 2.0**-10
    once = {"multiply": x, "add": -(1 + 2.0**-9), "format": "float16"}
    twice = [{"multiply": x, "format": "float16"}, {"add": -(1 + 2.0**-9), "format": "float16"}]
    assert dot(unit_of("float16 float16 float16", {}, output=once), [x], [1], backend=backend) == repr(2.0**-20)
    assert dot(unit_of("float16 float16 float16", {}, output=twice), [x], [1], backend=backend) == "0.0"


def test_16_a_chain_needs_c_and_d_of_one_format(backend):
    unit = unit_of("float16 float16 float16 float32", {}, k=4)
    assert dot(unit, [1] * 4, [1] * 4, 0.5, backend=backend) == "4.5"
    with pytest.raises(ValueError, match=r"K = 5 needs a chain.*c is float16 but d is float32"):
        dot(unit, [1] * 5, [1] * 5, 0.5, backend=backend)


def test_17_tf32_ignores_bits_of_the_code(backend):
    unit = unit_of("tf32 tf32 float32", {})
    assert dot(unit, bits(0x7F800001), bits(ONE), backend=backend) == "inf"
    assert dot(unit, bits(0x7F802000), bits(ONE), backend=backend) == "nan"
    x = bits(0x3F801800)  # 1 + 3 * 2^-12
    assert dot(unit, x, bits(ONE), backend=backend) == "1.0"
    rounded = unit_of("float32 float32 float32", {}, operands={"a": {"load": {"format": "tf32"}}})
    assert dot(rounded, x, bits(ONE), backend=backend) == repr(1 + 2.0**-10)


def test_18_random_bits_depend_on_seed_element_and_draw_alone(backend):
    cast = {"format": "float16", "rounding": "stochastic", "sr_bits": 8, "sr_variant": "A"}
    unit = unit_of("float32 float32 float32", {"result": cast}, output={"add": 2.0**-12, **cast})
    x, fraction, seed = 1 + 2.0**-12, 64, 12345  # a quarter of an ulp is discarded, twice
    a = codes(np.full((2, 3, 1), x), unit.a)
    got = unit.matmul(a, codes([[1.0] * 4], unit.b), seed=seed, backend=backend)
    for index, code in enumerate(got.ravel()):
        draw = Draws(seed, index)
        ups = [(draw() & 255) + fraction >= 256 for _ in range(2)]
        assert float(unit.d.decode(code)) == 1 + sum(ups) * 2.0**-10
    assert len(np.unique(got)) > 1


def test_18_draws_are_taken_in_the_order_of_execution(backend):
    # one bit each: c, then for each k a's load, b's load, the product; then the sum, twice; then the output
    half = {"format": "float16", "rounding": "stochastic", "sr_bits": 1, "sr_variant": "A"}
    steps = {"operands": {name: {"load": half} for name in "abc"}, "product": {"result": half}}
    unit = unit_of("float32 float32 float32 float32", {"result": half}, output=half, **steps)
    x, seed = 1 + 2.0**-11, 77
    a, b, c = (codes(np.full((2, 2), value), unit.a) for value in (x, x, x))
    got = unit.matmul(a, b, c, seed=seed, backend=backend)
    for index, code in enumerate(got.ravel()):
        draw = Draws(seed, index)

        def cast(value: float, draw: Draws = draw) -> float:
            ulp = 2.0 ** (np.floor(np.log2(value)) - 10)
            whole, rest = divmod(value / ulp, 1)
            return (whole + (np.floor(2 * rest) + (draw() & 1) >= 2)) * ulp

        acc = cast(x)
        products = [cast(cast(x) * cast(x)) for _ in range(2)]
        for product in products:
            acc = cast(acc + product)
        assert float(unit.d.decode(code)) == cast(acc)


def test_18_a_is_loaded_before_b(backend):
    """Both take a draw, and only that of a shows; or only that of b."""
    half = {"format": "float16", "rounding": "stochastic", "sr_bits": 1, "sr_variant": "A"}
    unit = unit_of("float32 float32 float32", {}, operands={name: {"load": half} for name in "ab"})
    tie, seed = 1 + 2.0**-11, 5
    for x, y, before in ((tie, 1, 0), (1, tie, 1)):
        got = unit.matmul(
            codes(np.full((2, 1), x), unit.a), codes(np.full((1, 9), y), unit.b), seed=seed, backend=backend
        )
        for index, code in enumerate(got.ravel()):
            draw = Draws(seed, index)
            up = [draw() & 1 for _ in range(2)][before]
            assert float(unit.d.decode(code)) == 1 + up * 2.0**-10


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
def test_18_a_special_value_leaves_the_draw_to_the_next(backend, special):
    """It is made finite without a draw, and multiplied by 0: the tie after it has the first draw."""
    finite = {"exp_bits": 5, "man_bits": 10, "infinities": False, "nan": "none"}
    cast = {"format": finite, "rounding": "stochastic", "sr_bits": 1, "sr_variant": "A"}
    unit = unit_of("float32 float32 float32", {"input": {"multiply": [0, 1]}}, product={"result": cast})
    for seed in range(6):
        wanted = 1 + (Draws(seed, 0)() & 1) * 2.0**-10
        assert dot(unit, [special, 1 + 2.0**-11], [1, 1], backend=backend, seed=seed) == repr(wanted)


def test_18_special_values_take_no_draw(backend):
    cast = {"format": "float16", "rounding": "stochastic", "sr_bits": 8, "sr_variant": "A"}
    unit = unit_of("float32 float32 float32", {"length": 1, "result": cast}, {}, nan={"rule": "first"})
    for specials in ([np.inf], [np.inf, np.inf], []):
        a = [*specials, 0, 1 + 2.0**-11]
        got = [dot(unit, a, [1] * len(a), backend=backend, seed=seed) for seed in range(4)]
        assert got == ["inf"] * 4 if specials else set(got) == {"1.0", repr(1 + 2.0**-10)}
    after = unit_of("float32 float32 float32", {"length": 1, "start": "none"}, {}, product={"result": cast},
                    output={"multiply": 1, "format": {"exp_bits": 5, "man_bits": 10, "infinities": False,
                                                      "nan": "none"}})  # fmt: skip
    assert dot(after, [np.nan, 1 + 2.0**-11], [1, 1], backend=backend, seed=1) == "0.0"


def test_19_toward_negative_makes_a_cancellation_minus_zero(backend):
    down, even = {"format": "float32", "rounding": "toward_negative"}, {"format": "float16"}
    for result, wanted in ((down, "-0.0"), ([down, even], "-0.0"), ([even, down], "0.0"), (even, "0.0")):
        unit = unit_of("float16 float16 float32", {"group": 2, "result": result})
        assert dot(unit, [1, -1], [1, 1], backend=backend) == wanted
        assert dot(unit, [0, 0], [1, 1], backend=backend) == "0.0"


def test_20_the_sign_of_digits_is_in_the_top_digit(backend):
    # int2 -2 = digits 0 and -1: half of it, rounded down, is -1, not -(0)
    planes = {"lanes": 2, "input": {"multiply": 0.5}, "result": {"format": "int8", "rounding": "toward_negative"}}
    unit = unit_of("int2 uint1 int8", planes, {"input": {"multiply": "digits"}}, product={"digits": 1})
    assert dot(unit, [-2], [1], backend=backend) == "-2.0"
    assert dot(unit, [1], [1], backend=backend) == "0.0"


def test_leading_bit_holds_for_every_kind_of_product(backend):
    level = {"group": 2, "align_bits": 2}
    table = [[8 if a and b else 0 for b in range(4)] for a in range(4)]
    table[1][1] = 1
    for exponent, wanted in (("sum", "9.0"), ("leading_bit", "8.0")):
        unit = unit_of("uint2 uint2 float32", level, product={"table": table, "exponent": exponent})
        assert dot(unit, [2, 1], [2, 1], backend=backend) == wanted
