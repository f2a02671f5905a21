"""The transform `split`: which channels leave, with which weights, and what scales see."""

from __future__ import annotations

import numpy as np

from emu.formats import load_format
from emu.schemes.enums import SplitRanges, SplitWeights
from emu.schemes.transforms.round import Round
from emu.schemes.transforms.split import Split
from tests.schemes.transforms.pairs import F32, pair, value

X = F32([[0.5, -1, 2, 8], [3, 1, -5.5, 1]])
W = F32([[1, 2], [3, 4], [5, 6], [7, 9]])


def test_the_row_of_the_worked_example():
    """numerics E.1: [0.5, -1, 2, 8] with threshold 6: channel 3 leaves, and the row's range is 2."""
    plain = pair(X[:1], W)
    split = Split(threshold=6.0)
    chosen = split.choose(plain)
    assert chosen["channels"].tolist() == [3]
    made = split.apply(plain, chosen)
    assert made.x.tolist() == [[0.5, -1, 2, 0]]
    codes = np.rint(made.x * (F32(127) / np.abs(made.x).max()))
    assert codes.tolist() == [[32, -64, 127, 0]]


def test_both_products_are_the_whole():
    plain = pair(X, W)
    split = Split(threshold=5.0)
    chosen = split.choose(plain)
    assert chosen["channels"].tolist() == [2, 3]
    first, second = split.apply(plain, chosen), split.split(plain, chosen)
    assert second.x.tolist() == [[2, 8], [-5.5, 1]]
    assert second.w.tolist() == [W[2:].tolist()]
    assert np.array_equal(value(first) + value(second), value(plain))


def test_the_threshold_itself_is_an_outlier():
    assert Split(threshold=8.0).choose(pair(X, W))["channels"].tolist() == [3]
    assert Split(threshold=np.nextafter(8.0, 9)).choose(pair(X, W))["channels"].tolist() == []
    assert Split(threshold=8.0).choose(pair(F32([[np.nan, np.inf, -np.inf, 1]]), W))["channels"].tolist() == [1, 2]


def test_nothing_to_split():
    plain = pair(X, W)
    split = Split(threshold=100.0, ranges_of=SplitRanges.BELOW)
    chosen = split.choose(plain)
    assert split.apply(plain, chosen) is plain
    assert split.split(plain, chosen) is None


def test_ranges_below_see_channels_that_left():
    plain = pair(X, W)
    split = Split(threshold=5.0, ranges_of=SplitRanges.BELOW)
    made = split.apply(plain, split.choose(plain))
    assert made.x.tolist() == [[0.5, -1, 0, 0], [3, 1, 0, 0]]
    assert made.ranges.tolist() == [[0.5, -1, 2, 0], [3, 1, 0, 1]]
    assert Split(threshold=5.0).apply(plain, {"channels": np.array([2, 3])}).ranges is None


def test_outliers_times_quantised_weights():
    plain = pair(X, W, bits=4)
    chosen = {"channels": np.array([1, 3])}
    made = Split(threshold=6.0, weights_as=SplitWeights.QUANTISED).split(plain, chosen)
    assert np.array_equal(made.w[0], plain.quantised_w(plain.w)[0, [1, 3]])
    assert not np.array_equal(made.w[0], W[[1, 3]])


def test_rounding_stands_by_itself():
    x = F32([[5.9995, 1 / 3]])
    made = Round(activations=load_format("float16")).apply(pair(x, W[:2] / 3), {})
    assert np.array_equal(made.x, x.astype(np.float16).astype(F32))
    assert np.array_equal(made.w[0], W[:2] / 3)
    assert Split(threshold=6.0).choose(made)["channels"].tolist() == [0]
    both = Round(activations=load_format("float16"), weights=load_format("bfloat16")).apply(pair(x, W[:2] / 3), {})
    assert (both.w[0].view(np.uint32) & 0xFFFF == 0).all()
