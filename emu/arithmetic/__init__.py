"""Arithmetic on exact values: products, sums, pipes, random bits."""
