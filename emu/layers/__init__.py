"""Layers: a model's MatMul, Gemm, Conv, ConvTranspose and Einsum as products for a unit, and the arithmetic around the unit."""
