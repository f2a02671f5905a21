"""What is checked: one format, on one backend, to one extent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import SpecError
from emu.formats.enums import FormatKind
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.verify.oracle.build import form_of
from emu.verify.oracle.forms import Form
from emu.verify.oracle.placing import ROUNDINGS, VARIANTS

Codes = NDArray[np.uint64]
SMALL_BITS, MIDDLE_BITS = 8, 16
"""All pairs up to the first; all codes up to the second"""
SR_BITS = 3
SR_BITS_SAMPLED = 16


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much of a check is run."""

    codes: int = 1 << MIDDLE_BITS
    """codes of one operand, at most; more are sampled"""
    pairs: int = 1 << 2 * SMALL_BITS
    """pairs of codes, at most"""
    triples: int = 1 << 13
    every_overflow: bool = True
    """each overflow on all pairs; else those but the format's own on results out of range alone"""


EVERYTHING = Extent()
ONE_SWEEP = Extent(codes=1 << 11, triples=1 << 10, every_overflow=False)
SAMPLE = Extent(codes=120, pairs=100, triples=30, every_overflow=False)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One format on one backend."""

    name: str
    fmt: Format
    form: Form
    backend: str = "c"
    seed: int = 1
    extent: Extent = EVERYTHING

    @cached_property
    def roundings(self) -> list[tuple[str, str, int]]:
        """Rounding, variant and bits of stochastic rounding."""
        out = [(rounding, "", 0) for rounding in ROUNDINGS]
        widths = (SR_BITS, SR_BITS_SAMPLED) if self.extent.every_overflow or self.form.bits > SMALL_BITS else (SR_BITS,)
        return [*out, *(("stochastic", v, n) for v in VARIANTS for n in widths)]

    def generator(self, what: str) -> np.random.Generator:
        """A generator of its own for each check, so that none depends on what ran before it."""
        return np.random.default_rng([self.seed, *what.encode(), *self.name.encode()])

    @property
    def all_codes(self) -> bool:
        """Whether every code is looked at."""
        return 1 << self.form.bits <= self.extent.codes

    @cached_property
    def codes(self) -> Codes:
        """All codes, or the corners and a sample."""
        if self.all_codes:
            return np.arange(1 << self.form.bits, dtype=np.uint64)
        return self.some(self.extent.codes, "codes")

    def some(self, count: int, what: str) -> Codes:
        """Codes at the corners of the format, and random ones."""
        bits = self.form.bits
        random = (
            self.generator(what).integers(0, 1 << bits, count, dtype=np.uint64, endpoint=False)
            if bits < 64
            else self.generator(what).integers(0, (1 << 64) - 1, count, dtype=np.uint64, endpoint=True)
        )
        corners = self.corners
        return np.concatenate([corners, random])[: max(count, 1)] if count > corners.size else random

    @cached_property
    def corners(self) -> Codes:
        """Codes around zero, the largest values, infinities and NaN, of either sign."""
        form, top = self.form, (1 << self.form.bits) - 1
        marks = [0, *form.largest, *form.smallest, *form.infinities, *form.zeros, form.nan_code, top, top >> 1]
        found = {mark + step for mark in marks if mark is not None for step in (-2, -1, 0, 1, 2)}
        return np.array(sorted(x for x in found if 0 <= x <= top), np.uint64)


def subject_of(spec: str | Path | Mapping[str, Any], **how: Any) -> Subject:
    """The subject of a format that its name, file or keys describe.

    Raises:
        SpecError: no such format, or one that has no codes of its own.
    """
    fmt = load_format(spec)
    if fmt.bits > 64:
        raise SpecError("a format of more than 64 bits has no codes to check", value=fmt.name)
    ends = fmt.largest(negative=True), fmt.largest(negative=False)
    if fmt.kind is FormatKind.CODEBOOK and all(x.sig for x in ends) and ends[0].negative == ends[1].negative:
        reason = "a codebook whose values all have one sign is not checked: the oracle saturates a number by its sign"
        raise SpecError(reason, value=fmt.name)
    return Subject(name=fmt.name, fmt=fmt, form=form_of(spec), **how)
