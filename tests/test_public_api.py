"""The public names of emu are there, and are what the documentation says."""

import numpy as np
import pytest

import emu


@pytest.mark.parametrize("name", emu.__all__)
def test_every_public_name_is_there(name):
    assert getattr(emu, name) is not None
    assert name in dir(emu)


def test_functions_are_functions_even_after_their_modules_were_imported():
    import emu.deviation.run
    import emu.layers.matrix
    import emu.replaying.driver

    assert callable(emu.matmul)
    assert callable(emu.replay)


def test_matmul_goes_through_the_schemes():
    x, w = np.eye(3, dtype=np.float32), np.arange(6, dtype=np.float32).reshape(3, 2)
    assert emu.matmul(x, w, accelerator="bf16-fma-f32").tolist() == w.tolist()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = emu.nothing
