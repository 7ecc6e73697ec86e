"""Anomaly scores as Keras 2 layers, so that the score is part of the converted graph.

Each has a kernel in `firmware/hls/`, an exact integer form in `fpgaae.golden.scores`, and its name in the config in its
class name (`fpgaae.models.keras_layers.score_kind`). In float64 a layer gives the exact values, too: its tables hold
numbers on the grid of the firmware's. This module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, codes_of, parse_type, values_of
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.scores.base import ScoreLayer as GoldenScore
from fpgaae.golden.scores.base import Table, function_table, score_class


def _total(terms: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(terms, axis=-1, keepdims=True)


class ScoreLayer(tf_keras.layers.Layer):
    """A layer that puts out one number an event, (n, 1)."""

    score: Score

    def golden(self, sources: Sequence[Layer]) -> GoldenScore:
        """Give its exact integer form behind the golden layers of its inputs.

        Raises
        ------
        InputError
            If it can't stand behind such layers.
        """
        return score_class(self.score).of(self.name, sources, *self.constants(sources))

    def constants(self, sources: Sequence[Layer]) -> tuple[Table, ...]:
        """Give the tables that the score reads beside its inputs."""
        del sources
        return ()


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class SquaredErrorScore(ScoreLayer):
    """Sum over the features of (x - x')^2: inputs [x, x'], each (n, n_features)."""

    score = Score.SQUARED_ERROR

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Compute the score."""
        x, reconstruction = inputs
        return _total(tf.square(x - reconstruction))


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class MaskedSquaredErrorScore(ScoreLayer):
    """Sum over the features of filled slots of (x - x')^2: inputs [x, x'], each (n, n_features).

    Parameters
    ----------
    empty
        What the first feature of each slot (its pT) is in an empty slot; a slot counts where it is larger.
    """

    score = Score.MASKED_SQUARED_ERROR

    def __init__(self, empty: Sequence[float], **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.empty = [float(value) for value in empty]

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Compute the score."""
        x, reconstruction = inputs
        size = x.shape[-1] // len(self.empty)
        filled = tf.cast(x[:, ::size] > tf.constant(self.empty, x.dtype), x.dtype)
        return _total(tf.repeat(filled, size, axis=-1) * tf.square(x - reconstruction))

    def constants(self, sources: Sequence[Layer]) -> tuple[Table, ...]:
        """Give the codes of empty slots in the type of the inputs."""
        of = sources[0].type
        return (Table(codes_of(np.array(self.empty), of), of),)

    def get_config(self) -> dict[str, Any]:
        """Give what the layer is made from."""
        return {**super().get_config(), "empty": self.empty}


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class AbsoluteErrorScore(ScoreLayer):
    """Sum over the features of |x - x'|: inputs [x, x'], each (n, n_features)."""

    score = Score.ABSOLUTE_ERROR

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Compute the score."""
        x, reconstruction = inputs
        return _total(tf.abs(x - reconstruction))


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class MaxAbsoluteErrorScore(ScoreLayer):
    """Largest of the features' |x - x'|: inputs [x, x'], each (n, n_features)."""

    score = Score.MAX_ABSOLUTE_ERROR

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Compute the score."""
        x, reconstruction = inputs
        return tf.reduce_max(tf.abs(x - reconstruction), axis=-1, keepdims=True)


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class MuSquaredScore(ScoreLayer):
    """Sum over the latents of mu^2: input (n, n_latent)."""

    score = Score.MU_SQUARED

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Compute the score."""
        return _total(tf.square(inputs))


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class RegressionScore(ScoreLayer):
    """The network's one output, which is never negative: input (n, 1)."""

    score = Score.REGRESSION

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Pass the output on."""
        return tf.identity(inputs)


class TableScoreLayer(ScoreLayer):
    """A score of [mu, log sigma^2], each (n, n_latent), with a table over the codes of the second.

    Parameters
    ----------
    argument
        Type of log sigma^2, such as `ap_fixed<8,4,AP_RND_CONV,AP_SAT>`.
    fraction_bits
        Bits behind the point of the table's entries.
    """

    def __init__(self, argument: str, fraction_bits: int, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.argument = argument
        self.fraction_bits = int(fraction_bits)

    @property
    def argument_type(self) -> FixedPointType:
        """Type of log sigma^2."""
        return parse_type(self.argument)

    @property
    def table(self) -> Table:
        """The table."""
        return function_table(self.score, self.argument_type, self.fraction_bits)

    def entries(self, log_variance: tf.Tensor) -> tf.Tensor:
        """Look up the value of each log sigma^2."""
        of, table = self.argument_type, self.table
        codes = tf.cast(tf.round(log_variance * 2.0**of.fraction), tf.int32)
        values = values_of(table.codes, table.type.fraction).astype(np.dtype(log_variance.dtype.as_numpy_dtype))
        return tf.gather(tf.constant(values), tf.bitwise.bitwise_and(codes, 2**of.width - 1))

    def constants(self, sources: Sequence[Layer]) -> tuple[Table, ...]:
        """Give the table, which must be one over the codes of the second input."""
        if self.argument_type[:3] != sources[1].type[:3]:
            raise InputError(
                f"the layer {self.name} has a table over {self.argument}, but its second input has the type "
                f"{sources[1].type}; make the layer with that type"
            )
        return (self.table,)

    def get_config(self) -> dict[str, Any]:
        """Give what the layer is made from."""
        return {**super().get_config(), "argument": self.argument, "fraction_bits": self.fraction_bits}


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class MuSquaredOverVarianceScore(TableScoreLayer):
    """Sum over the latents of mu^2 / sigma^2."""

    score = Score.MU_SQUARED_OVER_VARIANCE

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Compute the score."""
        mu, log_variance = inputs
        return _total(tf.square(mu) * self.entries(log_variance))


@tf_keras.utils.register_keras_serializable(package="fpgaae")
class KlDivergenceScore(TableScoreLayer):
    """Kullback-Leibler divergence of N(mu, sigma^2) from N(0, 1), summed over the latents."""

    score = Score.KL_DIVERGENCE

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Compute the score."""
        mu, log_variance = inputs
        return _total(0.5 * (tf.square(mu) + self.entries(log_variance)))


def _kinds(of: type[ScoreLayer]) -> Iterator[type[ScoreLayer]]:
    """Give the classes below one that state their score."""
    for kind in of.__subclasses__():
        if "score" in vars(kind):
            yield kind
        yield from _kinds(kind)


LAYER_OF_SCORE: dict[Score, type[ScoreLayer]] = {layer.score: layer for layer in _kinds(ScoreLayer)}
SCORE_LAYERS = {layer.__name__: layer for layer in LAYER_OF_SCORE.values()}
