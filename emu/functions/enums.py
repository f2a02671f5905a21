"""The closed vocabularies of elementary functions and function units, one documented member each."""

from __future__ import annotations

from emu.formats.enums import Vocabulary


class Function(Vocabulary):
    """An elementary function, correctly rounded in emu.functions.elementary and approximated by function units."""

    EXP = "exp"
    """e^x"""
    EXP2 = "exp2"
    """2^x"""
    LOG = "log"
    """the natural logarithm"""
    LOG2 = "log2"
    """the logarithm to base 2"""
    SIN = "sin"
    """the sine of x radians"""
    COS = "cos"
    """the cosine of x radians"""
    TANH = "tanh"
    """the hyperbolic tangent"""
    SIGMOID = "sigmoid"
    """1 / (1 + e^-x)"""
    ERF = "erf"
    """the error function"""
    GELU = "gelu"
    """x (1 + erf(x / sqrt 2)) / 2"""
    GELU_TANH = "gelu_tanh"
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2; the constant is the decimal fraction"""
    SILU = "silu"
    """x / (1 + e^-x)"""
    RECIP = "recip"
    """1 / x"""
    RSQRT = "rsqrt"
    """1 / sqrt x"""


class Symmetry(Vocabulary):
    """How a function unit uses its table for negative inputs."""

    NONE = "none"
    """it does not: pieces cover both signs"""
    ODD = "odd"
    """f(-x) = -f(x): the pieces see |x|, the sign is put back"""
    EVEN = "even"
    """f(-x) = f(x): the pieces see |x|"""
    COMPLEMENT = "complement"
    """f(-x) = 1 - f(x): the pieces see |x|; 1 - y is cast to the output"""


class NanInput(Vocabulary):
    """What a function unit makes of a NaN."""

    NAN = "nan"
    """the output's default NaN (its `nan_to` if it has none)"""
    INFINITY = "infinity"
    """it is taken for an infinity of its sign, as by hardware that compares codes"""
    X86 = "x86"
    """itself, quieted, with sign and payload; a NaN that the unit makes is negative (x86 processors)"""


class ReduceRule(Vocabulary):
    """How an input is brought into the range that the pieces cover."""

    EXPONENT = "exponent"
    """x = m · 2^(step · n), with |m| from low up to low · 2^step"""
    MULTIPLE = "multiple"
    """x = m + step · n, with m from low up to low + step"""


class PieceKind(Vocabulary):
    """How a function unit computes on one interval of its input."""

    CONSTANT = "constant"
    """one value"""
    IDENTITY = "identity"
    """the input itself"""
    LUT = "lut"
    """a table entry for each segment"""
    LINEAR = "linear"
    """linear interpolation in a table"""
    POLYNOMIAL = "polynomial"
    """a polynomial for each segment, by Horner's rule"""


class SegmentRule(Vocabulary):
    """How an input finds its segment."""

    UNIFORM = "uniform"
    """segments of equal width: floor((x - low) / width)"""
    CODE = "code"
    """the top bits of the code: (code - low) >> shift"""


class Place(Vocabulary):
    """Where in a segment the function is taken for an entry of a `lut`."""

    START = "start"
    """at its first node"""
    MIDDLE = "middle"
    """half way: in value for uniform segments, in codes for segments of codes"""
    END = "end"
    """at the next segment's first node"""


class Offset(Vocabulary):
    """What the position of an input in its segment is measured in; exact, as low bits of a word are."""

    VALUE = "value"
    """x minus the segment's node"""
    UNIT = "unit"
    """that, divided by the segment's width: 0 at its start, 1 at its end"""
    CODE = "code"
    """the low `shift` bits of the code, as an integer (segments of codes only)"""


class Interpolation(Vocabulary):
    """The form of a linear interpolation."""

    SLOPE = "slope"
    """entry + slope * offset, with a table of slopes"""
    BLEND = "blend"
    """offset * next entry + (entry - offset * entry); the offset must be a fraction of the segment"""


class SlopeRule(Vocabulary):
    """What a derived slope is the difference of."""

    FUNCTION = "function"
    """the function at the segment's ends, before these are rounded to entries"""
    ENTRIES = "entries"
    """the entries at the segment's ends"""
