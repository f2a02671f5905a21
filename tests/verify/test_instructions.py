"""The table of a processor's instructions."""

from __future__ import annotations

import numpy as np
import pytest

import emu
from emu.verify.instructions import instructions


def test_names_are_keys_and_formats_are_those_of_the_units():
    for name, instruction in instructions().items():
        assert instruction.name == name
        assert sum(map(bool, (instruction.unit, instruction.function, instruction.operation))) == 1
        if instruction.unit is not None:
            unit = emu.load_unit(instruction.unit)
            formats = [fmt.name for fmt in (unit.a, unit.b, unit.c) if fmt is not None]
            assert (list(instruction.operands), instruction.result) == (formats, unit.d.name)


def test_fused_multiply_add_is_the_same_as_unit_and_as_operation():
    rng = np.random.default_rng(7)
    for form in ("ph", "ps"):
        dtype = np.uint16 if form == "ph" else np.uint32
        codes = [rng.integers(0, 1 << (8 * dtype().itemsize), 300, dtype) for _ in "abc"]
        for name, operation in instructions().items():
            if operation.mnemonic == f"vfmadd{form}":
                unit = instructions()[name.replace("vfmadd", "vfmadd231")]
                found = unit.run(*(x[:, None, None] for x in codes))
                assert np.array_equal(found[:, 0, 0], operation.run(*codes))


def test_complex_numbers():
    """(1 + 2i)(3 + 4i) = -5 + 10i; (1 + 2i) conj(3 + 4i) = 11 + 2i; plus 1 + i."""
    half = emu.load_format("float16")
    a, b, c = (half.encode(np.array([x, x], float)) for x in ((1, 2), (3, 4), (1, 1)))
    expected = {"vfmulcph": (-5, 10), "vfmaddcph": (-4, 11), "vfcmulcph": (11, 2), "vfcmaddcph": (12, 3)}
    for name, value in expected.items():
        instruction = instructions()[f"{name}.ties_to_even"]
        found = half.decode(instruction.run(*[a, b, c][: len(instruction.operands)]))
        assert instruction.complex and found.tolist() == [list(value)] * 2


def test_the_number_of_operands():
    with pytest.raises(ValueError, match="takes 2 operands, not 1"):
        instructions()["vaddph.ties_to_even"].run(np.zeros(1, np.uint16))
