"""nan = "x86" against the processor that runs this: sums, products, FMA of NaNs and infinities, values and invalid."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import emu

SOURCE = r"""
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
static __m128 load(uint32_t u) { float x; memcpy(&x, &u, 4); return _mm_set_ss(x); }
int main(void) {
    static const uint32_t v[] = {CODES};
    enum { N = sizeof v / sizeof *v };
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            for (int k = 0; k < N; k++)
                for (int operation = 0; operation < 3; operation++) {
                    _mm_setcsr(0x1f80);
                    volatile __m128 a = load(v[i]), b = load(v[j]), c = load(v[k]), r;
                    r = operation == 0 ? _mm_add_ss(a, b) : operation == 1 ? _mm_mul_ss(a, b) : _mm_fmadd_ss(a, b, c);
                    float x = _mm_cvtss_f32(r);
                    uint32_t out;
                    memcpy(&out, &x, 4);
                    printf("%d %u %u %u %u %u\n", operation, v[i], v[j], v[k], out, _mm_getcsr() & 1);
                }
    return 0;
}
"""
CODES = (0x7F800000, 0xFF800000, 0, 0x80000000, 0x3F800000, 0x7FC00001, 0xFFC00002, 0x7F800001, 0xFF800003)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """operation, x, y, z, result, invalid: one row for each case."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    if " fma " not in flags:
        pytest.skip("no FMA3 in this processor")
    folder = tmp_path_factory.mktemp("silicon")
    source = folder / "nan.c"
    source.write_text(SOURCE.replace("{CODES}", "{" + ", ".join(hex(code) for code in CODES) + "}"), encoding="utf-8")
    subprocess.run(["gcc", "-O1", "-mfma", "-o", str(folder / "nan"), str(source)], check=True)
    done = subprocess.run([str(folder / "nan")], capture_output=True, text=True, check=True)
    return np.array([line.split() for line in done.stdout.splitlines()], np.int64)


@pytest.mark.parametrize(("number", "operation"), list(enumerate(["add", "mul", "fma"])))
def test_every_case(number, operation, recorded, backend):
    rows = recorded[recorded[:, 0] == number].astype(np.uint32)
    operands = [rows[:, 1], rows[:, 2], rows[:, 3]][: 3 if operation == "fma" else 2]
    codes, flags = getattr(emu, operation)(*operands, "float32", nan="x86", flags=True, backend=backend)
    assert np.array_equal(codes, rows[:, 4])
    assert np.array_equal(flags & 16 != 0, rows[:, 5] == 1)
