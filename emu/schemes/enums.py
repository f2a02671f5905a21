"""The closed vocabularies of schemes."""

from __future__ import annotations

from emu.formats.enums import Vocabulary


class StepKind(Vocabulary):
    """What one step of a scheme does."""

    CLIP = "clip"
    """clamp the values to given bounds"""
    ROUND = "round"
    """round the values to a format, or after `scale` to a format's values times s"""
    SCALE = "scale"
    """choose a scale s, and a zero point if asymmetric, from the values, or take given ones"""
    CHANNEL_GROUPS = "channel_groups"
    """choose scales that channels of like range share"""
    ENCODE = "encode"
    """code = encode(fl32(x / s)), plus the zero point"""
    ENCODE_FMA = "encode_fma"
    """integers round(x · (1 / s) + z), the product and the sum fused in a narrow float format"""
    GPTQ = "gptq"
    """of weights: scales, and codes that make up for each other's errors, given the layer's activations"""
    BLOCK = "block"
    """codes and scale codes of a block format, along K: for units that take block scales"""


class GroupBounds(Vocabulary):
    """Where groups of channels of like range begin and end."""

    POWERS = "powers"
    """at the largest range over powers of two: the scales differ by shifts"""
    BEST = "best"
    """where the quantisation error is least: scales are free"""


class ScaleRule(Vocabulary):
    """How the range is chosen that a scale maps to the format."""

    ABSMAX = "absmax"
    """the largest magnitude: s = fl32(absmax / max_finite)"""
    MINMAX = "minmax"
    """the smallest and the largest value; for `symmetric = false`"""
    PERCENTILE = "percentile"
    """the magnitude of the nearest rank, of ascending ones; asymmetric: of values, from both ends"""
    MEAN_ABS = "mean_abs"
    """the mean magnitude, summed in float64"""
    MSE = "mse"
    """the candidate fraction of the full range whose codes have the smallest Σ(x − x̂)², the first of equals"""
    GIVEN = "given"
    """none: s is `value`"""
    BOUND = "bound"
    """the range of magnitudes up to `value`"""
    SAWB = "sawb"
    """α = c1 · sqrt(E[w²]) + c2 · E|w|, with the coefficients of `code`"""
    PACT = "pact"
    """the range up to `alpha`, which training learns"""


class Divisor(Vocabulary):
    """What a symmetric range is divided by."""

    MAX_FINITE = "max_finite"
    """the format's largest finite value: 127 of int8"""
    HALF_STEP = "half_step"
    """half a step above the largest value of an integer format: 127.5 of int8"""
    FULL_RANGE = "full_range"
    """a step above it: 128 of int8"""


class PowerOfTwo(Vocabulary):
    """Which power of two a scale becomes."""

    FLOOR = "floor"
    """the largest that is not above it"""
    CEIL = "ceil"
    """the smallest that is not below it"""
    NEAREST = "nearest"
    """the nearest, the middle of two going up"""


class ZeroPoint(Vocabulary):
    """How the code of zero is chosen."""

    LOW = "low"
    """qmin − round(fl32(low / s)), clamped to the format's range"""
    NEARER = "nearer"
    """from the end of the range with the smaller |q| + |x / s|, in float64, clamped (FBGEMM)"""
    FREE = "free"
    """as `low`, not clamped but to 32 bits: outside the format's range where the values are all on one side of zero"""


class Inverse(Vocabulary):
    """How values are divided by the scale."""

    DIVIDE = "divide"
    """fl32(x / s)"""
    RECIPROCAL = "reciprocal"
    """fl32(x · fl32(1 / s))"""
    RATIO = "ratio"
    """fl32(x · fl32(divisor / range)), both of the step `scale`; as `reciprocal` if s is not their plain quotient"""


class TransformKind(Vocabulary):
    """What one transform does to the operands of a layer before they are quantised."""

    SHIFT = "shift"
    """subtract a vector from the channels of the activations; the bias takes it back"""
    SMOOTH = "smooth"
    """divide the channels of the activations by a vector, and multiply the weights by it"""
    NOISE = "noise"
    """add a fixed noisy vector to the channels of the activations; the bias takes it back"""
    PERMUTE = "permute"
    """put channels of like range next to each other, for blocks and groups along K"""
    ROTATE = "rotate"
    """multiply the channels by a Hadamard matrix, and the weights by its inverse: outliers spread over all channels"""
    SPLIT = "split"
    """multiply the channels with outliers by themselves, in a unit of their own"""
    ROUND = "round"
    """round the operands to a format, in which the layer has them"""
    LOW_RANK = "low_rank"
    """what quantisation takes from the weights comes back as a second product, of small rank"""
    BIAS_CORRECTION = "bias_correction"
    """the mean error that quantisation makes in each output channel leaves with the bias"""
    COMPENSATE = "compensate"
    """weights that make the best of activations that are quantised, or pruned, by least squares"""
    CHANNEL_CLIP = "channel_clip"
    """clip every channel of the activations to its own range and bring all to one; the weights take it back"""
    SEARCH = "search"
    """choose both operands' scales by what they do to the output"""


class SmoothRule(Vocabulary):
    """How `smooth` chooses the vector s."""

    MIGRATION = "migration"
    """s = max|x|^alpha / max|w|^(1 − alpha) for each channel (SmoothQuant)"""
    THRESHOLD = "threshold"
    """s = max(1, max x / t, −min x / t); t is searched for the least error of the layer (Outlier Suppression+)"""


class NoiseDistribution(Vocabulary):
    """What `noise` is drawn from."""

    UNIFORM = "uniform"
    """−1 to 1 (NoisyQuant's paper)"""
    GAUSSIAN = "gaussian"
    """2 z − 1 with z normal (NoisyQuant's code)"""


class PermuteRule(Vocabulary):
    """What `permute` sorts channels by, the smallest first."""

    ACTIVATIONS = "activations"
    """the largest magnitude of the activations"""
    WEIGHTS = "weights"
    """the largest magnitude of the weights"""


class SplitWeights(Vocabulary):
    """What the outliers of `split` are multiplied by."""

    GIVEN = "given"
    """the weights as they are (LLM.int8's paper)"""
    QUANTISED = "quantised"
    """what the layer's own weight codes and scales mean (its library today)"""


class SplitRanges(Vocabulary):
    """What the scales of the first product of `split` are chosen from."""

    KEPT = "kept"
    """the channels that it keeps"""
    BELOW = "below"
    """all elements below the threshold, those of the other channels too (LLM.int8's library)"""


class Granularity(Vocabulary):
    """What shares one scale."""

    TENSOR = "tensor"
    """the whole tensor"""
    MATRIX = "matrix"
    """one matrix of a batch, such as a head of an attention; otherwise the tensor"""
    TOKEN = "token"  # noqa: S105 - not a password
    """of activations: one row of a matrix (or one column, if the second operand is an activation too); one image of a
    convolution's input"""
    CHANNEL = "channel"
    """of weights: one output channel. Of activations: one input channel, where the unit takes a scale for every k, or
    every group of a convolution has one channel"""
    GROUP = "group"
    """so many neighbours along K as share a scale operand of the unit, of one row (or one output channel)"""


class Range(Vocabulary):
    """When the scale of activations is chosen."""

    DYNAMIC = "dynamic"
    """from the tensor at hand"""
    STATIC = "static"
    """beforehand, from calibration data"""
