"""The stage `train`: quantization-aware training with pruning or learned widths, started from the float one.

An autoencoder learns to reconstruct its own quantized inputs, so that the loss is the firmware's score divided by the
number of features. Of a variational autoencoder only the encoder is quantized: it learns the mu (and log sigma^2) of
the float one. A student learns its teacher's scores. An embedding learns first to be that of the float network; then it
stays as it is, and its autoencoder learns to reconstruct its quantized values. This module imports TensorFlow (Keras 2,
QKeras), and Keras 3 for the teacher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray
from tensorflow_model_optimization.python.core.sparsity.keras import (
    prune,
    pruning_callbacks,
    pruning_schedule,
    pruning_wrapper,
)

from fpgaae.config.experiment import Config
from fpgaae.config.model import Model, ModelKind, Score
from fpgaae.data.features import FeatureMap
from fpgaae.data.hdf5_writing import save_by_keras
from fpgaae.data.inputs import Split, open_split
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import values_of
from fpgaae.models.float_weights import FOLDED_FILE, FloatWeights, load_folded, selected_outputs
from fpgaae.models.plan import deployed_part, plan_network
from fpgaae.models.quantized import MODEL_FILE, QuantizedGraph, build_quantized
from fpgaae.models.resolved_widths import ResolvedWidth
from fpgaae.models.teacher import require_taught
from fpgaae.runs.results.train import WHOLE, EmbeddingTraining, TrainResult
from fpgaae.runs.run import StageRun
from fpgaae.training.distillation import open_lessons
from fpgaae.training.learned_front import LearnedFront, LearnedLayer
from fpgaae.training.learned_widths import LearnedBits, PenalizedModel
from fpgaae.training.loop import Batch, History, Material, Run, ignore, steps_per_epoch, train
from fpgaae.training.widths import resolve_widths

_SPARSITY_SLACK = 0.02
_PREDICTED = 8192  # events at a time
_MIN_UPDATES = 10  # updates of the sparsity, also in a short training
Kernel = tuple[NDArray[np.float32], NDArray[np.float32]]  # and bias


def run_train(run: StageRun) -> TrainResult:
    """Train the quantized, pruned twin and write the model that goes into the firmware."""
    config = run.config
    fit = config.training.quantized
    training, validation = open_split(run, "train"), open_split(run, "validation")
    weights = load_folded(run.upstream("reference") / FOLDED_FILE)
    widths = resolve_widths(config, weights, (training.clipped(block) for block in training.ordered_blocks()))
    tf_keras.utils.set_random_seed(config.seed)
    material = _material(run, training, validation, weights)
    steps = steps_per_epoch(material.n_events, fit.batch_size)
    wrap = _pruning(config, steps) if fit.learned_widths is None else LearnedBits
    graph = build_quantized(config.model, config.data.hardware.image_shape, training.features, widths, wrap)
    kind = tf_keras.Model if fit.learned_widths is None else PenalizedModel
    whole = kind(graph.features, _trained_output(graph))
    _warm_start(whole, weights)
    model, embedding = whole, None
    if config.model.compared_layer is not None:
        embedded = tf_keras.Model(graph.features, graph.compared)
        of_embedding = _fit(run, Run(embedded, material), "mean_squared_error", "embedding")
        embedding = EmbeddingTraining(loss=tuple(of_embedding.loss), val_losses=tuple(of_embedding.val_loss))
        model = tf_keras.Model(graph.compared, graph.reconstruction)
        material = _embedded(embedded, training, validation, config.seed)
    loss = _loss(config.model, widths.inputs, training.features)
    learned, front = None, _front(run, whole, steps)
    history = _fit(run, Run(model, material, after_epoch=ignore if front is None else front.keep), loss)
    layers, val_loss = _pruned_weights(config, whole), history.val_loss[-1]
    if front is not None:
        taken, val_loss, learned = front.taken(len(history.loss))
        layers = {name: (layer.kernel, layer.bias) for name, layer in taken.items()}
    deployed = build_quantized(config.model, config.data.hardware.image_shape, training.features, widths).deployed()
    for name, (kernel, bias) in layers.items():
        deployed.get_layer(name).set_weights([kernel, bias])
    save_by_keras(deployed.save, run.folder / MODEL_FILE, save_format="h5")
    sparsity = sparsity_of_codes(config, deployed)
    check_sparsity(config, deployed, sparsity)
    return TrainResult(
        epochs=len(history.loss),
        loss=tuple(history.loss),
        val_loss=val_loss,
        val_losses=tuple(history.val_loss),
        events_per_second=history.rate,
        sparsity=sparsity,
        weights_bits={name: widths.weights[name].bits for name in config.model.deployed_layers},
        widths=widths.entries(),
        embedding=embedding,
        learned=learned,
    )


def _front(run: StageRun, model: Any, steps: int) -> LearnedFront | None:  # noqa: ANN401
    """Let a model with learned widths have its penalty, and keep its epochs."""
    fit = run.config.training.quantized
    if not isinstance(model, PenalizedModel) or fit.learned_widths is None:
        return None
    model.penalize(fit.learned_widths, steps, fit.epochs)

    def layers() -> dict[str, LearnedLayer]:
        return {
            own.layer.name: LearnedLayer(own.rounded_kernel(), own.layer.bias.numpy(), own.n_digits())
            for own in model.learned
        }

    return LearnedFront(run.scratch / "epochs", fit.learned_widths, layers)


def _fit(run: StageRun, trained: Run, loss: Any, part: str = "") -> History:  # noqa: ANN401
    """Train and prune a model, or the part of one that is trained by itself, with a checkpoint of its own."""
    fit = run.config.training.quantized
    schedule = tf_keras.optimizers.schedules.CosineDecay(
        fit.learning_rate,
        fit.epochs * steps_per_epoch(trained.material.n_events, fit.batch_size),
        alpha=fit.final_learning_rate / fit.learning_rate,
    )
    trained.model.compile(optimizer=tf_keras.optimizers.Adam(schedule), loss=loss)
    scratch = run.scratch / part
    scratch.mkdir(exist_ok=True)
    if not isinstance(trained.model, PenalizedModel):
        trained = trained._replace(callbacks=[pruning_callbacks.UpdatePruningStep()])
    return train(trained, fit, scratch, run.progress, f"quantized training{part and f' of the {part}'}")


def _embedded(front: Any, training: Split, validation: Split, seed: int) -> Material:  # noqa: ANN401
    """Give the quantized embeddings of every epoch's events, which an autoencoder learns to reconstruct."""

    def pairs(blocks: Iterator[NDArray[np.float32]]) -> Iterator[Batch]:
        for block in blocks:
            embedding = front.predict(block, batch_size=_PREDICTED, verbose=0)
            yield embedding, embedding

    return Material(
        lambda epoch: pairs(training.blocks(seed, epoch)),
        lambda: pairs(validation.ordered_blocks()),
        training.n_events,
    )


def _material(run: StageRun, training: Split, validation: Split, weights: FloatWeights) -> Material:
    """Give the events of every epoch with what the network shall put out."""
    config = run.config
    if config.model.kind is ModelKind.STUDENT:
        folder, target = run.upstream("reference"), require_taught(run).target
        taught, checked = (open_lessons(run, folder, target, split) for split in (training, validation))
        return Material(lambda epoch: taught.epoch(config.seed, epoch), checked.ordered, taught.n_events)
    wanted = _target(config, training, weights)
    return Material(
        lambda epoch: _pairs(training.blocks(config.seed, epoch), wanted),
        lambda: _pairs(validation.ordered_blocks(), wanted),
        training.n_events,
    )


def _trained_output(graph: QuantizedGraph) -> Any:  # noqa: ANN401
    if graph.log_variance is not None:
        return tf_keras.layers.Concatenate()([graph.latent, graph.log_variance])
    return graph.latent if graph.reconstruction is None else graph.reconstruction


def _loss(model: Model, inputs: ResolvedWidth, features: FeatureMap) -> Any:  # noqa: ANN401
    """Give what is minimized: of an autoencoder, its score over the number of features, or the squared error."""
    if model.score is Score.ABSOLUTE_ERROR:
        return "mean_absolute_error"
    if model.score is not Score.MASKED_SQUARED_ERROR:
        return "mean_squared_error"
    to = inputs.signed()
    empty = values_of(features.empty_slot_codes(to), to.fraction)
    size = len(features) // len(empty)

    def masked(target: Any, prediction: Any) -> Any:  # noqa: ANN401
        filled = tf.cast(target[:, ::size] > tf.constant(empty, target.dtype), target.dtype)
        return tf.reduce_mean(tf.repeat(filled, size, axis=-1) * tf.square(target - prediction), axis=-1)

    return masked


def _target(
    config: Config, split: Split, weights: FloatWeights
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Give what a network that is no student shall put out: its quantized inputs, or the float network's latents.

    These are mu, log sigma^2 beside it where the score needs it, or the embedding in front of an autoencoder.
    """
    compared = config.model.compared_layer
    if config.model.kind is ModelKind.AUTOENCODER and compared is None:
        return split.quantized

    network = deployed_part(config.model, plan_network(config.model, config.data.hardware.image_shape))
    wanted = network.outputs if compared is None else (compared,)
    return lambda x: selected_outputs(network, weights, split.clipped(x), wanted)


def _pairs(
    blocks: Iterator[NDArray[np.float32]], target: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> Iterator[Batch]:
    for block in blocks:
        yield block, target(block)


def _pruning(config: Config, steps: int) -> Callable[[Any], Any]:
    """Give the wrapper that prunes a layer on the config's polynomial schedule."""
    pruning = config.pruning

    def wrap(layer: Any) -> Any:  # noqa: ANN401
        final = config.sparsity(layer.name)
        if not final:
            return layer
        begin, length = pruning.begin_epoch * steps, (pruning.end_epoch - pruning.begin_epoch) * steps
        frequency = max(1, min(pruning.steps_between_updates, length // _MIN_UPDATES))
        schedule = pruning_schedule.PolynomialDecay(
            initial_sparsity=0.0,
            final_sparsity=final,
            begin_step=begin,
            end_step=begin + max(1, length // frequency) * frequency,  # a step on which the sparsity is updated
            frequency=frequency,
        )
        return prune.prune_low_magnitude(layer, pruning_schedule=schedule)

    return wrap


def _inner(layer: Any) -> Any:  # noqa: ANN401
    """Give the layer inside a wrapper that prunes it or learns its widths."""
    return layer.layer if isinstance(layer, pruning_wrapper.PruneLowMagnitude | LearnedBits) else layer


def _warm_start(model: Any, weights: FloatWeights) -> None:  # noqa: ANN401
    for layer in model.layers:
        inner = _inner(layer)
        if inner.name in weights:
            kernel, bias = weights[inner.name]
            inner.kernel.assign(kernel)
            inner.bias.assign(bias)


def _pruned_weights(config: Config, trained: Any) -> dict[str, Kernel]:  # noqa: ANN401
    """Give the trained weights of the deployed layers, pruned ones exactly zero."""
    found = {}
    for layer in trained.layers:
        inner = _inner(layer)
        if inner.name not in config.model.deployed_layers:
            continue
        kernel = inner.kernel.numpy()
        if isinstance(layer, pruning_wrapper.PruneLowMagnitude):
            kernel = kernel * next(mask for _, mask, _ in layer.pruning_vars).numpy()
        found[inner.name] = kernel, inner.bias.numpy()
    return found


def check_sparsity(config: Config, deployed: Any, sparsity: dict[str, float]) -> None:  # noqa: ANN401
    """Make sure that the pruning did what the config asks for (one weight less, where the share is no whole number)."""
    for name in config.model.deployed_layers:
        one_weight = 1 / int(np.prod(deployed.get_layer(name).kernel.shape))
        if sparsity[name] < config.sparsity(name) - max(_SPARSITY_SLACK, one_weight):
            raise CheckFailed(
                f"{sparsity[name]:.1%} of the weights of {name} are zero, but {config.sparsity(name):.1%} were asked; "
                "let the pruning end earlier or train for more epochs"
            )


def sparsity_of_codes(config: Config, deployed: Any) -> dict[str, float]:  # noqa: ANN401
    """Give the share of zero weights after quantization, per layer and of the whole network."""
    zeros, sizes = {}, {}
    for name in config.model.deployed_layers:
        layer = deployed.get_layer(name)
        kernel = np.asarray(layer.kernel_quantizer_internal(tf.convert_to_tensor(layer.kernel)))
        zeros[name], sizes[name] = int((kernel == 0).sum()), kernel.size
    layers = {name: round(zeros[name] / sizes[name], 4) for name in zeros}
    return {**layers, WHOLE: round(sum(zeros.values()) / sum(sizes.values()), 4)}
