"""cemu's scalar operations, compiled with the address and undefined-behaviour sanitizers: drawn calls give what the
reference backend gives, and not one access or shift is out of bounds."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np

from emu import load_format
from emu.arithmetic.random import Philox
from emu.errors import OverflowRaised, SpecError
from emu.kernels.status import Status
from emu.operations import c_backend, reference
from emu.operations.call import Call, Options, prepare
from emu.operations.enums import Operation
from emu.operations.tables import call_tables
from emu.operations.width import words_of

from .sanitizers import Sanitized
from .test_sanitized import words

CALLS, SIZE = 700, 12
FORMATS = (
    "float32", "float64", "float16", "e4m3", "e5m2", "float8_e5m2fnuz", "dlfloat16", "tf32", "ue4m3", "log4", "e8m0",
    "posit8", "posit16es1", "nf4", "binary", "binary16p1ue", "3m4e", "int8", "int64", "uint64", "uint5",
    {"kind": "fixed", "bits": 40, "frac_bits": 30}, {"kind": "fixed", "bits": 64, "frac_bits": -20, "symmetric": True},
    {"kind": "integer", "bits": 63, "encoding": "sign_magnitude"},
    {"kind": "log", "radix": 2, "exp_bits": 6, "bias": 30, "boundary": "geometric"},
    {"kind": "log", "radix": 4, "exp_bits": 5, "bias": 9, "boundary": 0.3},
    {"kind": "log", "radix": 4, "exp_bits": 5, "bias": 9, "steps": 5, "table_bits": 40},
    {"kind": "codebook", "values": [0.0, -0.0, 1.0, float("nan"), float("inf"), float("-inf"), -3.0, 0.015625]},
)  # fmt: skip
ROUNDINGS = (
    "ties_to_even", "ties_to_away", "ties_to_zero", "toward_positive", "toward_negative", "to_odd", "jamming",
    "stochastic",
)  # fmt: skip

OVERFLOWS = (None, "saturate", "saturate_propagate", "wrap", "nan", "raise", "infinity_always")


def drawn(rng: np.random.Generator) -> Call | None:
    """One call; None if what was drawn has no meaning."""
    pick = lambda options: options[int(rng.integers(len(options)))]  # noqa: E731
    operation = pick(list(Operation))
    formats = [load_format(pick(FORMATS)) for _ in range(operation.operands)]
    rounding = pick(ROUNDINGS)
    codes = [rng.integers(0, 1 << fmt.bits, SIZE, dtype=np.uint64, endpoint=False) if fmt.bits < 64
             else rng.integers(0, 1 << 64, SIZE, dtype=np.uint64) for fmt in formats]  # fmt: skip
    stochastic = rounding == "stochastic"
    options = Options(
        to=pick(FORMATS), rounding=rounding, overflow=pick(OVERFLOWS), daz=bool(rng.integers(2)),
        nan=pick(("riscv", "x86", "arm")), tininess=pick(("after_rounding", "before_rounding")),
        ftz=pick(("off", "off", "result", "after_rounding")), random=Philox(7) if stochastic else None,
        sr_bits=int(rng.integers(1, 65)) if stochastic else None, sr_variant=pick("ABC"),
    )  # fmt: skip
    try:
        call = prepare(operation, tuple(codes), tuple(formats), options)
    except SpecError:
        return None
    return call if c_backend.supports(call) else None


def dumped(call: Call, file: BytesIO) -> None:
    """Write a call as operate.c reads it."""
    status, out, masks = Status.OK, np.zeros(SIZE, np.uint64), np.zeros(SIZE, np.uint16)
    try:
        out, masks = reference.run(call)
    except OverflowRaised:
        status = Status.OVERFLOW_RAISED
    fields, tables = call_tables(call)
    file.write(words(
        tables.formats.size, tables.points.size, tables.ranks.size, SIZE, len(call.codes), call.draws is not None,
        words_of(call), status.code,
    ))  # fmt: skip
    file.write(words(*fields))
    for array in (tables.formats, tables.points, tables.ranks, *call.codes):
        file.write(array.tobytes())
    file.write((b"" if call.draws is None else call.draws.tobytes()) + out.tobytes() + masks.tobytes())


def test_drawn_calls_under_sanitizers(sanitized: Sanitized, tmp_path: Path):
    rng, file, count = np.random.default_rng(2), BytesIO(), 0
    while count < CALLS:
        call = drawn(rng)
        if call is not None:
            dumped(call, file)
            count += 1
    path = tmp_path / "calls.bin"
    path.write_bytes(words(count) + file.getvalue())
    done = subprocess.run([str(sanitized.program("operate")), str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[:4000]
    assert done.stdout == f"{count} calls, 0 bad\n"
    assert not done.stderr
