"""What the methods with a generator and a judge share: their networks, the prior, and sampling."""

from __future__ import annotations

from typing import Any

from fpgaae.methods.base import Method, Networks, Setting, Step, Tensor
from fpgaae.methods.lazy import keras
from fpgaae.methods.networks import dense, dense_decoder, dense_layers


class Adversarial(Method):
    """A generator of events from unit normal latents, and a network that judges events by one number."""

    judge: str  # name of that network

    def build(self) -> dict[str, Any]:
        """Build the generator, which is the decoder of `model`, and the judge, with the widths of its encoder."""
        return {"generator": dense_decoder(self.setting), self.judge: judge_network(self.setting, self.judge)}

    def sample(self, networks: Networks, n: int, step: Step) -> Tensor:
        """Give events of unit normal latents."""
        return networks["generator"](step.normal((n, self.setting.latent)))

    def decode(self, networks: Networks, z: Tensor) -> Tensor:
        """Give the events (n, n_features) of latents (n, k)."""
        return networks["generator"](z)


def judge_network(setting: Setting, name: str) -> Any:  # noqa: ANN401
    """Give the network (n, n_features) -> (n, 1) with hidden layers as in `model.encoder`, leaky rectified.

    A rectifier that is closed for all events would stop the gradient that the generator learns from.
    """
    features = keras.Input((setting.n_features,), name="features")
    x = dense_layers(features, "hidden", setting.encoder, "leaky_relu")
    return keras.Model(features, dense(x, "judgement", 1), name=name)
