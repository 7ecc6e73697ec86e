"""Small golden networks with random weights, made without TensorFlow, events for them, and experiments of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Workspace, open_workspace
from support import small_config

from fpgaae.config.model import Score
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import QUANTITIES, HardwareFeature
from fpgaae.data.readers import event_hashes
from fpgaae.files import Json
from fpgaae.fixedpoint import Codes, FixedPointType, Overflow, Rounding
from fpgaae.golden.edges import EDGES_FILE, edge_events
from fpgaae.golden.layers.moved import convolution_layer, mean_layer, moved_layer
from fpgaae.golden.network import GOLDEN_FILE, IntegerLayer, IntegerNetwork, LayerKind, dense_layer
from fpgaae.golden.scores.base import Table, function_table, score_type
from fpgaae.golden.windows import Window, same_padding
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


def _random_dense(rng: np.random.Generator, name: str, source: IntegerLayer, size: int) -> IntegerLayer:
    return dense_layer(name, source, *_random_weights(rng, source.size, size))


def random_network(score: Score, features: FeatureMap, seed: int = 1) -> IntegerNetwork:
    """Give a network of two dense layers (of which the second reconstructs, or gives latents), score and thresholds."""
    rng = np.random.default_rng(seed)
    n = len(features)
    layers = [IntegerLayer("features", LayerKind.INPUT, (), n, INPUT)]

    def add(layer: IntegerLayer) -> IntegerLayer:
        layers.append(layer)
        return layer

    hidden = add(_random_dense(rng, "hidden", layers[0], 4))
    relu = add(IntegerLayer("hidden_relu", LayerKind.RELU, (hidden.name,), 4, RELU))
    table: Table | None = None
    if score.of_reconstruction:
        dense = add(_random_dense(rng, "reconstruction", relu, n))
        out = add(IntegerLayer("reconstruction_quantized", LayerKind.QUANTIZE, (dense.name,), n, INPUT))
        inputs, types = ("features", out.name), [INPUT, INPUT]
        if score is Score.MASKED_SQUARED_ERROR:
            table = Table(features.empty_slot_codes(INPUT), INPUT)
    elif score is Score.REGRESSION:
        dense = add(_random_dense(rng, "output", relu, 1))
        add(IntegerLayer("output_relu", LayerKind.RELU, (dense.name,), 1, OUTPUT))
        inputs, types, n = ("output_relu",), [OUTPUT], 1
    else:
        names = ["mu", "log_variance"] if score.needs_variance else ["mu"]
        for name in names:
            dense = add(_random_dense(rng, name, relu, 3))
            add(IntegerLayer(f"{name}_quantized", LayerKind.QUANTIZE, (dense.name,), 3, LATENT))
        inputs, types, n = tuple(f"{name}_quantized" for name in names), [LATENT] * len(names), 3
        if score.needs_variance:
            table = function_table(score, LATENT, 6)
    kind = score_type(score, types, n, table.type if table else None)
    add(IntegerLayer("score", LayerKind(score.value), inputs, 1, kind, table=table))
    network = IntegerNetwork(tuple(layers))
    scores = golden(network, features, events(features, 500))[:, 0]
    return network.with_thresholds(np.array([int(scores.mean()), int(scores.max()), 0]))


def convolutional_network(features: FeatureMap, seed: int = 1) -> IntegerNetwork:
    """Give a network of every layer that sees images, on six slots; its mean of three does not come out even."""
    rng = np.random.default_rng(seed)
    layers = [IntegerLayer("features", LayerKind.INPUT, (), len(features), INPUT, shape=(6, 3, 1))]

    def add(make: Callable[[IntegerLayer], IntegerLayer]) -> None:
        layers.append(make(layers[-1]))

    def requantize(name: str, kind: LayerKind, of: FixedPointType) -> None:
        add(lambda x: IntegerLayer(name, kind, (x.name,), x.size, of, shape=x.shape))

    def convolve(name: str, filters: int, window: Window) -> None:
        weights = _random_weights(rng, *window.size, window.image[2], filters)
        add(lambda x: convolution_layer(name, x, *weights, window))

    zeros = Window((6, 3, 1), (1, 1), padding=(1, 0, 0, 0))
    add(lambda x: moved_layer("zeros", LayerKind.ZERO_PADDING, x, (7, 3, 1), zeros))
    convolve("conv", 2, Window((7, 3, 1), (3, 3), (2, 1), same_padding((7, 3, 1), (3, 3), (2, 1))))
    requantize("conv_relu", LayerKind.RELU, RELU)
    add(lambda x: mean_layer("mean", x, Window((4, 3, 2), (3, 1)), LATENT.fraction))
    requantize("mean_quantized", LayerKind.QUANTIZE, LATENT)
    add(lambda x: moved_layer("up", LayerKind.UPSAMPLING, x, (4, 3, 2), Window((2, 3, 2), (2, 1), (2, 1))))
    convolve("conv_2", 2, Window((4, 3, 2), (2, 2)))
    pool = Window((3, 2, 2), (2, 1))
    add(lambda x: IntegerLayer("pool", LayerKind.MAX_POOLING, (x.name,), 8, x.type, shape=(2, 2, 2), window=pool))
    requantize("pool_quantized", LayerKind.QUANTIZE, INPUT)
    add(lambda x: moved_layer("flat", LayerKind.RESHAPE, x, (), None))
    layers[-1] = replace(layers[-1], size=8)
    add(lambda x: _random_dense(rng, "mu", x, 2))
    requantize("mu_quantized", LayerKind.QUANTIZE, LATENT)
    kind = score_type(Score.MU_SQUARED, [LATENT], 2)
    add(lambda x: IntegerLayer("score", LayerKind.MU_SQUARED, (x.name,), 1, kind))
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
    """Give the golden score and decisions, (n, 1 + n_thresholds)."""
    tensors = network.run(features.input_codes(hardware, network.input_type))
    last = [network.score.name, *(layer.name for layer in network.layers if layer.kind is LayerKind.ACCEPT)]
    return np.concatenate([tensors[name].codes for name in last], axis=1)


def converted_workspace(folder: Path, score: Score = Score.SQUARED_ERROR) -> Workspace:
    """Make an experiment on small synthetic events whose stage `convert` holds a random golden network only."""
    small_config(folder, n_events=1500)
    workspace = open_workspace(folder)
    workspace.run("data")

    def convert(run: StageRun) -> Json:
        features = FeatureMap.from_json(run.result("data")["feature_types"])
        network = random_network(score, features)
        network.save(run.folder / GOLDEN_FILE)
        edge_events(network, features, events(features, 500), seed=1).save(run.folder / EDGES_FILE)
        return {}

    hashes = event_hashes(workspace.experiment.config, workspace.experiment.config_file)
    for stage, work in (("reference", lambda _: {}), ("train", lambda _: {}), ("convert", convert)):
        run_stage(workspace.experiment, stage, work, hashes, RunOptions())
    return workspace
