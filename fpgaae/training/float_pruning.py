"""Pruning of the float reference while it is trained, for a quantization after the training (Keras 3).

The quantized training prunes with TensorFlow Model Optimization, which knows Keras 2 only; the schedule is the same.
"""

from __future__ import annotations

from fpgaae.config.experiment import Config
from fpgaae.config.model import Pruning
from fpgaae.models.float import FloatGraph, build_float
from fpgaae.models.masked import Masked


def prune_for_epoch(config: Config, graph: FloatGraph, epoch: int) -> None:
    """Take weights of the deployed layers away before an epoch, 0 the first."""
    for name in config.model.deployed_layers:
        layer = graph.training.get_layer(name)
        if isinstance(layer, Masked):
            layer.prune(sparsity_in_epoch(config.pruning, config.sparsity(name), epoch))


def sparsity_in_epoch(pruning: Pruning, final: float, epoch: int) -> float:
    """Give the share of weights that are gone in an epoch, 0 the first.

    s = final (1 - (1 - t)^3), with t = (epoch + 1 - begin_epoch) / (end_epoch - begin_epoch) within [0, 1]: what the
    schedule of the quantized training has reached when the epoch ends (M. Zhu and S. Gupta, arXiv 1710.01878).
    """
    progress = (epoch + 1 - pruning.begin_epoch) / (pruning.end_epoch - pruning.begin_epoch)
    return final * (1 - (1 - min(max(progress, 0.0), 1.0)) ** 3)


def without_masks(config: Config, graph: FloatGraph) -> FloatGraph:
    """Give a plain network with the weights that are left, the others exactly zero."""
    fit = config.training.reference
    image = config.data.hardware.image_shape
    plain = build_float(config.model, image, config.seed, batch_normalization=fit.batch_normalization)
    for layer in graph.training.layers:
        weights = [layer.pruned_kernel, layer.bias] if isinstance(layer, Masked) else layer.get_weights()
        plain.training.get_layer(layer.name).set_weights(weights)
    return plain
