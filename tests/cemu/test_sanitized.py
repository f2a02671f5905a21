"""The C sources by themselves: no warnings, no undefined behaviour, no access beyond an array, no leak.

The programs are compiled with sanitizers from the sources: `standalone` fills in a unit by hand and `plans` every plan
kernel's problem; `replay` runs drawn problems whose codes and events the reference backend has computed.
"""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from emu import load_unit
from emu.errors import OverflowRaised
from emu.kernels.status import Status
from emu.units.arguments import check_arguments
from emu.units.problem import Problem
from emu.units.ranges import limbs_of
from emu.units.reference import run
from emu.units.tables import tables_of
from tests.units.drawing import draw

from .sanitizers import Sanitized

CEMU = Path(__file__).parents[2] / "cemu"
DRAWS = range(3000, 3300)


@pytest.mark.parametrize("program", ["standalone", "plans"])
def test_what_is_filled_in_by_hand(sanitized: Sanitized, program: str):
    done = subprocess.run([str(sanitized.program(program))], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[0], done.stderr) == (0, "passed", ""), done.stdout + done.stderr


def words(*numbers: int) -> bytes:
    return np.array(numbers, dtype=np.int64).tobytes()


def size(array: np.ndarray | None, axis: int) -> int:
    return 0 if array is None else array.shape[axis]


def dumped(problem: Problem, file: BytesIO) -> None:
    """Write a problem as replay.c reads it."""
    status = Status.OK
    try:
        run(problem)
    except OverflowRaised:
        status = Status.OVERFLOW_RAISED
    t, p = tables_of(problem.form), problem
    seed = p.seed - (1 << 64) if p.seed >> 63 else p.seed
    file.write(words(
        len(t.formats.formats), len(t.steps), len(t.constants), len(t.levels), t.orders.size, t.table.size,
        t.formats.points.size, t.formats.ranks.size, len(t.casts), t.terms.size, len(p.events),
        p.m, p.n, p.k, size(p.a_scale, 1), size(p.b_scale, 0),
        p.c is not None, p.a_scale is not None, p.b_scale is not None, size(p.a_zero, 1), size(p.b_zero, 0),
        p.first_index, seed, limbs_of(p.form, p.k), status.code,
    ))  # fmt: skip
    for array in (
        t.unit,
        t.formats.formats,
        t.steps,
        t.constants,
        t.levels,
        t.orders,
        t.table,
        t.formats.points,
        t.formats.ranks,
        t.casts,
        t.terms,
        p.a,
        p.b,
        p.c,
        p.a_scale,
        p.b_scale,
        p.a_zero,
        p.b_zero,
    ):
        file.write(b"" if array is None else np.ascontiguousarray(array).tobytes())
    file.write(p.d.tobytes() + p.events.tobytes())


def problems(number: int) -> list[Problem]:
    """The two-dimensional products of a draw."""
    one = draw(number)
    unit = load_unit(one.unit)
    names = ("a", "b", "c", "a_scale", "b_scale", "a_zero", "b_zero")
    whole = check_arguments(unit.form, *(one.operands.get(name) for name in names))
    return [p.wide() for p in whole.stacked(np.zeros(whole.shape, dtype=np.uint64), one.seed or 0).problems()]


def test_drawn_problems_under_sanitizers(sanitized: Sanitized, tmp_path: Path):
    file, count = BytesIO(), 0
    for number in DRAWS:
        for problem in problems(number):
            dumped(problem, file)
            count += 1
    path = tmp_path / "problems.bin"
    path.write_bytes(words(count) + file.getvalue())
    done = subprocess.run([str(sanitized.program("replay")), str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == f"{count} problems, 0 bad\n"
    assert not done.stderr


@pytest.mark.parametrize("compiler_flags", [["-O3"], ["-O2", "-Wconversion"]])
def test_the_header_stands_alone(tmp_path: Path, compiler_flags):
    source = tmp_path / "use.c"
    source.write_text('#include "cemu.h"\nint main(void) { return CEMU_OK; }\n', encoding="utf-8")
    command = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", *compiler_flags, f"-I{CEMU / 'include'}", str(source)]
    subprocess.run([*command, "-o", str(tmp_path / "use")], check=True)
