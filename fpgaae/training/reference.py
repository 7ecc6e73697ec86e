"""The stage `reference`: the full-precision training, from which the quantized one starts.

This module imports Keras 3.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
from numpy.typing import NDArray

from fpgaae.artifacts import StageRun
from fpgaae.config import Fit
from fpgaae.files import Json
from fpgaae.models.float import WEIGHTS_FILE, build_float, folded_weights, reconstruction_loss
from fpgaae.models.float_weights import FOLDED_FILE, save_folded
from fpgaae.training.events import Split, open_split
from fpgaae.training.float_pruning import prune_for_epoch, without_masks
from fpgaae.training.loop import Batch, Run, steps_per_epoch, train


def run_reference(run: StageRun) -> Json:
    """Train the float autoencoder of the config and write its weights, as trained and folded.

    It is pruned meanwhile where it is only rounded afterwards (`training.quantized.mode: post_training`).
    """
    config = run.config
    fit, pruned = config.training.reference, config.training.quantizes_after
    training, validation = open_split(run, "train"), open_split(run, "validation")
    keras.utils.set_random_seed(config.seed)
    image = config.data.hardware.image_shape
    graph = build_float(config.model, image, config.seed, batch_normalization=fit.batch_normalization, masked=pruned)

    def blocks(epoch: int) -> Iterator[Batch]:
        prune_for_epoch(config, graph, epoch)
        return _pairs(training, training.blocks(config.seed, epoch))

    graph.training.compile(
        optimizer=keras.optimizers.Adam(_cosine(fit, training.n_events)),
        loss=reconstruction_loss(config.model, _variance(training), training.features.empty_slot_values()),
    )
    history = train(
        Run(
            graph.training,
            blocks,
            lambda: _pairs(validation, validation.ordered_blocks()),
            training.n_events,
        ),
        fit,
        run.scratch,
        run.progress,
        "float training",
    )
    if pruned:
        graph = without_masks(config, graph)
    graph.training.save_weights(run.folder / WEIGHTS_FILE)
    save_folded(run.folder / FOLDED_FILE, folded_weights(graph.training))
    return {"backend": keras.backend.backend(), "device": _device(), **history.to_json()}


def _cosine(fit: Fit, n_events: int) -> keras.optimizers.schedules.CosineDecay:
    steps = fit.epochs * steps_per_epoch(n_events, fit.batch_size)
    return keras.optimizers.schedules.CosineDecay(
        fit.learning_rate, steps, alpha=fit.final_learning_rate / fit.learning_rate
    )


def _pairs(split: Split, blocks: Iterator[NDArray[np.float32]]) -> Iterator[Batch]:
    for block in blocks:
        x = split.clipped(block)
        yield x, x


def _variance(split: Split) -> NDArray[np.float64]:
    """Give the variance of every clipped input over the training split, (n_features,)."""
    n, total, squares = 0, 0.0, 0.0
    for block in split.ordered_blocks():
        x = split.clipped(block).astype(np.float64)
        n += len(x)
        total = total + x.sum(axis=0)
        squares = squares + (x * x).sum(axis=0)
    return np.asarray(np.maximum(squares / n - (total / n) ** 2, 0))


def _device() -> str:
    return "gpu" if any("gpu" in device.lower() for device in keras.distribution.list_devices()) else "cpu"
