"""The stacked denoising autoencoder: each layer learns to denoise what the layer below puts out, then all together.

Vincent et al., JMLR 11 (2010) 3371. Every dense layer of the encoder is paired with the one of the decoder that undoes
it, so that both must mirror each other.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fpgaae.errors import ConfigError
from fpgaae.methods.base import Batch, Networks, Objective, Phase, Step, Tensor, Terms
from fpgaae.methods.kinds.denoising import DenoisingAutoencoder
from fpgaae.methods.lazy import ops
from fpgaae.methods.noise import NoiseOptions, corrupted


class StackedOptions(NoiseOptions):
    """Keys of `method` for a layer-wise pre-training."""

    pretraining_share: Annotated[float, Field(gt=0, lt=1)] = 0.4  # of the epochs, in equal parts for the layers


class StackedDenoisingAutoencoder(DenoisingAutoencoder):
    """A denoising autoencoder whose weights start from those of its layers, trained one by one."""

    options_class = StackedOptions
    options: StackedOptions

    def build(self) -> dict[str, Any]:
        """Build the encoder and the decoder that mirrors it.

        Raises
        ------
        ConfigError
            If it does not.
        """
        plan = (*self.setting.encoder_plan, *self.setting.decoder_plan)
        mirrored = self.setting.decoder == self.setting.encoder[::-1]
        if not mirrored or any(layer.kind not in {"Dense", "ReLU"} for layer in plan):
            raise ConfigError(
                "the method stacked_denoising pairs dense layers of `model.encoder` and `model.decoder`, which must "
                f"mirror each other, not {list(self.setting.encoder)} and {list(self.setting.decoder)}; change one"
            )
        return super().build()

    def phases(self) -> tuple[Phase, ...]:
        """Give one phase a layer, then the one of all."""
        n_layers = len(self.setting.encoder) + 1
        share = self.options.pretraining_share / n_layers
        layers = tuple(Phase(f"layer {i + 1}", share, (self._objective(i),)) for i in range(n_layers))
        return (*layers, Phase("all layers", 1 - self.options.pretraining_share, super().phases()[0].objectives))

    def _objective(self, index: int) -> Objective:
        def terms(networks: Networks, batch: Batch, step: Step) -> Terms:
            below = ops.stop_gradient(self._below(networks, batch["x"], index))
            noisy = self._corrupted(batch["x"], below, index, step)
            down, up = self._pair(networks, index)
            inner = up(self._activated(down(noisy), index < len(self.setting.encoder)))
            error = ops.square(below - self._activated(inner, index > 0))
            return {"reconstruction": ops.mean(error)}

        def variables(networks: Networks) -> list[Any]:
            down, up = self._pair(networks, index)
            return [*down.trainable_variables, *up.trainable_variables]

        return Objective(terms, variables)

    def _below(self, networks: Networks, x: Tensor, index: int) -> Tensor:
        """Give what the layer reads: the events through the layers below."""
        for i in range(index):
            x = self._activated(self._pair(networks, i)[0](x), True)
        return x

    def _corrupted(self, x: Tensor, below: Tensor, index: int, step: Step) -> Tensor:
        """Corrupt events as the config says, and hidden values by noise in units of their spread or by zeros."""
        if index == 0:
            return corrupted(self.options, self.setting, x, step)
        amount = step.knobs["amount"]
        if self.options.noise == "gaussian":
            return below + amount * ops.std(below, axis=0, keepdims=True) * step.normal(ops.shape(below))
        return below * ops.cast(step.uniform(ops.shape(below)) >= amount, below.dtype)

    def _pair(self, networks: Networks, index: int) -> tuple[Any, Any]:
        """Give a layer of the encoder, and the one of the decoder that undoes it."""
        n_hidden = len(self.setting.encoder)
        down = "latent" if index == n_hidden else f"encoder_{index + 1}"
        up = "reconstruction" if index == 0 else f"decoder_{n_hidden - index + 1}"
        return networks["encoder"].get_layer(down), networks["decoder"].get_layer(up)

    @staticmethod
    def _activated(x: Tensor, hidden: bool) -> Tensor:
        return ops.relu(x) if hidden else x
