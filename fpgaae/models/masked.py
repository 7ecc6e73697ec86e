"""Layers of which weights can be taken away (Keras 3), for the pruning of the float reference.

When and how many are taken away does not belong here: `training.float_pruning` decides that.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any


class Masked(keras.layers.Layer):
    """A layer whose kernel is multiplied by a mask of ones and zeros, which no training changes.

    The mask is a weight of the layer, so that it works on every backend of Keras and is part of a checkpoint.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make kernel, bias and a mask that keeps everything."""
        super().build(input_shape)
        self.mask = self.add_weight(name="mask", shape=self.kernel.shape, initializer="ones", trainable=False)

    def prune(self, sparsity: float) -> None:
        """Take away the smallest weights until a share of the kernel is gone, to the nearest weight, for good."""
        kernel = self.pruned_kernel
        n_removed = kernel.size - round(kernel.size * (1 - sparsity))  # as TensorFlow Model Optimization counts
        removed = np.argsort(np.abs(kernel), axis=None, kind="stable")[:n_removed]
        mask = np.asarray(self.mask).copy().reshape(-1)
        mask[removed] = 0
        self.mask.assign(mask.reshape(kernel.shape))

    @property
    def pruned_kernel(self) -> Any:  # noqa: ANN401
        """The kernel with its removed weights exactly zero."""
        return np.asarray(self.kernel) * np.asarray(self.mask)


@keras.saving.register_keras_serializable(package="fpgaae")
class MaskedDense(Masked, keras.layers.Dense):
    """Dense layer with a mask."""

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Compute x (kernel * mask) + bias."""
        del training
        return ops.matmul(inputs, self.kernel * self.mask) + self.bias


@keras.saving.register_keras_serializable(package="fpgaae")
class MaskedConv2D(Masked, keras.layers.Conv2D):
    """Two-dimensional convolution with a mask."""

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the convolution of x with kernel * mask, and add the bias."""
        sums = ops.conv(
            inputs, self.kernel * self.mask, strides=self.strides, padding=self.padding, data_format=self.data_format
        )
        return sums + self.bias
