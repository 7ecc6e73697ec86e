"""The stage `train` of an imported model: quantized after training, or a QKeras model as it is.

Integer bits come from the ranges of the layers on the training events, and the error of every layer is reported. This
module imports TensorFlow (Keras 2, QKeras).
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import tf_keras
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.config.model import Width
from fpgaae.data.features import FeatureMap
from fpgaae.data.hdf5_writing import save_by_keras
from fpgaae.data.inputs import open_split
from fpgaae.errors import InputError
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.scores.base import MAX_TABLE_BITS
from fpgaae.models.calibrate import Quantizers, Site, quantized, quantizer_sites
from fpgaae.models.description import NetworkDescription
from fpgaae.models.quantization_error import QuantizationError
from fpgaae.models.quantized import MODEL_FILE
from fpgaae.models.rebuild import rebuild
from fpgaae.models.resolved_widths import ResolvedWidth, Widths
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.train import WHOLE, RoundingError, TrainResult
from fpgaae.runs.run import StageRun
from fpgaae.training.imported_network import (
    KerasModel,
    check_model_fits,
    exact_network,
    flat,
    float_inputs,
    imported_from,
    imported_model,
    mean_squared_difference,
    open_imported,
    shaped,
)
from fpgaae.training.imported_widths import (
    LayerRange,
    at_most,
    poor_layers,
    range_of,
    resolve_activation,
    resolve_argument,
    resolve_imported,
)
from fpgaae.training.width_search import Trial, choices_of, smallest_bits, with_bits
from fpgaae.training.widths import TAIL

_SEARCHED_EVENTS = 1024


class _Quantized(NamedTuple):
    """A quantized network and the float layers that its quantizers stand for."""

    network: NetworkDescription
    tensors: dict[str, str]
    widths: Widths | None
    events_per_second: float | None
    sites: tuple[Site, ...] = ()


def run_imported_train(run: StageRun) -> TrainResult:
    """Quantize an imported float model, or take a QKeras one as it is, and say how far it is from the float network."""
    prepared = open_imported(run)
    twin = rebuild(prepared.twin)
    if prepared.quantized is not None:
        made = _Quantized(prepared.quantized, dict(prepared.tensors), None, None)
    else:
        check_model_fits(run, prepared.twin, prepared)
        made = _calibrated(run, prepared.twin, twin)
    features = FeatureMap.of(run.result(DataResult))
    deployed, network = exact_network(run.config, made.network, features)
    save_by_keras(deployed.save, run.folder / MODEL_FILE, save_format="h5")
    errors, val_loss = _errors(run, made, twin, deployed, network)
    at_output = {s.quantizer: s.tensor == prepared.twin.outputs[0] for s in made.sites}
    is_reconstruction = {q: found and run.config.model.score.of_reconstruction for q, found in at_output.items()}
    zeros = {layer.name: int((layer.kernel == 0).sum()) for layer in network.weighted}
    shares = {layer.name: round(zeros[layer.name] / layer.kernel.size, 4) for layer in network.weighted}
    whole = round(sum(zeros.values()) / sum(layer.kernel.size for layer in network.weighted), 4)
    return TrainResult(
        epochs=0,
        loss=(),
        val_loss=val_loss,
        val_losses=(),
        events_per_second=made.events_per_second,
        sparsity={**shares, WHOLE: whole},
        weights_bits={layer.name: layer.kernel_type.width for layer in network.weighted},
        widths=made.widths and made.widths.entries(),
        imported=imported_from(run),
        quantization_error=errors,
        warnings=tuple(poor_layers(errors, made.sites, is_reconstruction, imported_model(run).choices.keep_db)),
    )


def _tapped(model: KerasModel, names: list[str]) -> KerasModel:
    """Give a model that puts out the layers of these names."""
    return tf_keras.Model(model.input, [model.get_layer(name).output for name in names])


def _calibrated(run: StageRun, network: NetworkDescription, twin: KerasModel) -> _Quantized:
    """Quantize a float network: integer bits that the config leaves open from the ranges on the training events."""
    sites = quantizer_sites(network)
    started = time.perf_counter()
    ranges, n_events = _ranges(run, sites, network.outputs, twin)

    def resolved(config: Config) -> tuple[Widths, Quantizers]:
        activations = {s.quantizer: _resolved(config, s, network.outputs, ranges[s.tensor]) for s in sites}
        return resolve_imported(config, network, sites, activations)

    config = run.config
    if (wanted_db := imported_model(run).choices.keep_db) is not None:
        choices = choices_of(config, network, sites)
        trial = Trial(
            network,
            sites,
            rebuild(network),
            shaped(twin, next(float_inputs(open_split(run, "train")))[:_SEARCHED_EVENTS]),
        )
        config = with_bits(config, smallest_bits(
            choices, lambda bits: trial.decibels(resolved(with_bits(config, bits))[1]), wanted_db
        ))  # fmt: skip
    widths, quantizers = resolved(config)
    rate = round(n_events / max(time.perf_counter() - started, 1e-9), 1)
    first = network.layers[0].name
    tensors = {f"{first}_quantized": first, **{site.quantizer: site.tensor for site in sites}}
    return _Quantized(quantized(network, sites, quantizers), tensors, widths, rate, sites)


def _resolved(config: Config, site: Site, outputs: tuple[str, ...], found: LayerRange) -> ResolvedWidth:
    width = _width(config, site, outputs[0])
    if site.tensor in outputs[1:]:  # log sigma^2, over whose codes the score has a table
        return at_most(resolve_activation(width, found), width, MAX_TABLE_BITS)
    return resolve_argument(width, found, site.read_by) if site.read_by else resolve_activation(width, found)


def _width(config: Config, site: Site, output: str) -> Width:
    """Give the width of what a layer puts out; a reconstruction is coded as the inputs are."""
    special = config.quantization.layers.get(site.layer)
    if special and special.activations:
        return special.activations
    if site.tensor == output and config.model.score.of_reconstruction:
        return Width(**config.quantization.inputs.model_dump())
    return config.quantization.activations


def _ranges(
    run: StageRun, sites: tuple[Site, ...], scored: tuple[str, ...], twin: KerasModel
) -> tuple[dict[str, LayerRange], int]:
    """Give the magnitude that each quantized layer needs: all but its tail, over the worst chunk; mu, all of it."""
    split = open_split(run, "train")
    model = _tapped(twin, [site.tensor for site in sites])
    ranges = dict.fromkeys((site.tensor for site in sites), LayerRange(0.0, 0.0))
    with run.progress.task("calibration", split.n_events) as task:
        for x in float_inputs(split):
            outputs = model.predict_on_batch(shaped(model, x))
            for site, values in zip(sites, outputs if len(sites) > 1 else [outputs], strict=True):
                is_score = site.tensor in scored and not run.config.model.score.of_reconstruction
                needed, known = range_of(values, 0 if is_score else TAIL), ranges[site.tensor]
                if not np.isfinite(needed.largest):
                    raise InputError(
                        f"the layer {site.layer} of the model puts out values beyond float32 on the training events; "
                        "train it again with smaller weights"
                    )
                ranges[site.tensor] = LayerRange(*map(max, known, needed))
            task.advance(len(x))
    return ranges, split.n_events


def _errors(
    run: StageRun,
    made: _Quantized,
    twin: KerasModel,
    deployed: KerasModel,
    network: IntegerNetwork,
) -> tuple[dict[str, RoundingError], float]:
    """Compare every quantizer with its float layer on the validation events, and give the loss of the output."""
    outputs, first = made.network.outputs, made.network.layers[0].name
    names = [name for name in made.tensors if name in {layer.name for layer in deployed.layers}]
    exact, coded = _tapped(twin, [made.tensors[name] for name in names]), _tapped(deployed, names)
    ends = _tapped(twin, [made.tensors.get(name, name) for name in outputs]), _tapped(deployed, list(outputs))
    is_input = {name: made.tensors[name] == first for name in names}
    errors = {name: QuantizationError(network[first if is_input[name] else name].type) for name in names}
    losses = []
    for x in float_inputs(open_split(run, "validation")):
        image = shaped(deployed, x)
        pairs = zip(names, _listed(exact, image), _listed(coded, image), strict=True)
        inputs = x
        for name, true, found in pairs:
            errors[name].add(true, found)
            inputs = flat(found) if is_input[name] else inputs
        float_end, quantized_end = (
            np.concatenate([flat(one) for one in _listed(model, image)], axis=1) for model in ends
        )
        losses.append((inputs if run.config.model.score.of_reconstruction else float_end, quantized_end))
    return {name: error.entry() for name, error in errors.items()}, mean_squared_difference(losses)


def _listed(model: KerasModel, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    outputs = model.predict_on_batch(x)
    return list(outputs) if isinstance(outputs, list) else [outputs]
