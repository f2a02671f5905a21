"""Synthetic workloads: layers on tensors that are drawn from stated distributions, the same bits everywhere.

* `keys` are the tables of a file: tensors, layers, and the changes that a tensor goes through (`changes`).
* `draws` makes uniform numbers of a counter-based generator, `elementary` turns them into others by IEEE operations
  alone, `distributions` says which, `tensors` draws one tensor.
* `layers` checks shapes and sizes before anything is drawn, `model` makes the ONNX model and its inputs.
"""
