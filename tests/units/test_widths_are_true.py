"""Nothing that `wires` says of a unit is refuted by running it: "exact" wires count no event, adders hold their sums.

The reference backend's sums are compared with the widths, its events with what is said to be lost, on random draws of
finite codes, many of them extreme.
"""

from __future__ import annotations

import re
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest

from emu import load_unit
from emu.errors import OverflowRaised
from emu.formats.decode import decode_code
from emu.formats.enums import EventKind
from emu.formats.model import Format
from emu.formats.value import Value
from emu.units import reference
from emu.units.enums import AlignTo
from emu.units.events import Events
from emu.units.form import Level, UnitForm
from emu.units.stages import FIRST_LEVEL
from emu.units.widths import Wire, wires
from tests.units.drawing import draw

DRAWS, CHUNK = 600, 100
LOST = {"inexact", "underflow", "overflow", "saturated", "wrapped", "flushed_out", "invalid"}
Sums = list[tuple[int, Level, Value]]


def finite(r: Random, fmt: Format, codes: np.ndarray) -> np.ndarray | None:
    """The codes, some made extreme and all finite; None if there is no finite code in sight."""
    top = (1 << fmt.bits) - 1
    extreme = [code & top for code in (0, 1, top, top - 1, top >> 1, (top >> 1) + 1, (top >> 1) - 1)]
    out = codes.copy().reshape(-1)
    favourite, often = r.choice(extreme), r.choice([0, 0.7])
    for i in range(out.size):
        if r.random() < often:
            out[i] = favourite if r.random() < 0.7 else r.choice(extreme)
        for _ in range(50):
            if decode_code(fmt, int(out[i])).finite:
                break
            out[i] = r.getrandbits(fmt.bits)
        else:
            return None
    return out.reshape(codes.shape)


def operands(r: Random, form: UnitForm, given: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    c = {} if form.c is None else {"c": form.c.format}
    per_block = {"a_scale": form.scale_a, "b_scale": form.scale_b, "a_zero": form.a.zero, "b_zero": form.b.zero}
    formats = {"a": form.a.format, "b": form.b.format, **c}
    formats |= {name: one.format for name, one in per_block.items() if one is not None}
    made = {name: finite(r, formats[name], np.asarray(codes)) for name, codes in given.items()}
    return None if any(codes is None for codes in made.values()) else made  # type: ignore[return-value]


def check_events(found: Events, rows: list[Wire]) -> None:
    """A stage counts a loss only if one of its wires names it; after an overflow to infinity nothing is said."""
    if any("overflow" in found.of(stage) for stage in found.stages[:2]):
        return
    for stage in found.stages[2:]:
        words = "d", "output" if stage == "output" else stage
        here = [row for row in rows if row.place in words or row.place.startswith(f"{stage} ")]
        here = [row for row in here if row.place != "d" or stage == "output"]
        casts = [row for row in here if not row.place.endswith("adder")][int(stage == "product") :]
        got = found.of(stage)
        if all(not row.lost for row in casts):
            assert not LOST & set(got), (stage, got, here)
        if all("range" not in row.lost for row in casts):
            assert "overflow" not in got, (stage, got, here)
        if all("bits below" not in row.lost for row in casts):
            assert "overflow" in got or "inexact" not in got, (stage, got, here)
        if all(not row.lost for row in here):
            assert "truncated" not in got, (stage, got, here)
        if "overflow" in got:
            return


def check_sums(sums: Sums, rows: list[Wire]) -> None:
    adders = {row.place: row for row in rows if row.place.endswith("adder")}
    for stage, level, total in sums:
        wire = adders[f"level {stage - FIRST_LEVEL} adder"]
        if not total.sig:
            continue
        if level.align_bits is None:
            least, most = map(int, re.findall(r"2\^(-?\d+)", wire.what))
            last = total.q + (total.sig & -total.sig).bit_length() - 1
            assert least <= last, wire
            assert total.top <= most, wire
        elif level.align_to is AlignTo.ALL and total.e is not None:
            magnitude = Fraction(total.sig) * Fraction(2) ** (total.q - total.e + level.align_bits)
            assert magnitude <= 2 ** (wire.bits - 1) - (not total.negative), wire


@pytest.mark.parametrize("first", range(40_000, 40_000 + DRAWS, CHUNK))
def test_drawn_units_do_as_their_widths_say(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sums: Sums = []
    plain = reference.Element._sum

    def recording(self: Any, level: Level, stage: int, terms: list[Value], accs: list[Value]) -> Value:
        total = plain(self, level, stage, terms, accs)
        sums.append((stage, level, total))
        return total

    monkeypatch.setattr(reference.Element, "_sum", recording)
    for number in range(first, first + CHUNK):
        one = draw(number)
        unit = load_unit(one.unit)
        given = operands(Random(number), unit.form, one.operands)
        if given is None:
            continue
        sums.clear()
        try:
            rows = wires(unit.form, given["a"].shape[-1])
            _, found = unit.matmul(**given, seed=one.seed, events=True, backend="reference")
        except OverflowRaised:
            continue
        if found.total(EventKind.NAN_MADE):
            continue
        try:
            check_events(found, rows)
            if not found.total(EventKind.OVERFLOW):
                check_sums(sums, rows)
        except AssertionError as error:
            error.add_note(str(one))
            raise


def lost(k: int, place: str, **keys: Any) -> str:
    return [row for row in wires(load_unit({"name": "x", **keys}).form, k) if row.place == place][-1].lost


SAME = {"operands": {"a": "float16", "b": "float16", "d": "float16"}, "level": [{"result": {"format": "float16"}}]}
SYMMETRIC = {"kind": "integer", "bits": 8, "symmetric": True}
INT2 = {"a": "int2", "b": "int2"}


@pytest.mark.parametrize(
    ("k", "place", "what", "keys"),
    [
        (1, "output", "bits", {**SAME, "output": {"format": "float16", "ftz": "result"}}),
        (1, "output", "bits", {**SAME, "output": {"format": "float16", "rounding": "jamming"}}),
        (1, "d", "range", {"operands": {"a": "uint8", "b": "uint1", "d": "int8"},
                           "level": [{"result": {"format": "uint8", "overflow": "saturate"}}]}),
        (1, "d", "range", {"operands": {"a": "int8", "b": "uint1", "d": SYMMETRIC},
                           "level": [{"result": {"format": "int8"}}]}),
        (1, "d", "range", {"operands": {**INT2, "c": {"format": "int8", "load": {"multiply": 1000}}, "d": "int16"},
                           "level": [{}]}),
        (20, "d", "range", {"operands": {**INT2, "d": "int8"},
                            "level": [{"result": {"format": {"exp_bits": 8, "man_bits": 1},
                                                  "rounding": "away_from_zero"}}]}),
        (1, "d", "range", {"operands": {**INT2, "d": "int8"},
                           "level": [{"align_bits": 0, "align_to": 10, "align_rounding": "away_from_zero",
                                      "result": {"format": "int32"}}]}),
        (1, "d", "range", {"operands": {**INT2, "d": "int16"},
                           "scale": {"a": {"format": "e4m3"}, "b": {"format": "e4m3"}, "product": {"multiply": 4096}},
                           "level": [{"input": {"multiply": "scale"}, "result": {"format": "int40"}}]}),
        (4, "level 0 result", "range, if c is large", {
            "operands": {"a": "int8", "b": "int8", "c": "int32", "d": "int32"},
            "level": [{"result": {"format": "int32"}}]}),
    ],
)  # fmt: skip
def test_what_is_lost_is_named(k: int, place: str, what: str, keys: dict[str, Any]) -> None:
    assert what in lost(k, place, **keys)


def test_a_split_operand_is_not_said_to_leave_float32() -> None:
    split = [{"format": "e5m3"}] * 3
    keys = {"operands": {"a": "float16", "b": "float16", "d": "float32"}, "product": {"split": split}}
    assert "range" not in lost(4, "d", **keys, level=[{}])


def test_an_adder_holds_zero_points_and_what_inner_levels_hand_up() -> None:
    def bits(place: str, k: int, **keys: Any) -> int:
        return next(row.bits for row in wires(load_unit({"name": "x", **keys}).form, k) if row.place == place)

    operand = {"format": "int8", "zero": "int8"}
    aligned = {"align_bits": 0, "result": {"format": "int32"}}
    # 255 * 255, and a sign
    assert bits("level 0 adder", 1, operands={"a": operand, "b": operand, "d": "int32"}, level=[aligned]) >= 17
    outer = {"start": "none", "group": 2, "align_bits": 3, "result": {"format": "float32"}}
    # 16 products of up to 36 lie below 2^10, six bits above the largest exponent, 4; then two of those, 3 bits below
    keys = {"operands": {"a": "e2m1", "b": "e2m1", "d": "float32"}, "level": [{"length": 16}, outer]}
    assert bits("level 1 adder", 32, **keys) >= 1 + 6 + 1 + 3
