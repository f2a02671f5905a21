"""The weight update against Fractions, every multiply-add rounded once."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import numpy as np
import pytest

from emu.accelerators.training import TrainingKeys, training_of
from emu.arithmetic.random import Philox
from emu.errors import SpecError
from emu.layers.seeds import seed_of_call
from emu.training.update import Sgd


def update(**keys):
    return training_of(msgspec.convert({"update": keys}, TrainingKeys), "here").update


def exactly(fmt, codes):
    return [Fraction(value) for value in fmt.decode(codes).ravel().tolist()]


@pytest.mark.parametrize("name", ["float32", "dlfloat16", "bfloat16", "float16"])
@pytest.mark.parametrize("rounding", ["ties_to_even", "ties_to_away", "toward_zero", "stochastic"])
def test_three_multiply_adds(name, rounding):
    """The chain in exact rationals, each result rounded by the format's own encoder."""
    rng = np.random.default_rng(5)
    how = update(format=name, rounding=rounding, seed=9)
    w, g = (rng.standard_normal((3, 4)).astype(np.float32) for _ in range(2))
    sgd = Sgd(how, {"first": w, "w": w}, rate=0.03, momentum=0.9, decay=1e-3)
    fmt = how.format
    number = {key: Fraction(float(fmt.decode(sgd.coded(value)))) for key, value in
              {"rate": -0.03, "momentum": 0.9, "decay": 1e-3}.items()}  # fmt: skip

    def rounded(values, step, part):
        random = Philox(seed_of_call(9, 1, 0), 3 * step + part, 32) if rounding == "stochastic" else None
        return fmt.encode(values, rounding, sr_bits=32, random=random) if random else fmt.encode(values, rounding)

    x, v = sgd.coded(w).ravel(), sgd.coded(np.zeros(12))
    given = sgd.coded(g).ravel()
    for step in range(3):
        sgd.step({"w": g})
        d = rounded(
            [number["decay"] * a + b for a, b in zip(exactly(fmt, x), exactly(fmt, given), strict=True)], step, 0
        )
        v = rounded(
            [number["momentum"] * a + b for a, b in zip(exactly(fmt, v), exactly(fmt, d), strict=True)], step, 1
        )
        x = rounded([number["rate"] * a + b for a, b in zip(exactly(fmt, v), exactly(fmt, x), strict=True)], step, 2)
        assert sgd.weights["w"].ravel().tolist() == np.asarray(x).tolist()
    assert (sgd.weights["first"] == sgd.coded(w)).all()  # it had no gradient


def test_biases_do_not_decay():
    sgd = Sgd(update(), {"b": np.ones(4, np.float32)}, rate=0.5, momentum=0.0, decay=0.5)
    sgd.step({"b": np.zeros(4, np.float32)})
    assert (sgd.value("b") == 1).all()


def test_nearest_stalls_where_stochastic_rounding_goes_on():
    """Updates of an eighth of an ulp: to nearest they are lost, stochastically they add up on average."""
    ones, tiny = np.ones(4096, np.float32), np.full(4096, 2.0**-12, np.float32)
    ends = {}
    for rounding in ("ties_to_even", "stochastic"):
        sgd = Sgd(update(format="dlfloat16", rounding=rounding), {"w": ones}, rate=1.0, momentum=0.0, decay=0.0)
        for _ in range(64):
            sgd.step({"w": -tiny})
        ends[rounding] = sgd.value("w").astype(np.float64).mean()
    assert ends["ties_to_even"] == 1.0
    deviation = np.sqrt(64 * 1 / 8 * 7 / 8) * 2.0**-9 / np.sqrt(4096)  # each step adds an ulp, one time in eight
    assert abs(ends["stochastic"] - (1 + 64 * 2.0**-12)) < 4 * deviation


@pytest.mark.parametrize("keys", [{"format": "int8"}, {"rounding": "exact"}, {"rounding": "jamming"}])
def test_what_is_no_update(keys):
    with pytest.raises(SpecError, match=r"training\.update"):
        update(**keys)
