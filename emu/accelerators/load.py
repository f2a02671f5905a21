"""From an accelerator file to an `Accelerator`: names resolved, rules between keys checked.

* A unit is a built-in name, `family:instruction`, a path relative to the file, or a table in place; a scheme likewise.
* What shares a scale: `emu.accelerators.check`. A static range is per tensor or per channel.
* `bias = "c"` needs a unit with an operand c; a unit with stochastic rounding needs `seed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emu.accelerators.accelerator import Accelerator, Rule, Vector, VectorSum
from emu.accelerators.check import check_plan, check_vector_format, is_twos_complement
from emu.accelerators.embedding import RowwiseEmbedding
from emu.accelerators.epilogue import ConstantPlace, Epilogue, Requantize, ScaleOrder
from emu.accelerators.identity import accelerator_hash
from emu.accelerators.keys import (
    AcceleratorKeys,
    ActivationKeys,
    EmbeddingKeys,
    EpilogueKeys,
    GradientKeys,
    MatrixKeys,
    NamedKeys,
    OutputKeys,
    RequantizeOutputKeys,
    RuleKeys,
    SumOrder,
    VectorKeys,
    WeightKeys,
)
from emu.accelerators.plan import BiasPlacement, LayerPlan, OutputCast, PlannedTransform
from emu.accelerators.training import TrainingKeys, training_of
from emu.errors import SpecError
from emu.formats import Format, Rounding, load_format
from emu.formats.cast import check_cast
from emu.functions import Function, FunctionUnit, load_function
from emu.schemes import Assignment, Granularity, Range, Scheme, TransformKind, load_scheme
from emu.schemes.steps.keys import Place, in_float32
from emu.schemes.transforms import TRANSFORMS
from emu.schemes.transforms.keys import SplittingKeys
from emu.spec import Source, convert, load_mapping
from emu.spec.about import FormatKeys
from emu.spec.kinds import convert_kind
from emu.spec.locate import is_path
from emu.units import Unit, load_unit
from emu.units.enums import RequantizeRule


def load_accelerator(spec: str | Path | Mapping[str, Any] | Accelerator) -> Accelerator:
    """The accelerator of a built-in name, a path to a .toml, or a mapping.

    Args:
        spec: what to load; an `Accelerator` is returned as it is.

    Raises:
        SpecError: unknown name or key, or keys that contradict each other.
    """
    if isinstance(spec, Accelerator):
        return spec
    mapping, source = load_mapping("accelerators", spec)
    keys = convert(mapping, AcceleratorKeys, file=source.label)
    resolver = _Resolver(source)
    matrix = resolver.plan(keys.matrix, "matrix")
    rules = tuple(
        Rule(
            layer=rule.match.layer,
            op=rule.match.op,
            plan=resolver.plan(_override(keys.matrix, rule), f"rule[{index}]"),
            which=rule.match.which,
        )
        for index, rule in enumerate(keys.rule)
    )
    vector = None if keys.vector is None else resolver.vector(keys.vector)
    fallback = keys.fallback.ops
    training = training_of(keys.training or TrainingKeys(), source.label)
    of_training = None if keys.training is None else training
    return Accelerator(
        name=keys.name or source.stem, matrix=matrix, rules=rules,
        vector=vector, fallback=fallback, training=training,
        spec_hash=accelerator_hash(matrix, rules, vector, fallback, of_training),
        doc=keys.doc, source=keys.source, maturity=keys.maturity, scope=keys.scope,
    )  # fmt: skip


def _override(matrix: MatrixKeys, rule: RuleKeys) -> MatrixKeys:
    """`[matrix]` with the keys that the rule gives."""
    merged = {name: getattr(matrix, name) for name in matrix.__struct_fields__}
    for name in merged:
        value = getattr(rule, name)
        merged[name] = merged[name] if value is None else value
    return MatrixKeys(**merged)


class _Resolver:
    """Turns keys into objects; knows the file for error messages and relative paths."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def error(self, key: str, reason: str, value: object = None, allowed: tuple[str, ...] = ()) -> SpecError:
        """A SpecError that names this file."""
        return SpecError(reason, file=self.source.label, key=key, value=value, allowed=allowed)

    def plan(self, keys: MatrixKeys, key: str) -> LayerPlan:
        """One layer plan."""
        unit = self.unit(keys.unit, f"{key}.unit")
        if keys.bias is BiasPlacement.C and unit.c is None:
            raise self.error(f"{key}.bias", f"unit {unit.name} has no operand c", keys.bias.value, ("epilogue",))
        if unit.form.stochastic and keys.seed is None:
            raise self.error(f"{key}.seed", f"unit {unit.name} rounds stochastically and needs a seed")
        activations = self.activations(keys.activations, f"{key}.activations")
        weights = self.weights(keys.weights, f"{key}.weights")
        transforms = tuple(
            self.transform(one, keys, f"{key}.transform[{index}]") for index, one in enumerate(keys.transform)
        )
        gradients = None if keys.gradients is None else self.gradients(keys.gradients, f"{key}.gradients")
        for one in (activations, weights, gradients):
            if one is not None and one.scheme.stochastic and keys.seed is None:
                reason = f"scheme {one.scheme.name!r} rounds stochastically and needs a seed"
                raise self.error(f"{key}.seed", reason)
        plan = LayerPlan(
            unit=unit,
            activations=activations,
            weights=weights,
            gradients=gradients,
            output=self.output(keys.output, f"{key}.output"),
            epilogue=self.epilogue(keys.epilogue, f"{key}.epilogue"),
            bias=keys.bias,
            k_order=keys.k_order,
            seed=keys.seed,
            transforms=transforms,
        )
        check_plan(plan, self.source.label, key)
        return plan

    def transform(self, mapping: Mapping[str, Any], matrix: MatrixKeys, key: str) -> PlannedTransform:
        """One transform, and how its second product runs."""
        file = self.source.label
        keys = convert_kind(mapping, TRANSFORMS, TransformKind, field="op", file=file, key=key)
        made = keys.build(Place(file=file, key=key))
        second = None
        if isinstance(keys, SplittingKeys):
            cast = {"scheme": "cast"}
            own = MatrixKeys(
                unit=keys.unit,
                activations=convert(keys.activations or cast, ActivationKeys, file=file, prefix=f"{key}.activations"),
                weights=convert(keys.weights or cast, WeightKeys, file=file, prefix=f"{key}.weights"),
                output=convert(keys.output or matrix.output, str | OutputKeys, file=file, prefix=f"{key}.output"),  # type: ignore[arg-type]
                k_order=matrix.k_order,
                seed=matrix.seed,
            )
            second = self.plan(own, key)
            if second.activations.range is Range.STATIC:
                reason = "what a second product gets is known at run time alone"
                raise self.error(f"{key}.activations.range", reason, second.activations.range.value, ("dynamic",))
            if second.weights.scheme.static:
                reason = "calibration is for the layer, not for a second product"
                raise self.error(f"{key}.weights.scheme", reason, second.weights.scheme.name)
        return PlannedTransform(transform=made, range=keys.range, second=second)

    def unit(self, spec: NamedKeys, key: str) -> Unit:
        """A unit by name, path or table."""
        with self.named_at(key):
            return load_unit(spec, folder=self.source.folder)

    def scheme(self, spec: NamedKeys, key: str) -> Scheme:
        """A scheme by name, path or table."""
        with self.named_at(key):
            return load_scheme(str(self.source.folder / spec) if isinstance(spec, str) and is_path(spec) else spec)

    @contextmanager
    def named_at(self, key: str) -> Iterator[None]:
        """Errors that name no file, such as unknown names, are about this key of this file."""
        try:
            yield
        except SpecError as error:
            if error.file is not None:
                raise
            raise self.error(key, error.reason, error.value, error.allowed) from None

    def activations(self, keys: ActivationKeys, key: str) -> Assignment:
        """The assignment of activations."""
        if keys.range is Range.STATIC and keys.per not in (Granularity.TENSOR, Granularity.CHANNEL):
            raise self.error(f"{key}.range", f"a scale per {keys.per.value} is dynamic", keys.range.value, ("dynamic",))
        scheme = self.scheme(keys.scheme, f"{key}.scheme")
        return Assignment(scheme=scheme, per=keys.per, range=keys.range)

    def gradients(self, keys: GradientKeys, key: str) -> Assignment:
        """The assignment of gradients."""
        return Assignment(scheme=self.scheme(keys.scheme, f"{key}.scheme"), per=keys.per)

    def weights(self, keys: WeightKeys, key: str) -> Assignment:
        """The assignment of weights."""
        if keys.per in (Granularity.TOKEN, Granularity.MATRIX):
            raise self.error(f"{key}.per", "of weights", keys.per.value, ("tensor", "channel", "group"))
        return Assignment(scheme=self.scheme(keys.scheme, f"{key}.scheme"), per=keys.per)

    def output(self, keys: str | OutputKeys, key: str) -> OutputCast:
        """The last cast of a layer."""
        if isinstance(keys, str):
            keys = OutputKeys(format=keys)
        fmt = load_format(keys.format, file=self.source.label, key=key)
        overflow = keys.overflow
        check_cast(fmt, rounding=keys.rounding, overflow=overflow, file=self.source.label, key=key)
        return OutputCast(format=fmt, rounding=keys.rounding, overflow=overflow)

    def epilogue(self, keys: EpilogueKeys, key: str) -> Epilogue:
        """The steps after a unit."""
        if keys.rounding in UNROUNDED:
            allowed = tuple(mode.value for mode in Rounding if mode not in UNROUNDED)
            raise self.error(f"{key}.rounding", "an epilogue does not round so", keys.rounding.value, allowed)
        if keys.constant_at is ConstantPlace.SCALES and keys.scales is not ScaleOrder.PRODUCT:
            reason = 'there is no scale product unless scales = "product"'
            raise self.error(f"{key}.constant_at", reason, keys.constant_at.value, ("first", "last"))
        if not in_float32(keys.constant):
            raise self.error(f"{key}.constant", "a factor is finite, and not 0, in float32", keys.constant)
        requantize = None
        if keys.requantize is not None:
            requantize = self.requantize(keys.requantize, f"{key}.requantize")
        return Epilogue(
            scales=keys.scales, format=self.vector_format(keys.format, f"{key}.format"), rounding=keys.rounding,
            constant=keys.constant, constant_at=keys.constant_at, fused=keys.fused, requantize=requantize,
        )  # fmt: skip

    def requantize(self, keys: RequantizeOutputKeys, key: str) -> Requantize:
        """An output quantised in integers."""
        fmt = load_format(keys.format, file=self.source.label, key=f"{key}.format")
        if not is_twos_complement(fmt):
            raise self.error(f"{key}.format", "q is an integer, two's complement or unsigned", fmt.name)
        if keys.rounding is not None and keys.rule is not RequantizeRule.SHIFT:
            raise self.error(f"{key}.rounding", f"rule {keys.rule.value} has its own roundings", keys.rounding.value)
        scheme = self.scheme(keys.scheme, f"{key}.scheme")
        if not scheme.scales or scheme.blocks is not None or scheme.looks:
            raise self.error(f"{key}.scheme", "s_y needs a scheme that chooses one scale", scheme.name)
        scheme.check(fmt, self.source.label, f"{key}.scheme")
        return Requantize(
            rule=keys.rule, format=fmt, scheme=scheme, range=keys.range, multiplier=keys.multiplier,
            dequantize=keys.dequantize, rounding=keys.rounding,
        )  # fmt: skip

    def vector(self, keys: VectorKeys) -> Vector:
        """The formats of vector operations."""
        if keys.rounding in UNROUNDED:
            allowed = tuple(mode.value for mode in Rounding if mode not in UNROUNDED)
            raise self.error("vector.rounding", "vector operations do not round so", keys.rounding.value, allowed)
        total = None
        if keys.sum is not None:
            fmt = self.vector_format(keys.sum.format, "vector.sum.format")
            wide = keys.sum.order is not SumOrder.CHAIN
            if wide != (keys.sum.width is not None):
                reason = "needs a width" if wide else "takes no width"
                raise self.error("vector.sum.width", f"order {keys.sum.order.value!r} {reason}", keys.sum.width)
            total = VectorSum(order=keys.sum.order, format=fmt, width=keys.sum.width)
        functions = dict(self.function(name, spec) for name, spec in keys.functions.items())
        fmt = self.vector_format(keys.format, "vector.format")
        embedding = None if keys.embedding is None else self.embedding(keys.embedding)
        return Vector(
            format=fmt, rounding=keys.rounding, sum=total, functions=functions, embedding=embedding, norm=keys.norm
        )

    def embedding(self, keys: EmbeddingKeys) -> RowwiseEmbedding:
        """Tables quantised row by row."""
        key = "vector.embedding"
        fmt = self.vector_format(keys.format, f"{key}.format")
        accumulator = keys.accumulator
        return RowwiseEmbedding(
            bits=keys.bits, scale=self.vector_format(keys.scale, f"{key}.scale"), format=fmt,
            accumulator=fmt if accumulator is None else self.vector_format(accumulator, f"{key}.accumulator"),
            accumulators=keys.accumulators, widest=keys.widest or 1 << 20, multiple=keys.multiple, order=keys.order,
            epsilon=keys.epsilon,
        )  # fmt: skip

    def vector_format(self, spec: FormatKeys, key: str) -> Format:
        """A format that vector operations are exact in."""
        fmt = load_format(spec, file=self.source.label, key=key)
        check_vector_format(fmt, self.source.label, key)
        return fmt

    def function(self, name: str, spec: NamedKeys) -> tuple[Function, FunctionUnit]:
        """A function and the unit that computes it."""
        key = f"vector.functions.{name}"
        if name not in [function.value for function in Function]:
            raise self.error(key, "no such function", name, tuple(function.value for function in Function))
        with self.named_at(key):
            unit = load_function(str(self.source.folder / spec) if isinstance(spec, str) and is_path(spec) else spec)
        if unit.form.function is not Function(name):
            raise self.error(key, f"{unit.name} computes {unit.form.function.value}", unit.name)
        return Function(name), unit


UNROUNDED = (Rounding.STOCHASTIC, Rounding.EXACT, Rounding.JAMMING)
"""Roundings that vector operations and epilogues do not have."""
