"""From a scheme file to a `Scheme`: the keys, and the rules between them.

* `[[step]] op = "scale"` takes `rule`; `op = "encode"` takes `rounding` and `overflow` (both named, always).
* At most one `scale`, before `encode`; exactly one `encode`, which is the last step. Or one step `op = "block"` alone,
  with the `format` of its blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from emu.errors import SpecError
from emu.formats import Overflow, Rounding
from emu.formats.blocks import BlockFormat, load_block
from emu.schemes.enums import ScaleRule, StepKind
from emu.schemes.scheme import BlockStep, EncodeStep, ScaleStep, Scheme, Step
from emu.spec import convert, load_mapping
from emu.spec.about import AboutKeys, FormatKeys, Keys, means
from emu.spec.locate import is_path


class StepKeys(Keys, frozen=True, kw_only=True):
    """Keys of one step; which of them apply depends on `op`."""

    op: Annotated[StepKind, means("what the step does")]
    rule: Annotated[
        ScaleRule | None,
        means(
            "of `scale`, required: one rounding; 1 where absmax = 0. Infinities and NaN take no part. A quotient that "
            "underflows is 2^−149",
            default="",
        ),
    ] = None
    rounding: Annotated[
        Rounding | None,
        means("of `encode`, required: code = encode(fl32(x / s))", default="", without=("exact", "stochastic")),
    ] = None
    overflow: Annotated[
        Overflow | None, means("of `encode`, required: one that the operand format can take", default="")
    ] = None
    format: Annotated[
        FormatKeys | None,
        means("of `block`, required: the block format", values="name or keys of a block format", default=""),
    ] = None


class SchemeKeys(AboutKeys, frozen=True, kw_only=True):
    """Keys of a scheme file."""

    step: Annotated[
        tuple[StepKeys, ...],
        means("at most one `scale`, and one `encode`, which is last; or one `block`", values="`[[step]]`, in order"),
    ]


_KEYS_OF = {StepKind.SCALE: ("rule",), StepKind.ENCODE: ("rounding", "overflow"), StepKind.BLOCK: ("format",)}


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
    _check_order(keys, source.label)
    return Scheme(
        name=keys.name or source.stem, steps=steps, doc=keys.doc, source=keys.source, maturity=keys.maturity,
        scope=keys.scope,
    )  # fmt: skip


def _step(keys: StepKeys, index: int, file: str) -> Step:
    wanted = _KEYS_OF[keys.op]
    for name in ("rule", "rounding", "overflow", "format"):
        given = getattr(keys, name) is not None
        if given and name not in wanted:
            reason = f"is no key of a step with op = {keys.op.value!r}"
            raise SpecError(reason, file=file, key=f"step[{index}].{name}", allowed=wanted)
        if not given and name in wanted:
            raise SpecError("required key is missing", file=file, key=f"step[{index}].{name}")
    if keys.rule is not None:
        return ScaleStep(rule=keys.rule)
    if keys.format is not None:
        return BlockStep(format=_block_format(keys.format, index, file))
    assert keys.rounding is not None
    assert keys.overflow is not None
    if keys.rounding in (Rounding.STOCHASTIC, Rounding.EXACT):
        allowed = [mode.value for mode in Rounding if mode not in (Rounding.STOCHASTIC, Rounding.EXACT)]
        where, value = f"step[{index}].rounding", keys.rounding.value
        raise SpecError("is no rounding of an encoder", file=file, key=where, value=value, allowed=allowed)
    return EncodeStep(rounding=keys.rounding, overflow=keys.overflow)


def _block_format(spec: FormatKeys, index: int, file: str) -> BlockFormat:
    fmt = load_block(spec, file=file, key=f"step[{index}].format")
    if fmt.rounding is Rounding.STOCHASTIC:
        raise SpecError("is no rounding of an encoder", file=file, key=f"step[{index}].format", value=fmt.name)
    return fmt


def _check_order(keys: SchemeKeys, file: str) -> None:
    kinds = [step.op for step in keys.step]
    if kinds.count(StepKind.SCALE) > 1:
        raise SpecError("at most one step chooses the scale", file=file, key="step")
    if kinds == [StepKind.BLOCK]:
        return
    if StepKind.BLOCK in kinds:
        raise SpecError('a step with op = "block" stands alone', file=file, key="step")
    if kinds.count(StepKind.ENCODE) != 1 or kinds[-1] is not StepKind.ENCODE:
        raise SpecError('the last step, and only the last, has op = "encode"', file=file, key="step")
