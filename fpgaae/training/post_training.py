"""The stage `train` where nothing is trained: the float reference rounded to the widths of the config.

Integer bits that the config leaves open come from the ranges on the training events, as for a quantized training; the
reference was pruned while it was trained. This module imports TensorFlow (Keras 2, QKeras).
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.hdf5_writing import save_by_keras
from fpgaae.data.inputs import Split, open_split
from fpgaae.fixedpoint import codes_of, values_of
from fpgaae.golden.network import IntegerNetwork
from fpgaae.models.calibrate import quantizer_sites
from fpgaae.models.extract import extract_network
from fpgaae.models.float_weights import FOLDED_FILE, FloatWeights, layer_outputs, load_folded
from fpgaae.models.plan import deployed_part, plan_network
from fpgaae.models.quantization_error import QuantizationError
from fpgaae.models.quantized import MODEL_FILE, build_quantized
from fpgaae.runs.results.train import RoundingError, TrainResult
from fpgaae.runs.run import StageRun
from fpgaae.training.quantized import check_sparsity, sparsity_of_codes
from fpgaae.training.widths import resolve_widths

_CHUNK_EVENTS = 8192


def run_post_training(run: StageRun) -> TrainResult:
    """Round the reference to its widths, write the model that goes into the firmware, and say how far off it is."""
    config = run.config
    training, validation = open_split(run, "train"), open_split(run, "validation")
    weights = load_folded(run.upstream("reference") / FOLDED_FILE)
    started = time.perf_counter()
    with run.progress.task("calibration", None):
        widths = resolve_widths(config, weights, (training.clipped(block) for block in training.ordered_blocks()))
    seconds = time.perf_counter() - started
    deployed = build_quantized(config.model, config.data.hardware.image_shape, training.features, widths).deployed()
    for name in config.model.deployed_layers:
        deployed.get_layer(name).set_weights(weights[name])
    save_by_keras(deployed.save, run.folder / MODEL_FILE, save_format="h5")
    sparsity = sparsity_of_codes(config, deployed)
    check_sparsity(config, deployed, sparsity)
    errors, loss = _errors(run, validation, weights, extract_network(deployed))
    return TrainResult(
        epochs=0,
        loss=(),
        val_loss=loss,
        val_losses=(),
        events_per_second=round(training.n_events / max(seconds, 1e-9), 1),
        sparsity=sparsity,
        weights_bits={name: widths.weights[name].bits for name in config.model.deployed_layers},
        widths=widths.entries(),
        quantization_error=errors,
    )


def _errors(
    run: StageRun, split: Split, weights: FloatWeights, network: IntegerNetwork
) -> tuple[dict[str, RoundingError], float]:
    """Compare every quantizer with its float layer, and give the loss that a quantized training would report.

    Of an autoencoder that is the mean score divided by the number of features, of an encoder or a student the mean
    squared difference from the float latents or output.
    """
    model = run.config.model
    planned = deployed_part(model, plan_network(model, run.config.data.hardware.image_shape))
    quantizer = {site.layer: site.quantizer for site in quantizer_sites(planned)}
    errors = {name: QuantizationError(network[quantizer[name]].type) for name in quantizer}
    latents = [name for name in ("mu", "log_variance", "output") if name in errors]
    total, n_values, n_compared = 0.0, 0, network.sources(network.score)[0].size
    for x in _chunks(split):
        tensors = network.run(codes_of(split.quantized(x).astype(np.float64), network.input_type))
        found = {name: values_of(*tensors[quantizer[name]]) for name in errors}
        exact = dict(layer_outputs(planned, weights, split.clipped(x)))
        for name, error in errors.items():
            error.add(exact[name], found[name])
        if model.score.of_reconstruction:
            total += float(values_of(*tensors[network.score.name]).sum())
        else:
            total += sum(float(np.square(found[name] - exact[name].astype(np.float64)).sum()) for name in latents)
        n_values += len(x) * (n_compared if model.score.of_reconstruction else len(latents) * model.latent)
    return {quantizer[name]: error.entry() for name, error in errors.items()}, total / n_values


def _chunks(split: Split) -> Iterator[NDArray[np.float32]]:
    for block in split.ordered_blocks():
        for start in range(0, len(block), _CHUNK_EVENTS):
            yield block[start : start + _CHUNK_EVENTS]
