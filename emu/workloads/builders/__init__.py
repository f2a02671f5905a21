"""Weights as ONNX models, so that every rule of the replay holds for them."""
