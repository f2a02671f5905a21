"""What the keys of all transforms have in common."""

from __future__ import annotations

from typing import Annotated, Any

from emu.formats import Format, Overflow, load_format
from emu.formats.cast import check_cast
from emu.formats.codec import fits_float64
from emu.schemes.enums import Range, TransformKind
from emu.schemes.steps.keys import Place
from emu.schemes.transforms.pair import Transform
from emu.spec.about import FormatKeys, Keys, means, word

NamedKeys = str | dict[str, Any]


class TransformKeys(Keys, frozen=True, kw_only=True):
    """Keys of one transform: `op`, and what belongs to it."""

    op: Annotated[TransformKind, means("what the transform does")]
    range: Annotated[
        Range, means("whether what it chooses comes from the tensor at hand, or beforehand from calibration data")
    ] = Range.DYNAMIC

    def build(self, place: Place) -> Transform:
        """The transform.

        Raises:
            SpecError: keys that contradict each other.
        """
        raise NotImplementedError


def value_format(spec: FormatKeys, place: Place, key: str) -> Format:
    """A format that tensors are rounded to, with values above 0.

    Raises:
        SpecError: one that cannot be cast to, or whose values float64 does not hold.
    """
    fmt = load_format(spec, file=place.file, key=f"{place.key}.{key}")
    check_cast(fmt, overflow=Overflow.SATURATE, file=place.file, key=f"{place.key}.{key}")
    if not fits_float64(fmt):
        raise place.error(key, "has values that float64 does not hold", fmt.name)
    if not fmt.max_finite > 0:
        raise place.error(key, "has no value above 0", fmt.name)
    return fmt


class SplittingKeys(TransformKeys, frozen=True, kw_only=True):
    """Keys of a transform that makes a second product: how that one runs."""

    unit: Annotated[Annotated[NamedKeys, word("unit")], means("what multiplies the second pair")]
    activations: Annotated[
        dict[str, Any] | None, means("of the second product", values="as in `matrix`", default='scheme "cast"')
    ] = None
    weights: Annotated[
        dict[str, Any] | None, means("of the second product", values="as in `matrix`", default='scheme "cast"')
    ] = None
    output: Annotated[
        str | dict[str, Any] | None,
        means("the last cast of the second product", values="as in `matrix`", default="as `matrix.output`"),
    ] = None
