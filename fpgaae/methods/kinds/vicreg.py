"""An autoencoder on a frozen embedding that was learned without labels, by VICReg, as the AXOL1TL trigger does it.

Two copies of an event, each changed in what should not matter (smeared, objects dropped, turned around the beam), go
through an encoder and a projector. Of the projections Z and Z', (n, d), VICReg (Bardes, Ponce & LeCun,
arXiv 2105.04906) minimises

    lambda 1/n sum |z - z'|^2  +  mu (v(Z) + v(Z'))  +  nu (c(Z) + c(Z')),
    v(Z) = 1/d sum_j max(0, 1 - sqrt(Var(z_j) + 1e-4)),     c(Z) = 1/d sum_(i != j) Cov(z)_ij^2:

copies of one event lie together, every component keeps a spread of one, and no two say the same. Then the encoder is
frozen, and an autoencoder learns its embeddings e of events as they are; the score is |AE(e) - e|^2.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from fpgaae.methods.base import (
    Batch,
    Method,
    MethodOptions,
    Networks,
    Objective,
    Phase,
    ScoreFunction,
    Step,
    Tensor,
    Terms,
    variables_of,
)
from fpgaae.methods.lazy import keras, ops
from fpgaae.methods.networks import decoder_network, dense, dense_layers, encoder_network, planned_layers
from fpgaae.methods.reconstruction import filled, squared_error

_EPSILON = 1e-4
Weight = Annotated[float, Field(ge=0, le=1e6)]


class VicregOptions(MethodOptions):
    """Keys of `method` for an autoencoder on a VICReg embedding; `model` has the layers of both."""

    smearing: Weight = 0.1  # of the values of filled slots, in spreads of each input
    dropped: Annotated[float, Field(ge=0, lt=1)] = 0.1  # share of the slots that are emptied
    rotated: bool = True  # whether all phi of an event are turned by one angle
    invariance: Weight = 25.0
    variance: Weight = 25.0
    covariance: Weight = 1.0
    projector: Annotated[int, Field(ge=1, le=4096)] = 64  # width of the projections
    embedding_share: Annotated[float, Field(gt=0, lt=1)] = 0.6  # of the epochs, before the encoder is frozen


class VicregAutoencoder(Method):
    """An encoder trained by VICReg, and an autoencoder of what it puts out."""

    options_class = VicregOptions
    options: VicregOptions
    embeds = True

    def build(self) -> dict[str, Any]:
        """Build the network of `model.embedding`, the projector, and the autoencoder of embeddings."""
        features = keras.Input((self.setting.n_features,), name="features")
        embedding = keras.Input((self.setting.embedding,), name="embedded")
        width = self.options.projector
        projected = dense(dense_layers(embedding, "hidden", (width,)), "projection", width)
        return {
            "embedding": keras.Model(features, planned_layers(features, self.setting.embedding_plan), name="embedding"),
            "projector": keras.Model(embedding, projected, name="projector"),
            "encoder": encoder_network(self.setting),
            "decoder": decoder_network(self.setting),
        }

    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give the terms of both trainings."""
        return {**self._embedding(networks, batch, step), **self._autoencoder(networks, batch, step)}

    def phases(self) -> tuple[Phase, ...]:
        """Train the encoder first, then the autoencoder of its embeddings."""
        share = self.options.embedding_share
        return (
            Phase("embedding", share, (Objective(self._embedding, variables_of("embedding", "projector")),)),
            Phase("autoencoder", 1 - share, (Objective(self._autoencoder, variables_of("encoder", "decoder")),)),
        )

    def scores(self) -> dict[str, ScoreFunction]:
        """Give the squared error of the embedding."""
        return {"embedding_error": self._embedding_error}

    def encode(self, networks: Networks, x: Tensor) -> Tensor:
        """Give the embeddings (n, k)."""
        return networks["embedding"](x)

    def changed(self, x: Tensor, step: Step) -> Tensor:
        """Give copies of events that are turned around the beam, smeared, and have lost some objects."""
        options, setting = self.options, self.setting
        is_filled = filled(setting.n_features, setting.empty, x)
        scale = ops.convert_to_tensor(np.sqrt(setting.variance).astype(np.float32))
        x = x + is_filled * step.knobs["smearing"] * scale * step.normal(ops.shape(x))
        if options.rotated and setting.turn.any():
            turn, low = (ops.convert_to_tensor(own) for own in (setting.turn, setting.turn_low))
            turned = x + step.uniform((ops.shape(x)[0], 1)) * turn
            goes_round = ops.convert_to_tensor(setting.turn > 0)
            within = low + ops.mod(turned - low, ops.where(goes_round, turn, 1.0))
            x = ops.where(ops.logical_and(goes_round, is_filled > 0), within, x)
        size = setting.n_features // len(setting.empty)
        stays = ops.repeat(step.uniform((ops.shape(x)[0], len(setting.empty))) >= step.knobs["dropped"], size, axis=-1)
        return ops.where(stays, x, ops.convert_to_tensor(setting.blank))

    def _embedding(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        z, other = (networks["projector"](self.encode(networks, self.changed(batch["x"], step))) for _ in range(2))
        return {
            "invariance": step.knobs["invariance"] * ops.mean(squared_error(z, other)),
            "variance": step.knobs["variance"] * (collapse(z) + collapse(other)),
            "covariance": step.knobs["covariance"] * (redundancy(z) + redundancy(other)),
        }

    def _autoencoder(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        return {"embedding_error": ops.mean(self._embedding_error(networks, batch, step))}

    def _embedding_error(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        embedding = ops.stop_gradient(self.encode(networks, batch["x"]))
        return squared_error(embedding, networks["decoder"](networks["encoder"](embedding)))


def collapse(z: Tensor) -> Tensor:
    """Give v(Z): how far the components are from a spread of one, (n, d) -> scalar."""
    variance = ops.sum(ops.square(z - ops.mean(z, axis=0)), axis=0) / (ops.shape(z)[0] - 1)
    return ops.mean(ops.relu(1.0 - ops.sqrt(variance + _EPSILON)))


def redundancy(z: Tensor) -> Tensor:
    """Give c(Z): the squared covariances of different components, (n, d) -> scalar."""
    centred = z - ops.mean(z, axis=0)
    covariance = ops.matmul(ops.transpose(centred), centred) / (ops.shape(z)[0] - 1)
    different = 1.0 - ops.eye(z.shape[-1], dtype=z.dtype)
    return ops.sum(ops.square(covariance) * different) / z.shape[-1]
