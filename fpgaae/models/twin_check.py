"""Whether a rebuilt network puts out what the model file does, layer by layer, when Keras or ONNX evaluates the file.

The bit check of the firmware starts from the rebuilt network, so that it can't see what went wrong on the way to it.
This module imports TensorFlow (Keras 2, QKeras).
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tf_keras
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.fixedpoint import nearest_codes, values_of
from fpgaae.models.description import NetworkDescription
from fpgaae.models.file_graph import INPUTS_FILE, OUTPUTS_FILE, Outputs, Rounded
from fpgaae.models.keras_layers import Role
from fpgaae.models.model_file import is_onnx
from fpgaae.models.onnx_file import read_onnx_file
from fpgaae.models.onnx_reader import OnnxModel
from fpgaae.models.prepare import Prepared
from fpgaae.models.rebuild import rebuild
from fpgaae.models.safe_config import PRECISION
from fpgaae.models.saved_model import has_layers
from fpgaae.processes import ProgramHangs, run_program

TOLERANCE = 1e-7  # of the largest value of any layer; both sides calculate in double precision, weights are as stored
_TIMEOUT_S = 600
_N_RANDOM = 64
Evaluations = Mapping[Rounded, Outputs]
Evaluate = Callable[[Path, NDArray[np.floating], Sequence[Rounded]], Evaluations]


class TwinDifference(NamedTuple):
    """How far a rebuilt network is from its file."""

    largest: float  # absolute difference of any value of any layer
    magnitude: float  # largest value of any layer of the file
    layers: tuple[str, ...]  # of the file, that were compared


def check_prepared(
    file: Path, given: NetworkDescription, prepared: Prepared, events: NDArray[np.floating], evaluate: Evaluate
) -> TwinDifference:
    """Compare what was made of a model file with the file's own graph.

    Parameters
    ----------
    events
        Real ones, (n, n_features); random and extreme ones are added.
    evaluate
        `evaluate_apart`, or another way to evaluate the file.

    Raises
    ------
    InputError
        If the file can't be evaluated, or a layer differs by more than rounding.
    """
    x = stimulus(events).reshape(-1, *given.input_shape)
    if prepared.inputs is not None:  # the file rounds no inputs: on their grid both see the same
        x = values_of(nearest_codes(x, prepared.inputs), prepared.inputs.fraction)
    networks = _networks(given, prepared)
    outputs = evaluate(file, x, [rounded for rounded, _ in networks])
    found = [compare(network, x, outputs[rounded], file.name) for rounded, network in networks]
    return max(found, key=lambda difference: difference.largest)


def _networks(given: NetworkDescription, prepared: Prepared) -> list[tuple[Rounded, NetworkDescription]]:
    if prepared.is_folded:  # what is rounded anew is judged by its errors, what it is rounded from is compared
        return [(Rounded.WEIGHTS, prepared.twin)]
    if prepared.quantized is not None:
        return [(Rounded.ALL, prepared.quantized), (Rounded.NOTHING, prepared.twin)]
    return [(Rounded.WEIGHTS if given.is_quantized else Rounded.ALL, prepared.twin)]


def stimulus(events: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give real, random and extreme inputs, these twice as far out as the real ones reach.

    Parameters
    ----------
    events
        Real ones, (n, n_features).
    """
    real = events.astype(np.float64)
    n_features, reach = real.shape[1], max(1.0, 2 * float(np.abs(real).max(initial=0)))
    rng = np.random.default_rng(0)
    alone = np.zeros((min(n_features, _N_RANDOM), n_features))
    alone[np.arange(len(alone)), rng.permutation(n_features)[: len(alone)]] = reach
    ends = [np.full((1, n_features), value) for value in (0, reach, -reach)]
    random = [rng.uniform(-reach, reach, (_N_RANDOM, n_features)), rng.normal(size=(_N_RANDOM, n_features))]
    return np.concatenate([real, *random, alone, *ends])


def compare(network: NetworkDescription, x: NDArray[np.floating], outputs: Outputs, file: str) -> TwinDifference:
    """Compare a network with what the layers of a file put out for the same inputs.

    Raises
    ------
    InputError
        If a layer differs by more than rounding; the first is named.
    """
    pairs = {layer.name: layer.of_file for layer in network.layers if layer.role is not Role.INPUT}
    compared = {name: source for name, source in pairs.items() if source in outputs}
    if not compared.keys() >= set(network.outputs):
        raise InputError(f"{file} can't be compared with what was made of it: its output is no layer of it; report it")
    magnitude = max(float(np.abs(outputs[source]).max(initial=0)) for source in compared.values())
    largest = 0.0
    for name, array in _evaluate_network(network, list(compared), x).items():
        expected = outputs[compared[name]]
        difference = (
            float(np.abs(array.reshape(expected.shape) - expected).max(initial=0))
            if array.size == expected.size
            else np.inf
        )
        if not difference <= TOLERANCE * max(magnitude, 1.0):  # also where one is not a number
            raise InputError(
                f"what was made of the layer {compared[name]} of {file} differs by up to {difference:.3g} from what "
                f"the file's own graph gives (values up to {float(np.abs(expected).max(initial=0)):.3g}); this is a "
                "fault of fpgaae: report it with the model"
            )
        largest = max(largest, difference)
    return TwinDifference(largest, magnitude, tuple(compared.values()))


def _evaluate_network(
    network: NetworkDescription, names: list[str], x: NDArray[np.floating]
) -> dict[str, NDArray[np.float64]]:
    with _double_precision():
        model = rebuild(network)
        tapped = tf_keras.Model(model.input, [model.get_layer(name).output for name in names])
        found = tapped.predict_on_batch(x.astype(PRECISION))
    return dict(zip(names, found if isinstance(found, list) else [found], strict=True))


@contextmanager
def _double_precision() -> Iterator[None]:
    before = tf_keras.backend.floatx()
    tf_keras.backend.set_floatx(PRECISION)
    try:
        yield
    finally:
        tf_keras.backend.set_floatx(before)


def evaluate_apart(
    file: Path, x: NDArray[np.floating], rounded: Sequence[Rounded], weights: Path | None = None
) -> Evaluations:
    """Evaluate a model file in a process of its own: by Keras, TensorFlow, or the reference implementation of ONNX.

    Parameters
    ----------
    weights
        The file with the weights of an architecture in JSON.

    Raises
    ------
    InputError
        If that fails.
    """
    if not is_onnx(file):
        evaluator = "Keras" if not file.is_dir() or has_layers(file) else "TensorFlow"
        return _evaluate_apart("file_graph", evaluator, file, x, rounded, weights)
    model = read_onnx_file(file)
    inputs = onnx_inputs(model, x)
    found = _evaluate_apart("onnx_execution", "the package onnx", file, inputs, rounded)
    return {mode: in_our_order(model, outputs) for mode, outputs in found.items()}


def onnx_inputs(model: OnnxModel, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Give events as an ONNX file takes them."""
    places = model.places[model.input]
    return x.reshape(len(x), -1)[:, places.reshape(-1)].reshape(len(x), *places.shape[1:])


def in_our_order(model: OnnxModel, outputs: Outputs) -> Outputs:
    """Give the tensors of an ONNX file, flat, with their values in the order of what was made of it."""
    found = {}
    for layer in model.network.layers:
        if layer.of_file in outputs and layer.of_file is not None:
            array, places = outputs[layer.of_file], model.places[layer.of_file].reshape(-1)
            found[layer.of_file] = np.empty((len(array), len(places)))
            found[layer.of_file][:, places] = array.reshape(len(array), -1)
    return found


def _evaluate_apart(
    module: str,
    evaluator: str,
    file: Path,
    x: NDArray[np.floating],
    rounded: Sequence[Rounded],
    weights: Path | None = None,
) -> Evaluations:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        np.savez(folder / INPUTS_FILE, x=x, rounded=np.array([mode.value for mode in rounded]))
        command = [sys.executable, "-m", f"fpgaae.models.{module}", str(file.resolve()), str(folder)]
        command += [] if weights is None else [str(weights.resolve())]
        try:
            done = run_program(
                command, evaluator, limit_s=_TIMEOUT_S,
                environment={"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""},
            )  # fmt: skip
        except ProgramHangs:
            raise InputError(f"{evaluator} did not evaluate {file} in {_TIMEOUT_S} s; give a smaller model") from None
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1][:300]
            raise InputError(
                f"{evaluator} can't evaluate {file} ({said}), so that what was made of it can't be compared with it; "
                "save the model again"
            )
        with np.load(folder / OUTPUTS_FILE) as found:
            names = json.loads(str(found["names"]))
            return {
                mode: {name: found[f"{mode.value}_{index}"] for index, name in enumerate(names[mode.value])}
                for mode in rounded
            }
