"""The network's own arithmetic: the gradient of a clip."""

from __future__ import annotations

import numpy as np

from emu.training.digits import training_images
from emu.training.machine import Exact
from emu.training.network import backward, cross_entropy, forward, initial


def test_the_gradient_at_a_clip_goes_to_both():
    """PACT_STE: dα where x >= α, dx where x <= α."""
    images, labels = (part[:8] for part in training_images())
    parameters = initial(1)
    trace = forward(Exact(), parameters, images)
    _, d = cross_entropy(trace.logits, labels)
    x = trace.inputs["last"]
    alpha = float(np.sort(x[x > 0])[-5])
    free = backward(Exact(), parameters, trace, d, scales={}, clips={})
    made = backward(Exact(), parameters, trace, d, scales={}, clips={"last": alpha})
    at, beyond = x == np.float32(alpha), x > np.float32(alpha)
    assert (at.sum(), beyond.sum()) == (1, 4)
    assert made.clips["last"] == float(free.inputs["last"][at | beyond].sum(dtype=np.float32))
    assert np.array_equal(made.outputs["hidden"], np.where(beyond, np.float32(0), free.outputs["hidden"]))
    assert made.outputs["hidden"][at] != 0
