"""Offsets of the fields of a table row in int64 words; they follow emu/units/tables.py (a test compares them)."""

# ruff: noqa: D103  (the C source documents each function)
from __future__ import annotations

from emu.kernels.environment import CONSTANTS_AT, FORMATS, LEVELS, POINTS, STEPS
from emu.kernels.jit import Env, Int, kernel

(
    F_KIND, F_BITS, F_IS_SIGNED, F_EXP_BITS, F_MAN_BITS, F_BIAS, F_EMIN, F_SUBNORMALS, F_INFINITIES, F_NAN,
    F_NEGATIVE_ZERO, F_IGNORED_LOW_BITS, F_IGNORED_HIGH_BITS, F_FRAC_BITS, F_SYMMETRIC, F_ENCODING, F_RADIX_LOG2,
    F_HAS_ZERO, F_NAN_TO, F_MAX_MAGNITUDE, F_ODD_PHASE, F_FIRST_POINT, F_POINTS, F_BELOW_SMALLEST, F_FIRST_RANK,
    F_NAN_CODE, F_INFINITY_CODE, F_NEGATIVE_INFINITY_CODE, F_NEGATIVE_ZERO_CODE,
) = range(29)  # fmt: skip
FORMAT_SIZE = 29

(
    R_NEGATIVE, R_SIG, R_Q, R_CODE, R_ODD, R_BOUNDARY_NEGATIVE, R_BOUNDARY_SIG, R_BOUNDARY_Q, R_BOUNDARY_ROOT,
) = range(9)  # fmt: skip
POINT_SIZE = 9

C_FORMAT, C_ROUNDING, C_OVERFLOW, C_FTZ, C_SR_BITS, C_SR_VARIANT, C_NAN_CODE, C_TININESS, C_NAN_TO = range(9)
CAST_SIZE = 9

P_FIRST, P_COUNT = range(2)
PIPE_SIZE = 2

K_NEGATIVE, K_SIG, K_Q, K_E, K_LIVE = range(5)
CONSTANT_SIZE = 5

S_FACTOR, S_FIRST_CONSTANT, S_CONSTANTS, S_FIRST_ADDEND, S_ADDENDS, S_CAST = range(6)
STEP_SIZE = S_CAST + CAST_SIZE

(
    L_GROUP, L_LENGTH, L_PARTS, L_LANES, L_FIRST_ORDER, L_ORDER_LENGTH, L_START, L_ALIGN, L_ALIGN_BITS,
    L_ALIGN_ROUNDING, L_ALIGN_TO, L_ALIGN_POINT, L_HAS_MIN_EXP, L_ALIGN_MIN_EXP, L_HAS_MAX_SHIFT, L_ALIGN_MAX_SHIFT,
    L_ZERO_SIGN, L_NAN_ORDER, L_TOWARD_NEGATIVE, L_INPUT,
) = range(20)  # fmt: skip
L_RESULT = L_INPUT + PIPE_SIZE
LEVEL_SIZE = L_RESULT + PIPE_SIZE

Z_FORMAT, Z_BLOCK = range(2)
PER_BLOCK_SIZE = 2
O_FORMAT, O_DAZ, O_ZERO = range(3)
O_LOAD = O_ZERO + PER_BLOCK_SIZE
OPERAND_SIZE = O_LOAD + PIPE_SIZE

U_K, U_A = 0, 1
U_B = U_A + OPERAND_SIZE
U_C = U_B + OPERAND_SIZE
U_D = U_C + OPERAND_SIZE
U_SCALE_A = U_D + CAST_SIZE
U_SCALE_B = U_SCALE_A + PER_BLOCK_SIZE
U_SCALE_PRODUCT = U_SCALE_B + PER_BLOCK_SIZE
U_PRODUCT_RESULT = U_SCALE_PRODUCT + PIPE_SIZE
U_OUTPUT = U_PRODUCT_RESULT + PIPE_SIZE
U_PRODUCT_EXPONENT = U_OUTPUT + PIPE_SIZE
(
    U_INTEGRAL_PRODUCT, U_NAN_RULE, U_TABLE_COLUMNS, U_DIGIT_WIDTH, U_PARTS_A, U_PARTS_B, U_CASTS_A, U_CASTS_B, U_TERMS,
    U_LEVELS,
) = range(U_PRODUCT_EXPONENT + 1, U_PRODUCT_EXPONENT + 11)  # fmt: skip
UNIT_SIZE = U_LEVELS + 1


OP_OPERATION, OP_OPERANDS, OP_X, OP_Y, OP_Z, OP_DAZ, OP_NAN_STYLE, OP_EXACT, OP_ROUNDING, OP_CAST = range(10)
OP_SIZE = OP_CAST + CAST_SIZE


@kernel
def format_at(env: Env, index: Int) -> Int:
    return env.state[FORMATS] + FORMAT_SIZE * index


@kernel
def point_at(env: Env, index: Int) -> Int:
    return env.state[POINTS] + POINT_SIZE * index


@kernel
def step_at(env: Env, index: Int) -> Int:
    return env.state[STEPS] + STEP_SIZE * index


@kernel
def constant_at(env: Env, index: Int) -> Int:
    return env.state[CONSTANTS_AT] + CONSTANT_SIZE * index


@kernel
def level_at(env: Env, index: Int) -> Int:
    return env.state[LEVELS] + LEVEL_SIZE * index
