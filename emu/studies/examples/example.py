"""A worked example, and what came out.

* Of a unit: one sum of products, on every backend. The result is compared as a number (`result`), or as a code.
* Of a scheme: one tensor of values that share a scale; whatever of codes, scale, zero point and block scales is stated
  is compared.
* Of an accelerator: `emu.matmul(x, w)`, on every backend; every number of the product is compared. With a table: the
  embedding sum of one bag, in the vector unit.
* Of a gradient's scale: GradScale, fed with the same magnitudes at every step until it is at rest.

Nothing has a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emu.errors import EmuError, SpecError
from emu.formats.backend import Backend
from emu.studies.examples.keys import ExampleKeys
from emu.studies.examples.run import Found, of_accelerator, of_grad_scale, of_scheme, of_table, of_unit

_KINDS: Mapping[str, tuple[Callable[[ExampleKeys, str, str, Backend], Found], frozenset[str], frozenset[str]]] = {
    "unit": (of_unit, frozenset({"a", "b", "c", "a_scale", "b_scale", "a_zero", "b_zero", "seed"}),
             frozenset({"result", "code"})),
    "scheme": (of_scheme, frozenset({"x", "format"}), frozenset({"codes", "scale", "zero", "block_scales"})),
    "accelerator": (of_accelerator, frozenset({"accelerator", "x", "w"}), frozenset({"result"})),
    "table": (of_table, frozenset({"accelerator", "table", "indices", "factors"}), frozenset({"result"})),
    "grad_scale": (of_grad_scale, frozenset({"x"}), frozenset({"scale", "steps"})),
}  # fmt: skip
SINGLE = ("scheme", "table", "grad_scale")
"""What has one implementation, whatever the backend."""
_NEEDED: Mapping[str, tuple[str, ...]] = {"unit": ("a", "b"), "scheme": ("x",), "accelerator": ("x", "w"),
                                          "table": ("accelerator", "indices"), "grad_scale": ("x",)}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Checked:
    """An example, and what came out."""

    example: Example
    found: str
    expected: str
    right: bool
    problem: str = ""
    """why nothing came out, or on which backend something else did"""

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        about = self.example
        return {
            "name": about.name, "found": self.found, "expected": self.expected, "as_stated": self.right,
            **{key: text for key, text in (("paper", about.keys.paper), ("note", about.keys.note)) if text},
            **({"problem": self.problem} if self.problem else {}),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Example:
    """A worked example."""

    keys: ExampleKeys
    kind: str
    """`unit`, `scheme`, `accelerator`, `table` or `grad_scale`"""
    file: str
    key: str
    """where it stands in its file"""

    @property
    def name(self) -> str:
        """What it shows."""
        return self.keys.name

    def check(self) -> Checked:
        """Work it out on every backend.

        What emu refuses makes an example wrong, with the reason.
        """
        make = _KINDS[self.kind][0]
        backends = (Backend.C,) if self.kind in SINGLE else tuple(Backend)
        first: Found | None = None
        for backend in backends:
            try:
                found = make(self.keys, self.file, self.key, backend)
            except (EmuError, ValueError) as error:
                return Checked(example=self, found="–", expected="", right=False, problem=str(error))
            if not found.right:
                where = "" if len(backends) == 1 else f"on backend {backend.value}"
                return Checked(
                    example=self, found=found.text, expected=found.expected, right=False, problem=where
                )  # fmt: skip
            first = first or found
        assert first is not None
        return Checked(example=self, found=first.text, expected=first.expected, right=True)


def build_examples(given: Sequence[ExampleKeys], file: str) -> tuple[Example, ...]:
    """The examples of a study; what they name is not opened.

    Raises:
        SpecError: keys that are missing, or do not go together.
    """
    out = tuple(_example(keys, file, f"example[{place}]") for place, keys in enumerate(given))
    names = [one.name for one in out]
    for place, one in enumerate(out):
        if one.name in names[:place]:
            raise SpecError("two examples have this name", file=file, key=f"{one.key}.name", value=one.name)
    return out


def _example(keys: ExampleKeys, file: str, key: str) -> Example:
    kinds = [kind for kind in _KINDS if getattr(keys, kind) is not None]
    if "table" in kinds:
        kinds = [kind for kind in kinds if kind != "accelerator"]  # which adds it up
    if len(kinds) != 1:
        raise SpecError("is of one of these", file=file, key=key, value=kinds or None, allowed=tuple(_KINDS))
    (kind,) = kinds
    _, inputs, results = _KINDS[kind]
    every = frozenset().union(*(own | made for _, own, made in _KINDS.values()))
    for name in sorted(every - inputs - results):
        if getattr(keys, name) is not None:
            raise SpecError(f"is no key of an example of {kind}", file=file, key=f"{key}.{name}")
    for name in _NEEDED[kind]:
        if getattr(keys, name) is None:
            raise SpecError("required key is missing", file=file, key=f"{key}.{name}")
    if all(getattr(keys, name) is None for name in results):
        raise SpecError("says nothing of what comes out", file=file, key=key, allowed=sorted(results))
    return Example(keys=keys, kind=kind, file=file, key=key)
