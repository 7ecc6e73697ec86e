"""Benchmarks: speed and memory of the stages, as ratios to the project's goals."""
