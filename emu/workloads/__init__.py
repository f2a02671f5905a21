"""Workloads: real models with real inputs, a task metric and a licence."""
