"""What an accelerator does around the products of training: weight update, loss scale, gradient scales, learned clips.

The products themselves are planned like those of inference, by pass (`emu.accelerators.plan.Pass`); who trains reads
these options (`emu.training`). Each part has a neutral value, so that it can be left out alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from emu.errors import SpecError
from emu.formats import Format, Overflow, Rounding, load_format
from emu.formats.cast import check_cast
from emu.formats.enums import FormatKind
from emu.spec.about import FormatKeys, Keys, means

Seed = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Positive = Annotated[float, msgspec.Meta(ge=2.0**-126, le=2.0**127)]
"""A float32 that is not subnormal: it is a factor there."""
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class UpdateKeys(Keys, frozen=True, kw_only=True):
    """The arithmetic of the weight update: three multiply-adds, each rounded once."""

    format: Annotated[FormatKeys, means("of weights, momentum and gradient, and of every result")] = "float32"
    rounding: Annotated[Rounding, means("of the three multiply-adds", without=("exact", "jamming"))] = (
        Rounding.TIES_TO_EVEN
    )
    overflow: Annotated[Overflow | None, means("of the three multiply-adds", default="the format's")] = None
    sr_bits: Annotated[Annotated[int, msgspec.Meta(ge=1, le=64)], means('random bits of `rounding = "stochastic"`')] = (
        32
    )
    seed: Annotated[Seed, means('of `rounding = "stochastic"`')] = 0


class GradScaleKeys(Keys, frozen=True, kw_only=True):
    """A power of two for every layer, that follows the largest gradient."""

    max: Annotated[
        Positive, means("where the largest scaled gradient is kept: above half of it, and not beyond; a power of two")
    ]
    initial: Annotated[Positive, means("the scale of every layer at the start; a power of two")] = 1.0
    moves: Annotated[bool, means("whether it follows the gradient; if not, it stays at `initial`")] = True
    workers: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=4096)], means("equal parts of a batch that vote, one by one")
    ] = 1


class ClipKeys(Keys, frozen=True, kw_only=True):
    """How the clips of activations under rule `pact` are learned."""

    start: Annotated[
        Annotated[float, msgspec.Meta(gt=0, le=100)] | None,
        means("percentile of a layer's first input where its clip starts", default="the rule's `alpha`"),
    ] = None
    rate: Annotated[NotNegative, means("factor on the learning rate")] = 1.0
    decay: Annotated[NotNegative, means("L2 decay of the clip")] = 0.0


class TrainingKeys(Keys, frozen=True, kw_only=True):
    """What training needs besides the products."""

    update: Annotated[UpdateKeys, means("the arithmetic of the weight update", default="float32")] = UpdateKeys()
    loss_scale: Annotated[
        Positive, means("the gradient of the loss is multiplied by it, and gradients are divided by it in float32")
    ] = 1.0
    grad_scale: Annotated[GradScaleKeys | None, means("a scale for every layer's gradient", default="none")] = None
    clip: Annotated[ClipKeys | None, means("clips of rule `pact` are learned", default="they stay as they are")] = None


@dataclass(frozen=True, kw_only=True)
class Update:
    """The arithmetic of the weight update."""

    format: Format
    rounding: Rounding
    overflow: Overflow | None
    sr_bits: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Training:
    """What an accelerator says about training, resolved."""

    update: Update
    loss_scale: float
    grad_scale: GradScaleKeys | None
    clip: ClipKeys | None

    @property
    def key(self) -> dict[str, Any]:
        """What decides a bit, as plain data."""
        return {
            "update": [str(getattr(self.update, name)) for name in ("format", "rounding", "overflow")],
            "random": [self.update.sr_bits, self.update.seed] if self.update.rounding is Rounding.STOCHASTIC else [],
            "loss_scale": self.loss_scale, "grad_scale": msgspec.to_builtins(self.grad_scale),
            "clip": msgspec.to_builtins(self.clip),
        }  # fmt: skip


def training_of(keys: TrainingKeys, file: str) -> Training:
    """The options, checked.

    Raises:
        SpecError: a format or rounding that the update cannot have, or a scale that is no power of two.
    """
    update = keys.update
    fmt = load_format(update.format, file=file, key="training.update.format")
    if fmt.kind is not FormatKind.FLOAT:
        key = "training.update.format"
        raise SpecError("weights are updated in a float format", file=file, key=key, value=fmt.name)
    if update.rounding in (Rounding.EXACT, Rounding.JAMMING):
        allowed = tuple(mode.value for mode in Rounding if mode not in (Rounding.EXACT, Rounding.JAMMING))
        key = "training.update.rounding"
        raise SpecError("no rounding of an update", file=file, key=key, value=update.rounding.value, allowed=allowed)
    stochastic = update.rounding is Rounding.STOCHASTIC
    check_cast(
        fmt, rounding=update.rounding, overflow=update.overflow, sr_bits=update.sr_bits if stochastic else None,
        file=file, key="training.update",
    )  # fmt: skip
    if keys.grad_scale is not None:
        for name in ("max", "initial"):
            value = float(getattr(keys.grad_scale, name))
            if not _is_power(value):
                reason = "a scale is a power of two: it must not round"
                raise SpecError(reason, file=file, key=f"training.grad_scale.{name}", value=value)
    return Training(
        update=Update(
            format=fmt, rounding=update.rounding, overflow=update.overflow, sr_bits=update.sr_bits, seed=update.seed
        ),
        loss_scale=keys.loss_scale, grad_scale=keys.grad_scale, clip=keys.clip,
    )  # fmt: skip


def _is_power(value: float) -> bool:
    numerator, denominator = value.as_integer_ratio()
    return numerator & (numerator - 1) == 0 and denominator & (denominator - 1) == 0
