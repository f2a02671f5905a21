"""Function units: hardware's approximations of elementary functions, as data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.errors import OverflowRaised
from emu.formats.codes import as_codes
from emu.formats.model import Format
from emu.functions.datapath import compute
from emu.functions.form import Form
from emu.functions.job import SEMANTICS, meaning
from emu.functions.keys import FunctionKeys
from emu.functions.resolve import resolve
from emu.functions.store import Arrays, stored
from emu.spec import convert, load_mapping

if TYPE_CHECKING:
    from emu.functions.profile import ErrorProfile


@dataclass(frozen=True, kw_only=True, eq=False)
class FunctionUnit:
    """One function unit. Build it with `emu.load_function`.

    It is a map from codes of `input` to codes of `output`; what it computes, step by step, is in
    emu/functions/datapath.py and spec/README.md.
    """

    name: str
    form: Form
    doc: str = ""
    source: str = ""
    maturity: str = ""
    scope: str = ""
    mapping: Mapping[str, Any] = field(repr=False)
    """the file's own keys, `extends` resolved"""

    def __str__(self) -> str:
        return self.name

    @property
    def input(self) -> Format:
        """The format of the operands, at most 16 bits."""
        return self.form.input

    @property
    def output(self) -> Format:
        """The format of the results."""
        return self.form.output.format

    def apply(self, codes: ArrayLike) -> NDArray[Any]:
        """The results of an array of codes: codes of `output`, of the same shape, in its smallest unsigned dtype.

        Special cases: NaN as the unit's `nan` says; infinities fall into the outer pieces; zeros keep their sign with
        symmetry "odd".

        Raises:
            ValueError: no codes of the input format.
            OverflowRaised: the range of a cast with overflow = "raise" is exceeded.
        """
        words = as_codes(codes, self.input)
        raised = self._arrays["raised"][words]
        if raised.any():
            where = tuple(int(i) for i in np.argwhere(raised)[0])
            raise OverflowRaised(f"{self.name}: at index {where} a cast exceeds its range")
        return self._arrays["codes"][words]

    def table(self) -> NDArray[Any]:
        """The results of all input codes, in their order; not to be written to.

        Raises:
            OverflowRaised: as `apply`.
        """
        self.apply(np.arange(1 << self.input.bits, dtype=np.uint32))
        return self._arrays["codes"]

    def error_profile(self) -> ErrorProfile:
        """How far the unit is from the function, over all inputs; see emu/functions/profile.py."""
        from emu.functions.profile import error_profile

        return error_profile(self)

    @cached_property
    def key(self) -> str:
        """A hash of all that the results depend on."""
        return hashlib.sha256(f"semantics={SEMANTICS} {_described(self.form)}".encode()).hexdigest()

    @cached_property
    def _arrays(self) -> Arrays:
        count = 1 << self.input.bits
        like = {"codes": np.zeros(count, self.output.code_dtype), "raised": np.zeros(count, np.bool_)}
        arrays = stored(self.key, like, lambda: self._compute(like))
        for array in arrays.values():
            array.flags.writeable = False
        return arrays

    def _compute(self, like: Arrays) -> Arrays:
        codes, raised = like["codes"], like["raised"]
        for code in range(len(codes)):
            try:
                codes[code] = compute(self.form, code)
            except OverflowRaised:
                raised[code] = True
        return {"codes": codes, "raised": raised}


def _described(thing: object) -> str:
    """A form as text, formats by their meaning."""
    if isinstance(thing, Format):
        return f"({meaning(thing)})"
    if isinstance(thing, tuple):
        return f"[{', '.join(map(_described, thing))}]"
    if is_dataclass(thing):
        return ", ".join(f"{f.name}={_described(getattr(thing, f.name))}" for f in fields(thing))
    return repr(thing)


def load_function(spec: str | Path | Mapping[str, Any]) -> FunctionUnit:
    """The function unit of a built-in name, a path to a .toml file, or a mapping with the same keys.

    Raises:
        SpecError: unknown name or key, or keys that have no exact meaning together; names file, key and what is
            allowed.
    """
    mapping, source = load_mapping("functions", spec)
    keys = convert(mapping, FunctionKeys, file=source.label)
    return FunctionUnit(
        name=keys.name or source.stem, form=resolve(keys, source.label), doc=keys.doc, source=keys.source,
        maturity=keys.maturity, scope=keys.scope, mapping=mapping,
    )  # fmt: skip
