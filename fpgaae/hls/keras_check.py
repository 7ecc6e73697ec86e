"""The golden network against the Keras model itself: in float64, where Keras is exact too, and in its own float32.

The integer network is only worth comparing with if it *is* the trained model: in float64 every layer must agree in
every value. Keras' own prediction is float32; where a sum has more than 24 bits it rounds, and this counts how often.
This module imports TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import qkeras
import tf_keras
from numpy.typing import NDArray

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import values_of
from fpgaae.golden.network import IntegerNetwork
from fpgaae.models.own_layers import OWN_LAYERS
from fpgaae.runs.results.convert import Float32Layer, KerasAgreement

_BATCH = 4096


class KerasComparison:
    """Runs a deployed model layer by layer, in float64 and in float32, against its integer network."""

    def __init__(self, model: Any, network: IntegerNetwork) -> None:  # noqa: ANN401
        self._network = network
        self._single = _every_layer(model)
        with _double_precision():
            self._double = _every_layer(_in_float64(model))
        self._events = 0
        self._differing = {layer.name: 0 for layer in network.layers}
        self._largest = {layer.name: 0.0 for layer in network.layers}

    def add(self, values: NDArray[np.float64], input_codes: NDArray[np.int64]) -> None:
        """Compare one chunk of events: exact features and the input codes that follow from them.

        Raises
        ------
        CheckFailed
            If the Keras model in float64 differs from the integer network: the golden codes would be wrong.
        """
        golden = {name: values_of(*tensor) for name, tensor in self._network.run(input_codes).items()}
        with _double_precision():
            exact = _predict(self._double, values)
        for layer, output in zip(self._network.layers, exact, strict=True):
            error = np.abs(output.astype(np.float64) - golden[layer.name])
            # no code is equal to a mean that does not come out even; the quantizer behind it must be exact again
            wrong = np.argwhere(error >= layer.type.lsb if layer.is_cut_off else error > 0)
            if len(wrong):
                event, channel = wrong[0]
                raise CheckFailed(
                    f"the golden network differs from Keras in float64: layer {layer.name}, channel {channel}, "
                    f"{golden[layer.name][event, channel]!r} instead of {float(output[event, channel])!r}"
                )
        # a value that float32 can't hold is given as its quantizer rounds it, or it would be rounded twice
        inputs = np.where(values.astype(np.float32) == values, values, golden[self._network.layers[0].name])
        single = _predict(self._single, inputs.astype(np.float32))
        for layer, output in zip(self._network.layers, single, strict=True):
            error = np.abs(output.astype(np.float64) - golden[layer.name])
            self._differing[layer.name] += int(np.count_nonzero(error))
            self._largest[layer.name] = max(self._largest[layer.name], float(error.max(initial=0)))
        self._events += len(values)

    def result(self) -> KerasAgreement:
        """Say per layer whether float32 can hold its values, and in how many it did not.

        Raises
        ------
        CheckFailed
            If Keras' float32 differs where it must be exact.
        """
        holds = self._network.float32_holds()
        for name, count in self._differing.items():
            if count and holds[name]:
                raise CheckFailed(f"Keras' float32 prediction differs in {count} values of {name}, which float32 holds")
        return KerasAgreement(
            events=self._events,
            float64_differing_values=0,
            float32=tuple(
                Float32Layer(
                    name=name,
                    holds_every_value=holds[name],
                    differing_values=count,
                    largest_difference=self._largest[name],
                )
                for name, count in self._differing.items()
            ),
        )


def _every_layer(model: Any) -> Any:  # noqa: ANN401
    """Give a model with the outputs of all layers but the Input, whose quantizer stands for it."""
    return tf_keras.Model(model.input, [layer.output for layer in model.layers[1:]])


def _predict(model: Any, values: NDArray[np.floating]) -> list[NDArray[np.floating]]:  # noqa: ANN401
    """Give the output of every layer, (n, size) each, for features (n, n_features)."""
    shaped = values.reshape(-1, *model.input_shape[1:])
    return [output.reshape(len(values), -1) for output in model.predict(shaped, batch_size=_BATCH, verbose=0)]


def _in_float64(model: Any) -> Any:  # noqa: ANN401
    """Rebuild a model in double precision with the same weights."""
    objects: dict[str, Any] = dict(OWN_LAYERS)
    qkeras.utils._add_supported_quantized_objects(objects)
    config = json.loads(json.dumps(model.get_config()).replace('"float32"', '"float64"'))
    double = tf_keras.Model.from_config(config, custom_objects=objects)
    double.set_weights(model.get_weights())
    return double


class _DoubleBackend:
    """The Keras backend without single precision: `quantized_relu` of QKeras 0.9.0 casts everything to float32."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Give everything else as it is."""
        return getattr(tf_keras.backend, name)

    def cast(self, x: Any, dtype: str) -> Any:  # noqa: ANN401
        """Cast, to double precision where single is asked for."""
        return tf_keras.backend.cast(x, "float64" if dtype == "float32" else dtype)

    def pow(self, x: Any, exponent: Any) -> Any:  # noqa: ANN401
        """Raise to a power in double precision."""
        return tf_keras.backend.pow(self.cast(x, "float64"), self.cast(exponent, "float64"))


@contextmanager
def _double_precision() -> Iterator[None]:
    before = tf_keras.backend.floatx()
    tf_keras.backend.set_floatx("float64")
    try:
        with mock.patch.object(qkeras.quantizers, "K", _DoubleBackend()):
            yield
    finally:
        tf_keras.backend.set_floatx(before)
