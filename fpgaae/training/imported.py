"""The stages `import`, `reference` and `train` of an imported model: its float network and its quantized one.

A QKeras model is taken as it is. A float one is quantized after training: integer bits from the ranges of its layers on
the training events, and the error of every layer reported. This module imports TensorFlow (Keras 2, QKeras).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tf_keras
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.config.model import Score, Width
from fpgaae.data.features import FeatureMap
from fpgaae.data.hdf5_writing import save_by_keras
from fpgaae.data.inputs import Split, open_split
from fpgaae.errors import ConfigError, InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.scores.base import MAX_TABLE_BITS
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.findings import Finding, Severity
from fpgaae.hls.lint.models import lint_import, lint_model
from fpgaae.hls.lint.run import refuse_errors
from fpgaae.models.architecture import describe_model
from fpgaae.models.calibrate import Quantizers, Site, quantized, quantizer_sites
from fpgaae.models.cut import chosen_part
from fpgaae.models.description import NetworkDescription
from fpgaae.models.extract import extract_network
from fpgaae.models.fit import check_fit
from fpgaae.models.float_output import IMPORTED_FLOAT_FILE
from fpgaae.models.model_file import ModelFiles, is_onnx
from fpgaae.models.prepare import Prepared, prepare_network
from fpgaae.models.quantization_error import QuantizationError
from fpgaae.models.quantized import MODEL_FILE
from fpgaae.models.rebuild import rebuild
from fpgaae.models.resolved_widths import ResolvedWidth, Widths
from fpgaae.models.twin_check import check_prepared, evaluate_apart, stimulus
from fpgaae.runs.experiment import ImportedModel
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.imported import ImportedFrom, ImportedLayer, ImportedTwin, ImportResult
from fpgaae.runs.results.reference import ImportedReference
from fpgaae.runs.results.train import WHOLE, RoundingError, TrainResult
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import IMPORT
from fpgaae.training.import_checks import check_empty_slots, deploy
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

_CHUNK_EVENTS = 8192
_COMPARED_EVENTS = 256
_SEARCHED_EVENTS = 1024
_ANEW = "; or quantize the model anew with --quantize"
KerasModel = Any


def run_import(run: StageRun, files: ModelFiles, replaced: ImportedModel | None) -> ImportResult:
    """Check a model file against the experiment and keep a copy of it."""
    wanted = _imported(run)
    asked = wanted.choices
    given = chosen_part(files.read(), asked)
    _refuse(run, files.model, given, quantize=asked.quantize)
    prepared = prepare_network(given, _input_type(run.config), quantize=asked.quantize)
    features = FeatureMap.of(run.result(DataResult))
    _check_fit(run, given, prepared)
    if prepared.quantized is not None and asked.keep_db is not None:
        raise InputError(
            f"{files.model} is taken with the widths that it has, so that `--bits auto` has none to search; add "
            "--quantize"
        )
    if prepared.quantized is not None:
        check_empty_slots(given, _exact(run.config, prepared.quantized, features)[0])
    twin_check = _compare_with_file(run, files, given, prepared)
    files.copy_to(run.folder)
    return ImportResult(
        file=wanted.file_name,
        sha256=wanted.sha256,
        quantize=asked.quantize,
        kind=_kind(files.model, given),
        taken_as_it_is=prepared.quantized is not None,
        layers=tuple(ImportedLayer(name=layer.name, kind=layer.kind) for layer in given.layers),
        replaces=replaced and replaced.file_name,
        twin=twin_check,
        encoder=asked.encoder,
        outputs=asked.outputs,
        keep_db=asked.keep_db,
        weights=wanted.weights_name,
        weights_sha256=wanted.weights_sha256,
    )


def _kind(file: Path, given: NetworkDescription) -> str:
    if is_onnx(file):
        return "qonnx" if given.is_quantized else "onnx"
    return "qkeras" if given.is_quantized else "float"


def _compare_with_file(run: StageRun, files: ModelFiles, given: NetworkDescription, prepared: Prepared) -> ImportedTwin:
    """Make sure that what was rebuilt is the model of the file: the bit check starts from there."""
    events = next(_chunks(open_split(run, "train")))[:_COMPARED_EVENTS]
    evaluate = partial(evaluate_apart, weights=files.weights) if files.weights is not None else evaluate_apart
    found = check_prepared(files.model, given, prepared, events, evaluate)
    return ImportedTwin(
        events=len(stimulus(events)),
        largest_difference=found.largest,
        largest_value=found.magnitude,
        layers=found.layers,
    )


def _refuse(run: StageRun, file: Path, given: NetworkDescription, *, quantize: bool) -> None:
    """Refuse what lint calls an error, in its words."""
    conversion = Conversion.of(run.config.firmware)
    anew = given.is_quantized and not quantize and not _has_errors(lint_import(given, conversion, quantize=True))
    refuse_errors(str(file), lint_import(given, conversion, quantize=quantize), InputError, _ANEW if anew else "")


def _has_errors(findings: tuple[Finding, ...]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _imported(run: StageRun) -> ImportedModel:
    if run.experiment.imported is None:
        raise InputError(f"no model was imported into {run.experiment.folder}; run `{run.experiment.command(IMPORT)}`")
    return run.experiment.imported


def _check_fit(run: StageRun, given: NetworkDescription, prepared: Prepared) -> None:
    try:
        check_fit(run.config, given, prepared)
    except ConfigError as error:
        raise ConfigError(f"{run.experiment.config_file}: {error}") from None


def _exact(config: Config, network: NetworkDescription, features: FeatureMap) -> tuple[KerasModel, IntegerNetwork]:
    """Build the model that goes into the firmware, and its exact integer form."""
    try:
        fraction_bits = config.quantization.score_table_fraction_bits
        deployed = deploy(rebuild(network), network, config.model.score, features, fraction_bits)
        findings = lint_model(describe_model(deployed), Conversion.of(config.firmware))
        refuse_errors("the model with its score", findings, InputError)
        return deployed, extract_network(deployed)
    except InputError as error:
        raise InputError(f"{error}{_ANEW}") from None


def _open(run: StageRun) -> Prepared:
    """Read the model that was imported."""
    asked = _imported(run).choices
    given = chosen_part(ModelFiles.copied_to(run.upstream(IMPORT)).read(), asked)
    return prepare_network(given, _input_type(run.config), quantize=asked.quantize)


def _input_type(config: Config) -> FixedPointType:
    return ResolvedWidth(config.quantization.inputs.bits, config.quantization.inputs.integer_bits).signed()


def run_imported_reference(run: StageRun) -> ImportedReference:
    """Write the float network: the model itself, or a QKeras model without its quantizers."""
    prepared = _open(run)
    model = rebuild(prepared.twin)
    save_by_keras(model.save, run.folder / IMPORTED_FLOAT_FILE, save_format="h5")
    is_reconstruction = config_score(run).of_reconstruction
    spread, pairs = _Spread(), []
    for x in _chunks(open_split(run, "validation")):
        spread.add(x)
        if is_reconstruction:
            pairs.append((x, _flat(model.predict_on_batch(_shaped(model, x)))))
    loss, mean_loss = (_mean(pairs), spread.variance) if is_reconstruction else (None, None)
    unit = FeatureMap.of(run.result(DataResult)).unit()
    return ImportedReference(
        backend="tensorflow",
        device="cpu",
        epochs=0,
        events_per_second=None,
        val_loss=loss,
        imported=_entry(run),
        mean_loss=mean_loss,
        input_range=(spread.low, spread.high),
        unit=unit,
        warnings=tuple(_warnings(loss, mean_loss, unit)),
    )


class _Spread:
    """The range of the inputs, and their variance around the mean of each feature, from chunks."""

    def __init__(self) -> None:
        self.low, self.high, self._n = math.inf, -math.inf, 0
        self._sum: Any = 0.0
        self._squares: Any = 0.0

    def add(self, x: NDArray[np.float32]) -> None:
        """Take in a chunk, (n_events, n_features)."""
        wide = x.astype(np.float64)
        self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))
        self._n, self._sum = self._n + len(x), self._sum + wide.sum(axis=0)
        self._squares = self._squares + np.square(wide).sum(axis=0)

    @property
    def variance(self) -> float:
        """Mean over the features of the variance of each."""
        return float(np.mean(self._squares / self._n - np.square(self._sum / self._n)))


def _warnings(loss: float | None, mean_loss: float | None, unit: str) -> Iterator[str]:
    """Say what makes no sense of a reconstruction, which most often comes of another unit than in training."""
    if loss is not None and mean_loss is not None and not loss < mean_loss:
        yield (
            f"the reconstruction is worse than the mean of the inputs (mean squared error {loss:.4g} against "
            f"{mean_loss:.4g}): the model may have been trained on inputs in another unit than {unit}; give it in "
            "`data.scaling` (`none`, or a fixed offset and shift)"
        )


def config_score(run: StageRun) -> Score:
    """Give the score that the config names."""
    return run.config.model.score


def _entry(run: StageRun) -> ImportedFrom:
    """Say in a result file which model it was made from."""
    result = run.result(ImportResult)
    return ImportedFrom(file=result.file, sha256=result.sha256, kind=result.kind, taken_as_it_is=result.taken_as_it_is)


class _Quantized(NamedTuple):
    """A quantized network and the float layers that its quantizers stand for."""

    network: NetworkDescription
    tensors: dict[str, str]
    widths: Widths | None
    events_per_second: float | None
    sites: tuple[Site, ...] = ()


def run_imported_train(run: StageRun) -> TrainResult:
    """Quantize an imported float model, or take a QKeras one as it is, and say how far it is from the float network."""
    prepared = _open(run)
    twin = rebuild(prepared.twin)
    if prepared.quantized is not None:
        made = _Quantized(prepared.quantized, dict(prepared.tensors), None, None)
    else:
        _check_fit(run, prepared.twin, prepared)
        made = _calibrated(run, prepared.twin, twin)
    features = FeatureMap.of(run.result(DataResult))
    deployed, network = _exact(run.config, made.network, features)
    save_by_keras(deployed.save, run.folder / MODEL_FILE, save_format="h5")
    errors, val_loss = _errors(run, made, twin, deployed, network)
    at_output = {s.quantizer: s.tensor == prepared.twin.outputs[0] for s in made.sites}
    is_reconstruction = {q: found and config_score(run).of_reconstruction for q, found in at_output.items()}
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
        imported=_entry(run),
        quantization_error=errors,
        warnings=tuple(poor_layers(errors, made.sites, is_reconstruction, _imported(run).choices.keep_db)),
    )


def _chunks(split: Split) -> Iterator[NDArray[np.float32]]:
    """Give the events of a split as the float network sees them, few at a time."""
    for block in split.ordered_blocks():
        x = split.clipped(block)
        for start in range(0, len(x), _CHUNK_EVENTS):
            yield x[start : start + _CHUNK_EVENTS]


def _shaped(model: KerasModel, x: NDArray[np.float32]) -> NDArray[np.float32]:
    return x.reshape(-1, *model.input_shape[1:])


def _flat(output: Any) -> NDArray[np.float32]:  # noqa: ANN401
    array = np.asarray(output)
    return array.reshape(len(array), -1)


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
    if (wanted_db := _imported(run).choices.keep_db) is not None:
        choices = choices_of(config, network, sites)
        trial = Trial(
            network, sites, rebuild(network), _shaped(twin, next(_chunks(open_split(run, "train")))[:_SEARCHED_EVENTS])
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
        for x in _chunks(split):
            outputs = model.predict_on_batch(_shaped(model, x))
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
    for x in _chunks(open_split(run, "validation")):
        shaped = _shaped(deployed, x)
        pairs = zip(names, _listed(exact, shaped), _listed(coded, shaped), strict=True)
        inputs = x
        for name, true, found in pairs:
            errors[name].add(true, found)
            inputs = _flat(found) if is_input[name] else inputs
        float_end, quantized_end = (
            np.concatenate([_flat(one) for one in _listed(model, shaped)], axis=1) for model in ends
        )
        losses.append((inputs if run.config.model.score.of_reconstruction else float_end, quantized_end))
    return {name: error.entry() for name, error in errors.items()}, _mean(losses)


def _listed(model: KerasModel, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    outputs = model.predict_on_batch(x)
    return list(outputs) if isinstance(outputs, list) else [outputs]


def _mean(pairs: list[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> float:
    """Give the mean squared difference of chunks."""
    squares = sum(float(np.square(a.astype(np.float64) - b).sum()) for a, b in pairs)
    return squares / sum(b.size for _, b in pairs)
