"""Bits of every weight that are learned with a penalty on what is built, down to none: a weight that is pruned.

A weight in a type of F bits behind the point gives up d of them, d a trainable number: w' = round(w 2^f) / 2^f with
f = F - d. To w the gradient passes as it is; to f it comes from the rounding error, which halves with each bit
(d(w - w')/df = -ln 2 (w - w')), as in HGQ (C. Sun et al., arXiv 2405.00645). What is penalized is the number of
non-zero digits of w' in canonical signed digits, each of which is an adder of the firmware, not the number of bits; its
slope in f is the digits over the bits that are left: what a bit saves on the way down to none.

Codes are those of the layer's type with zeros at their end, so that nothing behind the training knows of it. This
module imports TensorFlow (Keras 2, QKeras).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray

from fpgaae.config.model import LearnedWidths
from fpgaae.models.quantizers import quantizer_type

_RATE = 8.0  # bits that a step of one changes: bits are coarser than weights, and the optimizer moves both alike


class LearnedBits(tf_keras.layers.Wrapper):  # type: ignore[misc]
    """A QKeras layer with a trainable number of bits for every weight."""

    def __init__(self, layer: Any) -> None:  # noqa: ANN401
        super().__init__(layer, name=f"learned_{layer.name}")
        to = quantizer_type(layer.kernel_quantizer_internal, layer.name)
        self._bits, self._fraction, self._integer = to.width, to.fraction, to.integer - 1
        self._steps = [2.0 ** (dropped - to.fraction) for dropped in range(to.width + 1)]
        layer.kernel_quantizer_internal = self._rounded

    def build(self, input_shape: Any = None) -> None:  # noqa: ANN401
        """Make the weights of the layer, and what their bits are."""
        super().build(input_shape)
        self._dropped = self.add_weight(
            name="dropped", shape=self.layer.kernel.shape, initializer="zeros", constraint=self._within_the_type
        )
        places = self.layer.compute_output_shape(input_shape)[1:-1]
        self._copies = float(math.prod(places))  # of a convolution: each place has adders of its own

    def call(self, inputs: Any) -> Any:  # noqa: ANN401
        """Compute the layer with the rounded weights."""
        return self.layer(inputs)

    def rounded_kernel(self) -> NDArray[np.float32]:
        """Give the weights as they go into the firmware."""
        return np.asarray(self._rounded(self.layer.kernel), dtype=np.float32)

    def n_digits(self) -> int:
        """Give the non-zero signed digits of all weights."""
        return round(float(self.cost()))

    def cost(self) -> Any:  # noqa: ANN401
        """Give the number of non-zero signed digits, with a slope in the bits."""
        fraction = self._learned_fraction()
        step, rounded = self._grid(self.layer.kernel)
        codes = tf.cast(tf.round(tf.abs(rounded) * 2.0**self._fraction), tf.int32)
        digits = tf.cast(tf.raw_ops.PopulationCount(x=tf.bitwise.bitwise_xor(codes, 3 * codes)), tf.float32)
        left = tf.math.log(tf.maximum(tf.abs(rounded) / step, 1.0)) / math.log(2)
        slope = tf.stop_gradient(digits / (1.0 + tf.floor(left + 1e-4)))
        return self._copies * tf.reduce_sum(digits + slope * (fraction - tf.stop_gradient(fraction)))

    def _within_the_type(self, dropped: Any) -> Any:  # noqa: ANN401
        return tf.clip_by_value(dropped, 0.0, self._bits / _RATE)

    def _learned_fraction(self) -> Any:  # noqa: ANN401
        return self._fraction - _RATE * self._dropped

    def _grid(self, kernel: Any) -> tuple[Any, Any]:  # noqa: ANN401
        """Give the step of every weight, and the weights on their grids; one with no bits left is zero."""
        dropped = tf.cast(tf.round(_RATE * self._dropped), tf.int32)
        step = tf.gather(tf.constant(self._steps, tf.float32), dropped)  # exact, which a power need not be
        limit = 2.0**self._integer
        codes = tf.clip_by_value(tf.round(kernel / step), -limit / step, tf.maximum(limit / step - 1, 0.0))
        return step, tf.stop_gradient(codes * step)

    def _rounded(self, kernel: Any) -> Any:  # noqa: ANN401
        fraction = self._learned_fraction()
        _, rounded = self._grid(kernel)
        limit = 2.0**self._integer
        error = tf.stop_gradient(tf.clip_by_value(kernel, -limit, limit - 2.0**-self._fraction) - rounded)
        through = (kernel - tf.stop_gradient(kernel)) + math.log(2) * error * (fraction - tf.stop_gradient(fraction))
        return rounded + through  # both differences are exactly zero


class PenalizedModel(tf_keras.Model):  # type: ignore[misc]
    """A network whose training minimizes its loss and the penalty; the loss that it states is the loss alone."""

    def penalize(self, widths: LearnedWidths, steps: int, epochs: int) -> None:
        """Set the penalty: it rises along a logarithm, from one optimizer step to the next, and then stays.

        Parameters
        ----------
        steps
            Of the optimizer, an epoch.
        """
        self._first, self._last = math.log(widths.first), math.log(widths.penalty)
        self._rise = float(steps * (widths.end_epoch or epochs))

    @property
    def learned(self) -> tuple[LearnedBits, ...]:
        """The layers whose bits are learned."""
        return tuple(layer for layer in self.layers if isinstance(layer, LearnedBits))

    def compute_loss(
        self,
        x: Any = None,  # noqa: ANN401
        y: Any = None,  # noqa: ANN401
        y_pred: Any = None,  # noqa: ANN401
        sample_weight: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Give the loss with the penalty; Keras states what `super` gives."""
        loss = super().compute_loss(x, y, y_pred, sample_weight)
        progress = tf.minimum(tf.cast(self.optimizer.iterations, tf.float32) / self._rise, 1.0)
        penalty = tf.exp(self._first + progress * (self._last - self._first))
        return loss + penalty * tf.add_n([layer.cost() for layer in self.learned])
