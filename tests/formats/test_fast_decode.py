"""Numbers of codes, casts by tables, and block codes, against the general kernel."""

import ml_dtypes
import numpy as np
import pytest

from cemu import lib
from emu.errors import FormatError
from emu.formats import load_format
from emu.formats.blocks.elements import Elements
from emu.formats.blocks.encode import _by_power
from emu.formats.blocks.enums import BlockRule, Quotient
from emu.formats.blocks.layout import to_blocks
from emu.formats.blocks.load import load_block
from emu.formats.blocks.model import BlockFormat
from emu.formats.blocks.special import absmax_of
from emu.formats.cast import check_cast
from emu.formats.codec import decode32
from emu.formats.enums import FormatKind, Rounding
from emu.formats.fast import blocks as fast_blocks
from emu.formats.fast.numbers import _checked, numbers_of
from emu.formats.isa import Isa
from emu.formats.load import load_any
from emu.formats.native import cast_codes, general_cast
from emu.spec import builtin_names
from tests.formats.test_fast_encode import formats

LEVELS = list(Isa)[: lib.cemu_isa_level() + 1]
MOVED = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "bfloat16", "float16", "e6m9", "ufloat8_e4m3fn")


@pytest.mark.parametrize("fmt", formats(), ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_have_the_bits_of_the_general_kernel(fmt, dtype):
    codes = np.arange(1 << fmt.bits, dtype=fmt.code_dtype)
    words, masks = general_cast(
        codes.astype(np.uint64), fmt, check_cast(load_format(np.dtype(dtype).name)), want_masks=True
    )
    for isa in LEVELS:
        made = numbers_of(fmt, codes, dtype, isa)
        assert (made is None) == bool(masks.any())
        if made is not None:
            assert np.array_equal(made.view(f"u{made.itemsize}"), words)


@pytest.mark.parametrize("name", MOVED)
def test_fields_are_moved_in_ordinary_formats(name):
    assert all(_checked(load_format(name), isa) is not None for isa in LEVELS)


@pytest.mark.parametrize("n", [0, 1, 255, 256, 1000])
def test_decode_shapes_and_dtypes(n):
    fmt = load_format("float8_e4m3fn")
    codes = np.random.default_rng(n).integers(0, 256, (2, n)).astype(np.uint8)
    right = codes.view(ml_dtypes.float8_e4m3fn).astype(np.float64)
    for given in (codes, codes.astype(np.int64), codes.view(ml_dtypes.float8_e4m3fn), codes.T.copy().T, codes[:, ::1]):
        assert np.array_equal(fmt.decode(given), right, equal_nan=True)
    made = decode32(fmt, codes)
    assert made.dtype == np.float32 and np.array_equal(made, right, equal_nan=True)
    assert fmt.decode(0x38) == 1 and fmt.decode([]).shape == (0,)


def test_decode_refuses_what_are_no_codes_or_no_float32():
    with pytest.raises(ValueError, match="does not fit"):
        load_format("float6_e2m3fn").decode(np.uint8([1, 64]))
    with pytest.raises(FormatError, match="float32 cannot hold"):
        decode32(load_format("float64"), np.uint64([1]))
    with pytest.raises(FormatError, match="float32 cannot hold"):
        decode32(load_format("binary16p7se"), np.uint16([1]))


@pytest.mark.parametrize("source", ["float8_e5m2", "float16", "int8", "nf4"])
@pytest.mark.parametrize("target", ["float8_e4m3fn", "bfloat16", "float64", "int4"])
@pytest.mark.parametrize("default_nan", [False, True])
def test_casts_of_codes_by_a_table(source, target, default_nan):
    fmt, how = load_format(source), check_cast(load_format(target), rounding=Rounding.TOWARD_ZERO)
    codes = np.random.default_rng(2).integers(0, 1 << fmt.bits, (2, 40_000)).astype(np.uint64)
    made, masks = cast_codes(codes, fmt, how, default_nan=default_nan)
    right, _ = general_cast(codes, fmt, how, default_nan=default_nan)
    assert masks is None and made.dtype == np.uint64 and np.array_equal(made, right)


def block_formats() -> list[BlockFormat]:
    found = [load_any(name) for name in builtin_names("formats")]
    spec = {"kind": "block", "block": 32, "scale": "float8_e8m0fnu"}
    exact = {"rceil": {"quotient": "exact"}}
    drawn = [
        load_block(spec | {"element": element, "rule": rule} | exact.get(rule, {}))
        for element in ("float8_e4m3fn", "float8_e5m2", "float6_e2m3fn", "float4_e2m1fn", "float8_e4m3fnuz")
        for rule in ("floor", "ceil", "even", "rceil", "tosa")
    ]
    return [fmt for fmt in (*found, *drawn) if isinstance(fmt, BlockFormat)]


def tensor(seed: int, block: int) -> np.ndarray:
    """Blocks of every magnitude: any exponents, significands near every threshold, zeros and subnormals."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((600, block), dtype=np.float32) * np.exp2(rng.integers(-140, 110, (600, 1))).astype(
        np.float32
    )
    x[:100] = rng.integers(0, 1 << 31, (100, block), dtype=np.uint32).view(np.float32)
    x[~np.isfinite(x)] = 1
    tops = rng.integers(0, 1 << 23, 100, dtype=np.uint32) & np.uint32(0x7F0000) | np.uint32(100 << 23)
    x[100:200, 0] = (tops + rng.integers(-1, 2, 100).astype(np.uint32)).view(np.float32)
    x[100:200, 1:] *= 0
    x[200:210] = 0
    x[210:230] = rng.integers(0, 1 << 12, (20, block), dtype=np.uint32).view(np.float32)
    x[230] = -0.0
    x[240:250] *= np.float32(0)
    return x


@pytest.mark.parametrize("fmt", block_formats(), ids=lambda fmt: f"{fmt.element.name} {fmt.rule.value} {fmt.name}")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_block_codes_have_the_bits_of_the_general_way(fmt):
    x = tensor(1, 32)
    blocks = to_blocks(x, 1, 32)
    for isa in LEVELS:
        quick = fast_blocks.encode(blocks, fmt, Rounding.TIES_TO_EVEN, isa)
        if quick is None:
            rounded = fmt.rule is BlockRule.RCEIL and fmt.quotient is not Quotient.EXACT
            assert fmt.scale.name != "float8_e8m0fnu" or fmt.element.kind is not FormatKind.FLOAT or fmt.bump or rounded
            continue
        elements = Elements.of(fmt, x.shape, None, None, None)
        scales, codes, _ = _by_power(blocks, *absmax_of(blocks, fmt, x), fmt, elements, None)
        assert np.array_equal(quick[0], scales)
        assert np.array_equal(quick[1], codes)


@pytest.mark.parametrize("special", [np.nan, np.inf, 3.4e38])
def test_blocks_with_specials_go_the_general_way(special):
    fmt = load_block("mxfp8_e4m3")
    x = np.ones((4, 64), np.float32)
    x[1, 40] = special
    narrow, wide = fmt.encode(x), fmt.encode(x.astype(np.float64))
    assert np.array_equal(narrow.codes, wide.codes) and np.array_equal(narrow.scales, wide.scales)
    if not np.isfinite(special):
        assert fast_blocks.encode(to_blocks(x, 1, 32), fmt, Rounding.TIES_TO_EVEN) is None
