"""A drawn model made into firmware, compiled quickly, and compared with the golden codes in every layer.

This module imports TensorFlow and hls4ml.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from multiprocessing import Pipe, get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import qkeras
import tensorflow as tf
import tf_keras

from benchmarks.model_draws import DEPLOYED, Draw
from fpgaae.data.features import FeatureMap
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes, requantize
from fpgaae.golden.deployment import deploy as with_ports
from fpgaae.golden.network import ACCEPT_LAYER, IntegerNetwork
from fpgaae.golden.reloadable import with_random_weights
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.convert import write_project
from fpgaae.hls.csim_library import Compilation, CsimLibrary, probe
from fpgaae.hls.front_end import TriggerBlock
from fpgaae.hls.harness import write_harness
from fpgaae.hls.keras_check import KerasComparison
from fpgaae.hls.layer_stimulus import layer_codes
from fpgaae.hls.lint.findings import Severity
from fpgaae.hls.lint.models import lint_model
from fpgaae.hls.project import port_codes
from fpgaae.models.architecture import describe_model
from fpgaae.models.calibrate import Quantizers, quantized, quantizer_sites
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.extract import extract_network
from fpgaae.models.keras_layers import Role
from fpgaae.models.prepare import prepare_network
from fpgaae.models.rebuild import rebuild, weighted_layers
from fpgaae.models.resolved_widths import ResolvedWidth
from fpgaae.models.score_layers import SCORE_LAYERS
from fpgaae.training.import_checks import deploy

_EVENTS = 150  # of each kind
_INPUTS = ResolvedWidth(10, 5).signed()  # of a quantized model that names none
_FINE_BITS, _TABLE_FRACTION_BITS = 3, 8
_TIMEOUT_S = 60
_TOLERANCE = 1e-3  # of folded normalizations in float32, relative to the largest output
KerasModel = Any


class RefusedWithScore(Exception):
    """Some rules of lint are broken once an imported model has the score of its config."""

    def __init__(self, rules: frozenset[str]) -> None:
        super().__init__(", ".join(sorted(rules)))
        self.rules = rules


def compare(drawn: Draw, rng: np.random.Generator, folder: Path) -> dict[str, int]:
    """Give by layer how many codes of the compiled firmware differ from the golden ones; Keras is compared, too.

    Raises
    ------
    FpgaaeError
        If any stage refuses the model.
    """
    tf.config.run_functions_eagerly(True)  # a few events are predicted sooner than a graph is traced
    model = build(drawn.network)
    if drawn.way != DEPLOYED:
        model = _import(drawn, model, rng)
    network = extract_network(model)
    _compare_keras(model, network, rng)
    block, trigger, names = _write(drawn, model, with_ports(network, drawn.firmware), folder / "project")
    library_file = Compilation(folder / "project", drawn.firmware.project_name, build=folder / "build").build()
    probe(library_file)
    networks = [trigger.network]
    if drawn.firmware.reloadable_weights:
        networks.append(with_random_weights(trigger.network, seed=1))
    loaded = [(network, port_codes(block.top.weights, network)) for network in networks]
    simulation = _Simulation(library_file, trigger, names, loaded, int(rng.integers(2**31)))
    counts = in_another_process(simulation.differing)
    compared = {layer.name for layer in trigger.network.layers if layer.name in names.values()}
    if missing := compared - set(counts):
        raise CheckFailed(f"the layers {', '.join(sorted(missing))} were not compared")
    return counts


class _Simulation(NamedTuple):
    """A compiled project, and what it is compared with."""

    library: Path
    trigger: GoldenTrigger
    names: dict[str, str]
    loaded: list[tuple[IntegerNetwork, Codes]]  # networks that differ in their weights, with the codes of these
    seed: int

    def differing(self) -> dict[str, int]:
        """Count the codes of each layer that differ."""
        library = CsimLibrary(self.library)
        counts = dict.fromkeys((self.names[tap.layer] for tap in library.taps), 0)
        for network, codes in self.loaded:
            library.load_weights(codes)
            trigger = GoldenTrigger(self.trigger.features, network)
            for found, golden in _runs(library, trigger, self.names, np.random.default_rng(self.seed)):
                for tap in library.taps:
                    expected = golden[self.names[tap.layer]]
                    fraction = max(tap.type.fraction, expected.fraction)
                    ours = expected.codes << fraction - expected.fraction
                    differ = found[tap.layer] << fraction - tap.type.fraction != ours
                    counts[self.names[tap.layer]] += int(differ.sum())
        return counts


def in_another_process(work: Callable[[], dict[str, int]]) -> dict[str, int]:
    """Give what a function gives in a fork of this process, which a crash of compiled code does not end.

    Raises
    ------
    CheckFailed
        If it crashes or does not end.
    """
    receiver, sender = Pipe(duplex=False)
    process = get_context("fork").Process(target=lambda: sender.send(work()))
    process.start()
    sender.close()
    process.join(_TIMEOUT_S)
    if process.is_alive():
        process.kill()
        raise CheckFailed(f"the compiled project does not end within {_TIMEOUT_S} s")
    if process.exitcode:
        raise CheckFailed(f"the compiled project crashes (exit code {process.exitcode})")
    found: dict[str, int] = receiver.recv()
    return found


def build(network: NetworkDescription) -> KerasModel:
    """Build a described model with the very settings that it was drawn with."""
    tensors: dict[str, Any] = {}
    for layer in network.layers:
        if layer.role is Role.INPUT:
            tensors[layer.name] = tf_keras.layers.Input(layer.event_shape, name=layer.name)
            continue
        made = _layer(layer)
        sources = [tensors[name] for name in layer.inputs]
        tensors[layer.name] = made(sources if len(sources) > 1 else sources[0])
        if layer.weights:
            made.set_weights([layer.weights[name] for name in layer.weight_names])
    return tf_keras.Model(tensors["features"], tensors[network.outputs[0]])


def _layer(layer: LayerDescription) -> Any:  # noqa: ANN401
    if layer.is_score:
        return SCORE_LAYERS[layer.kind](name=layer.name, **layer.settings)
    of = qkeras if layer.kind.startswith("Q") else tf_keras.layers
    return getattr(of, layer.kind)(name=layer.name, **layer.settings)


def _import(drawn: Draw, model: KerasModel, rng: np.random.Generator) -> KerasModel:
    """Take a model as `import` and `train` do, with random widths in the place of those that events need."""
    prepared = prepare_network(describe_model(model), _INPUTS, quantize=False)
    twin = rebuild(prepared.twin)
    if prepared.quantized is None:
        x = rng.normal(size=(64, *model.input_shape[1:])).astype(np.float32)
        wanted, found = (np.asarray(each.predict_on_batch(x)).reshape(64, -1) for each in (model, twin))
        if np.abs(wanted - found).max() > _TOLERANCE * max(1.0, float(np.abs(wanted).max())):
            raise CheckFailed("the float network that is quantized does not give what the model gives")
    network = prepared.quantized or _quantized(prepared.twin, rng)
    deployed = deploy(rebuild(network), network, drawn.score, drawn.features, _TABLE_FRACTION_BITS)
    findings = lint_model(describe_model(deployed), Conversion.of(drawn.firmware))
    if errors := frozenset(finding.rule for finding in findings if finding.severity is Severity.ERROR):
        raise RefusedWithScore(errors)
    return deployed


def _quantized(twin: NetworkDescription, rng: np.random.Generator) -> NetworkDescription:
    def width() -> ResolvedWidth:
        bits = int(rng.integers(3, 12))
        return ResolvedWidth(bits, int(rng.integers(0, min(bits - 1, 6))))

    sites = quantizer_sites(twin)
    types = Quantizers(
        width().signed(),
        {site.quantizer: width().signed() if site.signed else width().rectified() for site in sites},
        {name: width().signed() for name in weighted_layers(twin)},
    )
    return quantized(twin, sites, types)


def _compare_keras(model: KerasModel, network: IntegerNetwork, rng: np.random.Generator) -> None:
    comparison = KerasComparison(model, network)
    comparison.add(*_off_grid(network, rng))
    comparison.result()


def _off_grid(network: IntegerNetwork, rng: np.random.Generator) -> tuple[Any, Codes]:
    """Give values of all magnitudes off the grid of the inputs and beyond their range, with their codes."""
    of, n = network.input_type, network.layers[0].size
    fine = of.fraction + _FINE_BITS
    scale = 2.0 ** rng.uniform(0, of.width + _FINE_BITS + 1, size=(_EVENTS, 1))
    codes = np.rint(rng.uniform(-1, 1, size=(_EVENTS, n)) * scale).astype(np.int64)
    ends = rng.choice([of.min_code, of.max_code, 0], size=(_EVENTS, n)) << _FINE_BITS
    codes = np.concatenate([codes, ends])
    return np.ldexp(codes.astype(np.float64), -fine), requantize(codes, fine, of)


def _write(
    drawn: Draw, model: KerasModel, network: IntegerNetwork, project: Path
) -> tuple[TriggerBlock, GoldenTrigger, dict[str, str]]:
    done = write_project(model, network, drawn.firmware, project)
    scores = np.sort(GoldenTrigger(drawn.features, network).scores(_hardware(drawn.features, np.random.default_rng(1))))
    trigger = GoldenTrigger(drawn.features, network).with_thresholds(scores[[len(scores) // 2, -len(scores) // 9]])
    block = TriggerBlock(done.top, drawn.hardware, trigger)
    block.write(project)
    write_harness(project, block, drawn.firmware)
    names = {**done.golden_names, **{name: name for name in [*(port.name for port in network.ports), ACCEPT_LAYER]}}
    return block, trigger, names


def _hardware(features: FeatureMap, rng: np.random.Generator) -> Codes:
    """Give uniform hardware integers, those near the offsets as real ones, and those at the ends of their range."""
    low, high = features.limits
    shape = (_EVENTS, len(low))
    near = np.clip(features.offsets + np.rint(rng.standard_cauchy(shape)).astype(np.int64), low, high)
    ends = np.where(rng.random(shape) < 0.5, low, high)
    return np.concatenate([rng.integers(low, high + 1, shape), near, ends, low[None], high[None]])


def _runs(
    library: CsimLibrary, trigger: GoldenTrigger, names: dict[str, str], rng: np.random.Generator
) -> Iterator[tuple[dict[str, Codes], dict[str, Any]]]:
    """Run events through the ports of the block, values into the network, and codes into every layer."""
    network = trigger.network
    hardware = _hardware(trigger.features, rng)
    yield library.run_objects(hardware), trigger.run(hardware)
    values, codes = _off_grid(network, rng)
    yield library.run_values(values), network.run(codes)
    injected = layer_codes(network, seed=1)
    inputs = np.zeros((len(next(iter(injected.values()))), network.layers[0].size), dtype=np.int64)
    more_bits = {tap: tap.type.fraction - network[names[tap.layer]].type.fraction for tap in library.taps[:-1]}
    taps = [
        injected[names[tap.layer]] << bits if bits >= 0 else injected[names[tap.layer]] >> -bits
        for tap, bits in more_bits.items()
    ]
    yield library.run_values(inputs.astype(np.float64), np.concatenate(taps, axis=1)), network.run(inputs, injected)
