"""From a scheme file to a `Scheme`: the keys, and the rules between them.

* `op` of a step says which keys it takes (`emu.schemes.steps`, one module for each).
* The last step makes the codes, and no other does. A step whose scales come from the format (`block`) stands alone, or
  after steps that only change values; otherwise at most one step chooses a scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from emu.errors import SpecError
from emu.schemes.draft import Step
from emu.schemes.enums import StepKind
from emu.schemes.scheme import Scheme
from emu.schemes.steps import STEPS
from emu.schemes.steps.keys import Place
from emu.spec import convert, load_mapping
from emu.spec.about import AboutKeys, means, word
from emu.spec.kinds import convert_kind
from emu.spec.locate import is_path

MAKERS = (StepKind.ENCODE, StepKind.ENCODE_FMA, StepKind.GPTQ, StepKind.BLOCK)
"""Steps that make codes."""


class SchemeKeys(AboutKeys, frozen=True, kw_only=True):
    """Keys of a scheme file."""

    step: Annotated[
        tuple[Annotated[dict[str, Any], word("step")], ...],
        means("the last one makes the codes, and no other does", values="`[[step]]`, in order"),
    ]


def load_scheme(spec: str | Path | Mapping[str, Any]) -> Scheme:
    """The scheme of a built-in name, a path to a .toml, or a mapping.

    Raises:
        SpecError: unknown name or key, or steps in an order that makes no codes.
    """
    return _load(spec) if isinstance(spec, Mapping) or is_path(str(spec)) else _builtin(str(spec))


@lru_cache(maxsize=256)
def _builtin(name: str) -> Scheme:
    return _load(name)


def _load(spec: str | Path | Mapping[str, Any]) -> Scheme:
    mapping, source = load_mapping("schemes", spec)
    keys = convert(mapping, SchemeKeys, file=source.label)
    steps = tuple(_step(step, index, source.label) for index, step in enumerate(keys.step))
    _check_order(steps, source.label)
    return Scheme(
        name=keys.name or source.stem, steps=steps, doc=keys.doc, source=keys.source, maturity=keys.maturity,
        scope=keys.scope,
    )  # fmt: skip


def _step(mapping: Mapping[str, Any], index: int, file: str) -> Step:
    key = f"step[{index}]"
    found = convert_kind(mapping, STEPS, StepKind, field="op", file=file, key=key)
    return found.build(Place(file=file, key=key))


def _check_order(steps: tuple[Step, ...], file: str) -> None:
    if not steps or not steps[-1].last or any(step.last for step in steps[:-1]):
        makers = " or ".join(f'"{kind.value}"' for kind in MAKERS)
        raise SpecError(f"the last step, and only the last, makes codes: op = {makers}", file=file, key="step")
    if sum(step.scales for step in steps) > 1:
        raise SpecError("at most one step chooses the scale", file=file, key="step")
