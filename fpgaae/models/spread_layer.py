"""The pixels of an image further apart, with zeros between and around them, as a Keras 2 layer.

This module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.spread import Spread as GoldenSpread


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class Spread(tf_keras.layers.Layer):
    """An image, (n, height, width, channels), or what has one dimension, (n, width, channels).

    Parameters
    ----------
    strides
        How many rows and columns apart the pixels come to lie.
    padding
        Rows and columns of zeros around it: top, bottom, left, right. Of a negative number as many are left out.
    """

    def __init__(self, strides: Sequence[int], padding: Sequence[int], **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.strides = [int(n) for n in strides]
        self.padding = [int(n) for n in padding]

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Move the pixels."""
        if len(x.shape) == 3:
            return tf.squeeze(self._moved(x[:, None]), axis=1)
        return self._moved(x)

    def _moved(self, x: tf.Tensor) -> tf.Tensor:
        (_, height, width, channels), (down, right) = x.shape, self.strides
        apart = tf.pad(x[:, :, None, :, None, :], [[0, 0], [0, 0], [0, down - 1], [0, 0], [0, right - 1], [0, 0]])
        whole = tf.reshape(apart, (-1, height * down, width * right, channels))
        whole = whole[:, : (height - 1) * down + 1, : (width - 1) * right + 1]
        around = [max(n, 0) for n in self.padding]
        padded = tf.pad(whole, [[0, 0], around[:2], around[2:], [0, 0]])
        top, bottom, left, end = (max(-n, 0) for n in self.padding)
        return padded[:, top : padded.shape[1] - bottom, left : padded.shape[2] - end]

    def golden(self, source: Layer) -> GoldenSpread:
        """Give its exact integer form behind a golden layer."""
        top, bottom, left, right = self.padding
        return GoldenSpread.of(self.name, source, (self.strides[0], self.strides[1]), (top, bottom, left, right))

    def get_config(self) -> dict[str, Any]:
        """Give what the layer is made from."""
        return {**super().get_config(), "strides": self.strides, "padding": self.padding}
