"""Tasks: real inputs for a model, its answers, and the metric that judges them."""
