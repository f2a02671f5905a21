"""The demo: a small real network on real data, under three accelerators, with nothing to download."""
