"""Layers: a model's multiply-accumulate operators as products for a unit, and the arithmetic around the unit."""
