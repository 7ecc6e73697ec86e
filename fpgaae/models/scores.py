"""Anomaly scores as Keras 2 layers, so that the score is part of the converted graph.

Each has a kernel in `firmware/hls/`, an exact integer form in `fpgaae.models.integer`, and a rule for hls4ml in
`fpgaae.hls.extension`. This module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class SquaredErrorScore(tf_keras.layers.Layer):
    """Sum over the features of (x - x')^2: inputs [x, x'], each (n, n_features); output (n, 1)."""

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Compute the score."""
        x, reconstruction = inputs
        return tf.reduce_sum(tf.square(x - reconstruction), axis=-1, keepdims=True)


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class MuSquaredScore(tf_keras.layers.Layer):
    """Sum over the latents of mu^2: input (n, n_latent), output (n, 1)."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Compute the score."""
        return tf.reduce_sum(tf.square(inputs), axis=-1, keepdims=True)


SCORE_LAYERS = {layer.__name__: layer for layer in (SquaredErrorScore, MuSquaredScore)}
