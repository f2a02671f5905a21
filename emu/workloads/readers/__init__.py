"""Weight files that are not ONNX, as NumPy arrays."""
