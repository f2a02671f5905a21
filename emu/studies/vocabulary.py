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


class Reduce(Vocabulary):
    """How one number is made of the numbers of several points."""

    VALUE = "value"
    """the number itself: one point must be left"""
    MIN = "min"
    """the least"""
    MAX = "max"
    """the largest"""
    MEAN = "mean"
    """the arithmetic mean"""
    MEDIAN = "median"
    """the median"""
    SPREAD = "spread"
    """the largest less the least"""
    ARGMIN = "argmin"
    """the value of the axis `along` where it is least, the first of equal ones"""
    ARGMAX = "argmax"
    """the value of the axis `along` where it is largest, the first of equal ones"""
    LEAST_STEP = "least_step"
    """the least of the differences from one value of the axis `along` to the next: not below 0 where numbers never
    fall"""
    LARGEST_STEP = "largest_step"
    """the largest of these differences: not above 0 where numbers never rise"""
    FIRST = "first"
    """the first value of the axis `along` at which `where` holds"""
    COUNT = "count"
    """how many points there are at which `where` holds"""


class Verdict(Vocabulary):
    """What became of an effect."""

    SHOWN = "shown"
    """the figure is in the range"""
    NOT_SHOWN = "not shown"
    """the figure is not in the range, or there is none"""
    NOT_REPRODUCED = "not reproduced"
    """the figure is outside the authors' range, as the file says with its reason"""
    REPRODUCED = "reproduced after all"
    """the figure is in the authors' range, and the file says that it is not: the file is wrong"""
