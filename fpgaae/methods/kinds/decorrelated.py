"""An autoencoder whose score says little about a nuisance variable, by an adversary that tries to predict it.

After G. Louppe, M. Kagan & K. Cranmer, "Learning to pivot with adversarial networks", arXiv 1611.01046. With s
the logarithm of the squared error and v the nuisance in units of its spread, the adversary r minimises
L_r = E (v - r(s))^2; the autoencoder minimises its own loss - strength * min(L_r, 1). Where L_r is 1 the score says
nothing of the mean of v.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from fpgaae.methods.autoencoder import Autoencoder
from fpgaae.methods.base import Batch, MethodOptions, Networks, Objective, Phase, Step, Tensor, Terms, variables_of
from fpgaae.methods.lazy import keras, ops
from fpgaae.methods.networks import dense, dense_layers
from fpgaae.methods.reconstruction import squared_error

_HIDDEN = (32, 32)


class DecorrelatedOptions(MethodOptions):
    """Keys of `method` for the decorrelated autoencoder."""

    nuisance: Literal["ht", "multiplicity", "mean"] = "ht"  # see `fpgaae.training.methods.quantities`
    strength: Annotated[float, Field(ge=0, le=1e6)] = 1.0  # weight of the adversary's loss; 0: a plain autoencoder
    adversary_updates: Annotated[int, Field(ge=1, le=20)] = 2  # a batch, before one of the autoencoder


class DecorrelatedAutoencoder(Autoencoder):
    """A dense autoencoder, and an adversary that sees its score."""

    options_class = DecorrelatedOptions
    options: DecorrelatedOptions
    columns = ("nuisance",)

    def build(self) -> dict[str, Any]:
        """Build the dense autoencoder and the adversary."""
        score = keras.Input((1,), name="score")
        guess = dense(dense_layers(score, "hidden", _HIDDEN, "tanh"), "guess", 1)
        return {**super().build(), "adversary": keras.Model(score, guess, name="adversary")}

    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give both players' losses."""
        return {**self._adversary(networks, batch, step), **self._autoencoder(networks, batch, step)}

    def phases(self) -> tuple[Phase, ...]:
        """Train the adversary some times, then the autoencoder once, on every batch."""
        adversary = Objective(self._adversary, variables_of("adversary"), self.options.adversary_updates)
        return (Phase("training", 1.0, (adversary, Objective(self._autoencoder, variables_of("encoder", "decoder")))),)

    def _adversary(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        del step
        return {"adversary": self._adversary_loss(networks, batch, self.reconstruct(networks, batch["x"]))}

    def _autoencoder(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        reconstruction = self.reconstruct(networks, batch["x"])
        unknown = ops.minimum(self._adversary_loss(networks, batch, reconstruction), 1.0)
        return {
            "reconstruction": self.mean_error(batch["x"], reconstruction),
            "dependence": step.knobs["strength"] * (1.0 - unknown),
        }

    def _adversary_loss(self, networks: Networks, batch: Batch, reconstruction: Tensor) -> Tensor:
        score = ops.log(squared_error(batch["x"], reconstruction) + 1e-3)
        guess = networks["adversary"](score[:, None])[:, 0]
        return ops.mean(ops.square(batch["nuisance"] - guess))
