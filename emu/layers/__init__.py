"""Layers: a model's MatMul, Gemm and Conv as products for a unit, and the arithmetic around the unit."""
