"""Small golden networks with random weights, made without TensorFlow, events for them, and experiments of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import Workspace, open_workspace
from results import convert_result, nothing_of, rtl_result, stand_in, threshold
from support import make_events, make_groups, small_config

from fpgaae.config.model import Score
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import QUANTITIES, HardwareFeature
from fpgaae.data.readers import event_hashes
from fpgaae.fixedpoint import Codes, FixedPointType, Overflow, Rounding
from fpgaae.golden.edges import EDGES_FILE, edge_events
from fpgaae.golden.functions import Function
from fpgaae.golden.latents import with_latents
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.cell import BinnedSum
from fpgaae.golden.layers.leaky_relu import LeakyRelu
from fpgaae.golden.layers.moved import Reshape, UpSampling, ZeroPadding
from fpgaae.golden.layers.pooling import AveragePooling, MaxPooling
from fpgaae.golden.layers.rounding import Input, Quantize, Quantizer, Relu
from fpgaae.golden.layers.spread import Spread
from fpgaae.golden.layers.tabulated import Tabulated
from fpgaae.golden.layers.weighted import Convolution, Dense
from fpgaae.golden.network import GOLDEN_FILE, IntegerNetwork
from fpgaae.golden.scores.base import Table, function_table, score_class
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.golden.windows import Window, same_padding
from fpgaae.rtl.design import Design
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.rtl import RtlResult
from fpgaae.runs.run import RunOptions, StageRun, run_stage

EVEN_SAT = (Rounding.HALF_EVEN, Overflow.SATURATE)
INPUT = FixedPointType(7, 4, True, *EVEN_SAT)
RELU = FixedPointType(5, 2, False, *EVEN_SAT)
LATENT = FixedPointType(5, 3, True, *EVEN_SAT)
OUTPUT = FixedPointType(8, 3, False, *EVEN_SAT)


def need(program: str) -> None:
    """Skip a test whose program is not installed."""
    if shutil.which(program) is None and not os.environ.get("FPGAAE_REQUIRE_TOOLS"):
        pytest.skip(f"needs {program}")


def feature_map(n_slots: int = 2) -> FeatureMap:
    """Give features of all kinds: signed or not, offset, shifted either way, and one without bits."""
    bits = {"pt": 7, "eta": 5, "phi": 0}
    shifts = (2, 0, 4, -1, 3, 1)
    offsets = (9, -2, 0, 0, 1, 0)
    features = [
        Feature(HardwareFeature(f"object_{slot}_{quantity}", quantity, bits[quantity] + slot % 2), offset, shift)
        for slot in range(n_slots)
        for quantity, offset, shift in zip(
            QUANTITIES, offsets[3 * (slot % 2) :], shifts[3 * (slot % 2) :], strict=False
        )
    ]
    return FeatureMap(tuple(features))


Weights = tuple[Codes, FixedPointType]


def _random_weights(rng: np.random.Generator, *shape: int) -> tuple[Weights, Weights]:
    """Give a kernel, some of it zero, and a bias for its last dimension."""
    kind = FixedPointType(5, 2)
    kernel = rng.integers(kind.min_code, kind.max_code + 1, shape) * (rng.random(shape) < 0.7)
    return (kernel, kind), (rng.integers(kind.min_code, kind.max_code + 1, shape[-1]), kind)


def _random_dense(rng: np.random.Generator, name: str, source: Layer, size: int) -> Dense:
    return Dense.of(name, source, *_random_weights(rng, source.size, size))


def random_network(score: Score, features: FeatureMap, seed: int = 1) -> IntegerNetwork:
    """Give a network of two dense layers (of which the second reconstructs, or gives latents), score and thresholds."""
    rng = np.random.default_rng(seed)
    n = len(features)
    layers: list[Layer] = [Input("features", (), n, INPUT)]

    def add(layer: Layer) -> Layer:
        layers.append(layer)
        return layer

    hidden = add(_random_dense(rng, "hidden", layers[0], 4))
    relu = add(Relu.of("hidden_relu", hidden, RELU))
    tables: list[Table] = []
    if score.of_reconstruction:
        dense = add(_random_dense(rng, "reconstruction", relu, n))
        read = [layers[0], add(Quantize.of("reconstruction_quantized", dense, INPUT))]
        if score is Score.MASKED_SQUARED_ERROR:
            tables = [Table(features.empty_slot_codes(INPUT), INPUT)]
    elif score is Score.REGRESSION:
        dense = add(_random_dense(rng, "output", relu, 1))
        read = [add(Relu.of("output_relu", dense, OUTPUT))]
    else:
        read = []
        for name in ["mu", "log_variance"] if score.needs_variance else ["mu"]:
            dense = add(_random_dense(rng, name, relu, 3))
            read.append(add(Quantize.of(f"{name}_quantized", dense, LATENT)))
        if score.needs_variance:
            tables = [function_table(score, LATENT, 6)]
    add(score_class(score).of("score", read, *tables))
    network = IntegerNetwork(tuple(layers))
    scores = golden(network, features, events(features, 500))[:, 0]
    return network.with_thresholds(np.array([int(scores.mean()), int(scores.max()), 0]))


def reloadable_thresholds(network: IntegerNetwork) -> IntegerNetwork:
    """Give a network whose thresholds are loaded, those that it has being the first."""
    opened = (replace(layer, reloadable=True) if isinstance(layer, Accept) else layer for layer in network.layers)
    return IntegerNetwork(tuple(opened))


def followed(features: FeatureMap, sums: tuple[BinnedSum, ...], n_thresholds: int = 2) -> GoldenTrigger:
    """Give a trigger block whose thresholds follow sums: those of each cell are some of its scores, drawn for it."""
    trigger = GoldenTrigger(features, IntegerNetwork(random_network(Score.SQUARED_ERROR, features).layers[:-1]))
    n_cells = int(np.prod([of.n_bins for of in sums]))
    scores = trigger.behind_words.scores(events(features, 500))
    return trigger.with_thresholds(np.random.default_rng(5).choice(scores, (n_thresholds, n_cells)), sums)


def leaky_network(features: FeatureMap, shift: int = 3, seed: int = 1) -> IntegerNetwork:
    """Give a network whose hidden and reconstructed sums get a slope in front of their quantizers."""
    plain = random_network(Score.SQUARED_ERROR, features, seed)
    layers: list[Layer] = []
    for layer in plain.layers[:-2]:
        if layer.name == "hidden_relu":
            layer = Quantize.of("hidden_quantized", layers[-1], LATENT)  # noqa: PLW2901
        elif isinstance(layer, Dense) or layer.name.endswith("_quantized"):
            layer = replace(layer, inputs=(layers[-1].name,))  # noqa: PLW2901
        layers.append(layer)
        if isinstance(layer, Dense):
            layers.append(LeakyRelu.of(f"{layer.name}_leaky", layer, shift))
    network = IntegerNetwork((*layers, score_class(Score.SQUARED_ERROR).of("score", [layers[0], layers[-1]])))
    scores = golden(network, features, events(features, 500))[:, 0]
    return network.with_thresholds(np.array([int(scores.mean()), int(scores.max()), 0]))


def embedded_network(features: FeatureMap, score: Score = Score.SQUARED_ERROR, seed: int = 1) -> IntegerNetwork:
    """Give a network whose score compares its output with what an inner layer puts out, of another type."""
    rng = np.random.default_rng(seed)
    layers: list[Layer] = [Input("features", (), len(features), INPUT)]
    for name, size, kind, of in (
        ("embedding_1", 4, Relu, RELU), ("embedding", 3, Quantize, INPUT),
        ("encoder_1", 2, Relu, RELU), ("reconstruction", 3, Quantize, LATENT),
    ):  # fmt: skip
        layers.append(_random_dense(rng, name, layers[-1], size))
        layers.append(kind.of(f"{name}_{'relu' if kind is Relu else 'quantized'}", layers[-1], of))
    embedding = next(layer for layer in layers if layer.name == "embedding_quantized")
    network = IntegerNetwork((*layers, score_class(score).of("score", [embedding, layers[-1]])))
    scores = golden(network, features, events(features, 500))[:, 0]
    return network.with_thresholds(np.array([int(scores.mean()), int(scores.max()), 0]))


def tables_network(features: FeatureMap, seed: int = 1) -> IntegerNetwork:
    """Give a network with tables behind its hidden sums, one over the entries of another, and at its end."""
    plain = random_network(Score.SQUARED_ERROR, features, seed)
    layers: list[Layer] = []
    for layer in plain.layers[:-2]:
        if layer.name == "hidden_relu":
            layers.append(Quantize.of("hidden_quantized", layers[-1], LATENT))
            for function in (Function("elu", 0.75), Function("leaky_relu", 0.3), Function("tanh")):
                layers.append(Tabulated.of(f"hidden_{function.name}", layers[-1], function, LATENT))
        else:
            layers.append(layer if not layer.inputs else replace(layer, inputs=(layers[-1].name,)))
    layers.append(Tabulated.of("reconstruction_sigmoid", layers[-1], Function("sigmoid"), OUTPUT))
    network = IntegerNetwork((*layers, score_class(Score.SQUARED_ERROR).of("score", [layers[0], layers[-1]])))
    scores = golden(network, features, events(features, 500))[:, 0]
    return network.with_thresholds(np.array([int(scores.mean()), int(scores.max()), 0]))


def convolutional_network(features: FeatureMap, seed: int = 1) -> IntegerNetwork:
    """Give a network of every layer that sees images, on six slots; its mean of three does not come out even."""
    rng = np.random.default_rng(seed)
    layers: list[Layer] = [Input("features", (), len(features), INPUT, shape=(6, 3, 1))]

    def add(make: Callable[[Layer], Layer]) -> None:
        layers.append(make(layers[-1]))

    def requantize(name: str, kind: type[Quantizer], of: FixedPointType) -> None:
        add(lambda x: kind.of(name, x, of))

    def convolve(name: str, filters: int, window: Window) -> None:
        weights = _random_weights(rng, *window.size, window.image[2], filters)
        add(lambda x: Convolution.of(name, x, *weights, window))

    zeros = Window((6, 3, 1), (1, 1), padding=(1, 0, 0, 0))
    add(lambda x: ZeroPadding.of("zeros", x, zeros))
    convolve("conv", 2, Window((7, 3, 1), (3, 3), (2, 1), same_padding((7, 3, 1), (3, 3), (2, 1))))
    requantize("conv_relu", Relu, RELU)
    add(lambda x: AveragePooling.of("mean", x, Window((4, 3, 2), (3, 1)), LATENT.fraction))
    requantize("mean_quantized", Quantize, LATENT)
    add(lambda x: UpSampling.of("up", x, Window((2, 3, 2), (2, 1), (2, 1))))
    convolve("conv_2", 2, Window((4, 3, 2), (2, 2)))
    pool = Window((3, 2, 2), (2, 1))
    add(lambda x: MaxPooling.of("pool", x, pool))
    requantize("pool_quantized", Quantize, INPUT)
    add(lambda x: Spread.of("spread", x, (1, 2), (1, 0, -1, 1)))
    add(lambda x: Reshape.of("flat", x, ()))
    add(lambda x: _random_dense(rng, "mu", x, 2))
    requantize("mu_quantized", Quantize, LATENT)
    add(lambda x: score_class(Score.MU_SQUARED).of("score", [x]))
    network = IntegerNetwork(tuple(layers))
    scores = golden(network, features, events(features, 500))[:, 0]
    return network.with_thresholds(np.array([int(scores.mean()), int(scores.max()), 0]))


def events(features: FeatureMap, n: int, seed: int = 3) -> Codes:
    """Give uniform hardware integers and those at the ends of their range."""
    rng = np.random.default_rng(seed)
    low, high = features.limits
    uniform = rng.integers(low, high + 1, size=(n, len(features)))
    ends = np.where(rng.random((n // 4, len(features))) < 0.5, low, high)
    return np.concatenate([uniform, ends, low[None], high[None], np.zeros_like(low)[None]])


def golden(network: IntegerNetwork, features: FeatureMap, hardware: Codes) -> Codes:
    """Give the golden score, decisions, and latents where they are a port, (n, n_results)."""
    tensors = network.run(features.input_codes(hardware, network.input_type))
    last = [network.score.name, *([network.accept.name] if network.accept else [])]
    last += [port.name for port in network.ports]
    return np.concatenate([tensors[name].codes for name in last], axis=1)


def converted_workspace(folder: Path, score: Score = Score.SQUARED_ERROR, **overrides: Any) -> Workspace:  # noqa: ANN401
    """Make an experiment on small synthetic events whose stage `convert` holds a random golden network, no project."""
    small_config(folder, n_events=1500, **overrides)
    return with_random_network(open_workspace(folder), score)


def _workspace_of_slots(
    folder: Path, slots: list[int], hardware: dict[str, Any], score: Score, **overrides: Any,  # noqa: ANN401
) -> Workspace:  # fmt: skip
    """Make an experiment of some of the slots of an event, and of a random golden network."""
    for process, n, scale in (("background", 1500, 1.0), ("signal", 400, 4.0)):
        with h5py.File(folder / f"{process}.h5", "w") as file:
            file["Particles"] = make_events(n, seed=len(process), pt_scale=scale)[:, slots]
            file["Group"] = make_groups(n, seed=len(process))
    return converted_workspace(folder, score, data={"hardware": hardware}, **overrides)


def tiny_workspace(folder: Path, **overrides: Any) -> Workspace:  # noqa: ANN401
    """Make an experiment of two objects, whose block is small enough for what takes long to place or to compile."""
    kinds = [{"name": "met", "slots": 1, "pt_bits": 6, "eta_bits": 0, "phi_bits": 3}]
    kinds += [{"name": "jet", "slots": 1, "pt_bits": 5, "eta_bits": 3, "phi_bits": 0}]
    hardware = {"objects": kinds, "phi_steps": 8, "pt_lsb_gev": 8, "eta_lsb": 1}
    return _workspace_of_slots(folder, [0, 9], hardware, Score.MU_SQUARED, **overrides)


def five_objects_workspace(folder: Path, **overrides: Any) -> Workspace:  # noqa: ANN401
    """Make an experiment of objects of every kind, few enough for all that looks at every gate of its Verilog."""
    kinds = [{"name": "met", "slots": 1, "pt_bits": 12, "eta_bits": 0, "phi_bits": 8}]
    kinds += [{"name": name, "slots": 1, "pt_bits": 9, "eta_bits": 8, "phi_bits": 8} for name in ("electron", "muon")]
    kinds += [{"name": "jet", "slots": 2, "pt_bits": 11, "eta_bits": 8, "phi_bits": 8}]
    return _workspace_of_slots(folder, [0, 1, 5, 9, 10], {"objects": kinds}, Score.SQUARED_ERROR, **overrides)


def prove_rtl(workspace: Workspace, events: int = 1) -> None:
    """Trace a converted experiment, and let its Verilog count as simulated."""
    workspace.run("trace")

    def prove(run: StageRun) -> RtlResult:
        shutil.copytree(run.upstream("trace") / "project", run.folder / "project")
        return rtl_result(latency_cycles=Design.load(run.folder / "project").latency_cycles, events=events)

    experiment = workspace.experiment
    run_stage(experiment, RtlResult, prove, event_hashes(experiment.config, experiment.config_file), RunOptions())


def with_random_network(workspace: Workspace, score: Score = Score.SQUARED_ERROR) -> Workspace:
    """Run the stage `data`, and let `convert` hold a random golden network, no project."""
    workspace.run("data")

    def convert(run: StageRun) -> ConvertResult:
        features = FeatureMap.of(run.result(DataResult))
        network = random_network(score, features)
        if run.config.firmware.output_latents:
            network = with_latents(network)
        trigger = GoldenTrigger(features, network)
        trigger.network.save(run.folder / GOLDEN_FILE)
        edge_events(trigger, events(features, 500), seed=1).save(run.folder / EDGES_FILE)
        points = [threshold(code=int(code), events=800) for code in trigger.thresholds]
        points[0] = replace(points[0], effective_events=400.0)  # as if the events came in pairs of two alike
        return convert_result(points)

    hashes = event_hashes(workspace.experiment.config, workspace.experiment.config_file)
    for stage in ("reference", "train"):
        run_stage(workspace.experiment, stand_in(stage), lambda _, stage=stage: nothing_of(stage), hashes, RunOptions())
    run_stage(workspace.experiment, ConvertResult, convert, hashes, RunOptions())
    return workspace
