"""Where the format is DLFloat16, ties go away from zero: operands of first and last layers, and RaPiD's update."""

from __future__ import annotations

import numpy as np
import pytest

from emu.accelerators import Pass, load_accelerator
from emu.training.machine import Emulated
from emu.training.update import Sgd

TIE = np.float32(1 + 2**-10)
"""Halfway between 1 and the next number, 1 + 2^-9."""


@pytest.mark.parametrize("name", ["sun2020-int4", "hfp8", "rapid"])
@pytest.mark.parametrize("layer", ["first", "last"])
def test_operands_in_16_bits(name, layer):
    machine = Emulated(load_accelerator(name))
    x, w, b = np.array([[TIE]]), np.array([[1]], np.float32), np.zeros(1, np.float32)
    for value, other in ((x, w), (w, x)):
        assert machine.forward(layer, "Gemm", {}, value, other, b) == 1 + 2**-9
        assert machine.of_weights(layer, "Gemm", {}, value, w, other) == 1 + 2**-9
        assert machine.of_input(layer, "Gemm", {}, w, value, other) == 1 + 2**-9
    assert (machine.as_operand(layer, "Gemm", Pass.DGRAD, x) == 1 + 2**-9).all()


def test_the_update_of_rapid():
    update = load_accelerator("rapid").training.update
    sgd = Sgd(update, {"w": np.array([TIE])}, rate=1.0, momentum=0.0, decay=0.0)
    assert sgd.value("w") == 1 + 2**-9
    sgd.step({"w": np.array([TIE])})
    assert sgd.value("w") == 0
