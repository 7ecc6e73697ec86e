"""The stage `reference` of a model with an embedding: both parts are trained by a float method, `training.embedding`.

The weights go over by layer name, as those of a finished method do. This module imports Keras 3.
"""

from __future__ import annotations

from fpgaae.methods.ensemble import Ensemble
from fpgaae.models.float import build_float, save_float
from fpgaae.models.float_weights import count_weights
from fpgaae.models.method_networks import variable_names
from fpgaae.runs.results.reference import TrainedReference
from fpgaae.runs.run import StageRun
from fpgaae.training.methods.backend import backend, device
from fpgaae.training.methods.stage import job_of, train
from fpgaae.training.warm_start import by_layer, take


def run_embedded_reference(run: StageRun) -> TrainedReference:
    """Train the embedding without labels and then, while it stays as it is, its autoencoder; write their weights."""
    config = run.config
    if config.training.embedding is None:
        raise ValueError("a model without an embedding is not trained here")
    job = job_of(run, config.training.embedding, Ensemble())
    trained = train(job)
    graph = build_float(config.model, config.data.hardware.image_shape, config.seed)
    weights = by_layer(dict(zip(variable_names(trained.networks), trained.values[0], strict=True)))
    take(graph.training, weights, run.folder, run.experiment.config_file)
    folded = save_float(graph.training, run.folder)
    history = trained.histories[0]
    return TrainedReference(
        backend=backend(),
        device=device(),
        epochs=len(history.val_loss),
        loss=tuple(history.loss),
        val_loss=history.val_loss[-1],
        val_losses=tuple(history.val_loss[-len(history.loss) :]),
        events_per_second=round(trained.events_per_second, 1),
        weights=count_weights(folded),
        embedding=job.method.options.kind,
    )
