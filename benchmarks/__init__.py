"""Benchmarks: how fast a stream is beside the alternatives, as ratios within one run."""
