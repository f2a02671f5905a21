"""Other people's block formats, where their rules are ours: gfloat's MX formats, ml_dtypes' element casts."""

from __future__ import annotations

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest

from emu.formats.blocks import load_block

from .plain import MX
from .variants import variant

GFLOAT = {name: f"format_info_{name if name != 'mxfp4' else 'mxfp4_e2m1'}" for name in MX}
BLOCKS = 300


def blocks(seed, count):
    """Blocks of 32 over all of float32's exponents, and some of one size."""
    random = np.random.default_rng(seed)
    wide = random.integers(0, 0x7F000000, (count // 2, 32), dtype=np.uint32).view("f4")
    wide = np.where(random.random(wide.shape) < 0.5, -wide, wide)
    same = random.standard_normal((count - len(wide), 32)).astype("f4")
    return np.concatenate([wide, same * np.exp2(random.integers(-120, 120, (len(same), 1))).astype("f4")])


@pytest.mark.parametrize("name", MX)
def test_gfloat(name):
    """300 blocks of every MX format, scale and element codes; and the all-zero block."""
    theirs, ours = getattr(gfloat.formats, GFLOAT[name]), load_block(name)
    x = np.concatenate([blocks(1, BLOCKS), np.zeros((1, 32), dtype="f4")])
    made = ours.encode(x)
    for row, scale, codes, values in zip(x.astype("f8"), made.scales, made.codes, made.decode(), strict=True):
        factor = gfloat.compute_scale_amax(theirs.etype.emax, row)
        assert [int(scale[0]), *codes.tolist()] == list(gfloat.encode_block(theirs, factor, row / factor))
        back = gfloat.quantize_block(theirs, row, gfloat.compute_scale_amax)
        assert values.tolist() == back.tolist()


@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "rceil", "tosa"])
@pytest.mark.parametrize("name", [name for name in MX if name != "mxint8"])
def test_ml_dtypes(name, rule):
    """20,000 blocks: clamped to the largest element, ml_dtypes casts the scaled values as we do."""
    fmt = variant(name, rule=rule)
    x = blocks(2, 20_000)
    made = fmt.encode(x)
    factor = made.scales.view(ml_dtypes.float8_e8m0fnu).astype("f8")
    y = np.clip(x / factor, -fmt.element.max_finite, fmt.element.max_finite).astype("f4")
    assert np.array_equal(made.codes, y.astype(getattr(ml_dtypes, fmt.element.name)).view("u1"))
    assert np.array_equal(made.decode(), y.astype(getattr(ml_dtypes, fmt.element.name)).astype("f8") * factor)
