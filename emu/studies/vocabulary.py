"""What a study may say in words."""

from __future__ import annotations

from emu.formats.enums import Vocabulary


class Over(Vocabulary):
    """How one number is made of the numbers of several layers."""

    WORST = "worst"
    """the smallest of a metric that is to be large, the largest of one that is to be small"""
    MEAN = "mean"
    """the arithmetic mean, NaN left out"""
    MEDIAN = "median"
    """the median, NaN left out"""
    TOTAL = "total"
    """the sum, NaN left out"""


class Goal(Vocabulary):
    """Which way an objective is better."""

    MAXIMISE = "maximise"
    """larger is better"""
    MINIMISE = "minimise"
    """smaller is better"""


class Method(Vocabulary):
    """Which points of the space are evaluated."""

    GRID = "grid"
    """all of them, the last axis fastest"""
    RANDOM = "random"
    """`points` of them, drawn without repetition"""
    LATIN_HYPERCUBE = "latin_hypercube"
    """`points` of them; every value of an axis is drawn as often as any other, as far as that goes"""
    BISECTION = "bisection"
    """for every combination of the other axes, the first value of the axis `along` that keeps the constraints, found by
    halving: they must be kept from some value on"""
    SENSITIVITY = "sensitivity"
    """mixed precision: each layer by itself at every value of the axis `along`, then the cheapest map of layers to
    values that keeps the constraints, made by giving way where it costs least"""
    OPTUNA = "optuna"
    """`points` of them, each chosen from the results so far by Optuna's multi-objective TPE sampler (extra `search`)"""
