"""Functions of each value as Keras 2 layers: in full precision, and as the table that the firmware holds.

In any precision that holds the codes, the table gives their exact values. This module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, parse_type, values_of
from fpgaae.golden.functions import SELU_ALPHA, SELU_SCALE, Function, tabulate
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.tabulated import Tabulated


def _elu(x: tf.Tensor, alpha: float) -> tf.Tensor:
    return tf.where(x >= 0, x, alpha * tf.math.expm1(tf.minimum(x, 0)))


def _clipped(x: tf.Tensor, low: float, high: float) -> tf.Tensor:
    return tf.clip_by_value(x, tf.cast(low, x.dtype), tf.cast(high, x.dtype))


_OPERATIONS: Mapping[str, Callable[[tf.Tensor, float], tf.Tensor]] = {
    "sigmoid": lambda x, _: tf.sigmoid(x),
    "tanh": lambda x, _: tf.tanh(x),
    "softplus": lambda x, _: tf.math.softplus(x),
    "softsign": lambda x, _: tf.math.softsign(x),
    "exponential": lambda x, _: tf.exp(x),
    "elu": _elu,
    "selu": lambda x, _: float(SELU_SCALE) * _elu(x, float(SELU_ALPHA)),
    "leaky_relu": lambda x, slope: tf.where(x < 0, x * slope, x),
    "clipped_relu": lambda x, most: _clipped(x, 0, most),
    "hard_tanh": lambda x, _: _clipped(x, -1, 1),
    "hard_sigmoid": lambda x, _: _clipped(0.2 * x + 0.5, 0, 1),
    "hard_sigmoid_by_6": lambda x, _: _clipped(x + 3, 0, 6) / 6,
    "hard_sigmoid_by_2": lambda x, _: _clipped(0.5 * x + 0.5, 0, 1),
}


class _OfFunction(tf_keras.layers.Layer):
    """A layer that has a function."""

    def __init__(self, function: str, parameter: float = 1.0, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.function = Function(function, float(parameter))

    def get_config(self) -> dict[str, Any]:
        """Give what the layer is made from."""
        name, parameter = self.function
        return {**super().get_config(), "function": name, "parameter": parameter}


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class FunctionActivation(_OfFunction):
    """A function of each value.

    Parameters
    ----------
    function, parameter
        As those of `fpgaae.golden.functions.Function`.
    """

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Compute it."""
        return _OPERATIONS[self.function.name](x, self.function.parameter)


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class TableActivation(_OfFunction):
    """A function of each value, looked up.

    Parameters
    ----------
    argument
        Type of what it reads, such as `ap_fixed<8,4,AP_RND_CONV,AP_SAT>`.
    result
        Type of its entries: the true values, rounded half to even and saturated.
    """

    def __init__(self, argument: str, result: str, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.argument = argument
        self.result = result

    @property
    def argument_type(self) -> FixedPointType:
        """Type of what it reads."""
        return parse_type(self.argument)

    @property
    def result_type(self) -> FixedPointType:
        """Type of its entries."""
        return parse_type(self.result)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Look up each value."""
        argument, result = self.argument_type, self.result_type
        codes = tf.cast(tf.round(x * 2.0**argument.fraction), tf.int32)
        table = tabulate(self.function, argument, result)
        entries = tf.constant(values_of(table, result.fraction).astype(np.dtype(x.dtype.as_numpy_dtype)))
        return tf.gather(entries, tf.bitwise.bitwise_and(codes, len(table) - 1))

    def golden(self, source: Layer) -> Tabulated:
        """Give its exact integer form behind a golden layer.

        Raises
        ------
        InputError
            If the table is one over another type than that of the layer.
        """
        if self.argument_type[:3] != source.type[:3]:
            raise InputError(
                f"the layer {self.name} has a table over {self.argument}, but its input has the type {source.type}; "
                "make the layer with that type"
            )
        return Tabulated.of(self.name, source, self.function, self.result_type)

    def get_config(self) -> dict[str, Any]:
        """Give what the layer is made from."""
        return {**super().get_config(), "argument": self.argument, "result": self.result}


FUNCTION_LAYERS = {layer.__name__: layer for layer in (FunctionActivation, TableActivation)}
