"""What the methods with a generator and a judge share: their networks, the prior, and sampling."""

from __future__ import annotations

from typing import Any

from fpgaae.methods.base import Batch, Method, Networks, ScoreFunction, Setting, Step, Tensor
from fpgaae.methods.lazy import keras, ops
from fpgaae.methods.networks import dense, dense_layers

_SAMPLED = 4096  # made events whose mean judgement is taken


class Adversarial(Method):
    """A generator of events from unit normal latents, and a network that judges events by one number."""

    judge: str  # name of that network

    def build(self) -> dict[str, Any]:
        """Build the generator, with the widths of `model.decoder`, and the judge, with those of `model.encoder`."""
        latents = keras.Input((self.setting.latent,), name="latents")
        x = dense_layers(latents, "hidden", self.setting.decoder, "relu")
        generator = keras.Model(latents, dense(x, "generated", self.setting.n_features), name="generator")
        return {"generator": generator, self.judge: judge_network(self.setting, self.judge)}

    def scores(self) -> dict[str, ScoreFunction]:
        """Give the distance of the judgement from that on made events, and the judgement, small for what seems made.

        Nothing teaches a judge what it is to say far from both kinds of events. What it says there is likely to lie
        beyond what it says of true ones, on either side, so that the distance is the better score.
        """
        return {f"{self.judge}_distance": self._distance, self.judge: self._judgement}

    def sample(self, networks: Networks, n: int, step: Step) -> Tensor:
        """Give events of unit normal latents."""
        return networks["generator"](step.normal((n, self.setting.latent)))

    def decode(self, networks: Networks, z: Tensor) -> Tensor:
        """Give the events (n, n_features) of latents (n, k)."""
        return networks["generator"](z)

    def _judgement(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        return -networks[self.judge](batch["x"])[:, 0]

    def _distance(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        usual = ops.mean(networks[self.judge](self.sample(networks, _SAMPLED, step)))
        return ops.absolute(networks[self.judge](batch["x"])[:, 0] - usual)


def judge_network(setting: Setting, name: str) -> Any:  # noqa: ANN401
    """Give the network (n, n_features) -> (n, 1) with hidden layers as in `model.encoder`, leaky rectified.

    A rectifier that is closed for all events would stop the gradient that the generator learns from.
    """
    features = keras.Input((setting.n_features,), name="features")
    x = dense_layers(features, "hidden", setting.encoder, "leaky_relu")
    return keras.Model(features, dense(x, "judgement", 1), name=name)
