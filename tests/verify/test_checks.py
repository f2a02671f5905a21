"""The checks of one format: they pass, they look at everything, and they find what is wrong."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

import emu.formats.cast
import emu.formats.decode
import emu.operations.c_backend
import emu.operations.order
import emu.operations.reference
from emu.formats.enums import EventKind, Rounding
from emu.verify.checks import CHECKS
from emu.verify.subject import EVERYTHING, SAMPLE, subject_of

USER = {
    "name": "u142", "exp_bits": 4, "man_bits": 2, "bias": 9, "nan": "negative_zero", "infinities": False,
    "subnormals": "none",
}  # fmt: skip
SMALL = dataclasses.replace(SAMPLE, codes=64, pairs=64, triples=16)


def checked(spec, names=tuple(CHECKS), **how):
    """The tallies of some checks."""
    subject = subject_of(spec, **how)
    return {name: CHECKS[name](subject) for name in names}


def wrong(tallies):
    return {name: tally.mismatches for name, tally in tallies.items() if tally.mismatches}


def test_a_format_that_nobody_has_heard_of():
    start = time.monotonic()
    tallies = checked(USER, extent=EVERYTHING)
    assert wrong(tallies) == {}
    assert all(tally.cases for tally in tallies.values())
    assert tallies["decode"].note == tallies["sqrt"].note == "all codes"
    assert tallies["add"].note == "all pairs"
    assert sum(tally.cases for tally in tallies.values()) > 10_000_000
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("spec", [
    "float8_e5m2", "float8_e8m0fnu", "float4_e2m1fn", "nf4", "int8", "ternary", "binary8p1ue", "posit8", "dlfloat16",
    "float16", "tensorfloat32", "float64", "int64", "uint64", "cfloat8_1_4_3_literal",
])  # fmt: skip
def test_samples_of_other_kinds(spec):
    assert wrong(checked(spec, extent=SMALL)) == {}


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_other_backends(backend):
    tallies = checked("float8_e4m3fn", backend=backend, extent=SMALL)
    assert wrong(tallies) == {}
    assert ("not in this backend" in tallies["div"].note) == (backend == "numba")


def test_samples_depend_on_the_seed_alone():
    first, again, other = (subject_of("float32", extent=SMALL, seed=seed) for seed in (1, 1, 2))
    assert (first.codes == again.codes).all()
    assert (first.codes != other.codes).any()


ARITHMETIC = ("add", "mul", "div")


def test_a_wrong_tie_is_found(monkeypatch):
    right = emu.formats.cast.round_to

    def away(sig, shift, rounding, negative, *rest, **more):
        rounding = Rounding.TIES_TO_AWAY if rounding is Rounding.TIES_TO_EVEN else rounding
        return right(sig, shift, rounding, negative, *rest, **more)

    monkeypatch.setattr(emu.formats.cast, "round_to", away)
    found = checked("float6_e2m3fn", ("round", "add"), backend="reference", extent=SAMPLE)
    assert set(wrong(found)) == {"round", "add"}
    assert all("ties_to_even" in example for tally in found.values() for example in tally.examples)


def test_a_shifted_decode_is_found(monkeypatch):
    right = emu.operations.reference.decode_code
    monkeypatch.setattr(emu.operations.reference, "decode_code", lambda fmt, code: right(fmt, code ^ (code > 0x30)))
    found = checked("float8_e4m3fn", ("decode", "mul"), backend="reference", extent=SMALL)
    assert set(wrong(found)) == {"decode", "mul"}


def test_a_lost_flag_is_found(monkeypatch):
    right = emu.operations.c_backend.run

    def quiet(call):
        codes, masks = right(call)
        masks[codes == 0] &= np.uint16(0xFFFF ^ EventKind.UNDERFLOW.bit)
        return codes, masks

    monkeypatch.setattr(emu.operations.c_backend, "run", quiet)
    tally = checked("float6_e3m2fn", ("mul",), extent=EVERYTHING)["mul"]
    assert tally.mismatches
    assert "flags 1" in tally.examples[0]
    assert "flags 3" in tally.examples[0]


def test_a_wrong_overflow_is_found(monkeypatch):
    monkeypatch.setattr(emu.formats.cast, "_INWARD", ())
    found = wrong(checked("float8_e5m2", ("round",), backend="reference", extent=SAMPLE))
    assert set(found) == {"round"}


def test_a_wrong_sign_of_zero_is_found(monkeypatch):
    right = emu.operations.reference.add
    monkeypatch.setattr(emu.operations.reference, "add", lambda x, y, **_: right(x, y, toward_negative=False))
    tally = checked("float4_e2m1fn", ("add",), backend="reference", extent=EVERYTHING)["add"]
    assert tally.mismatches
    assert all("toward_negative" in example for example in tally.examples)


def test_a_wrong_neighbour_is_found(monkeypatch):
    right = emu.operations.order.next_up
    monkeypatch.setattr(emu, "next_up", lambda x, fmt: right(right(x, fmt), fmt), raising=False)
    assert checked("float8_e4m3", ("next",), extent=SMALL)["next"].mismatches


def test_a_value_that_raises_where_nothing_overflows_is_found(monkeypatch):
    right = emu.formats.cast._exceeds
    monkeypatch.setattr(emu.formats.cast, "_exceeds", lambda x, fmt: x.sig.bit_length() > 2 or right(x, fmt))
    tally = checked("float6_e2m3fn", ("round",), backend="reference", extent=SMALL)["round"]
    assert tally.mismatches
