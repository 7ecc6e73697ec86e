"""Training: the float reference and the quantization-aware, pruned training."""
