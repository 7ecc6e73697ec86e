"""The Wasserstein GAN (Arjovsky, Chintala & Bottou, arXiv 1701.07875): a critic f with slopes of at most 1.

Its largest E f(true) - E f(made) is the earth mover's distance. The slopes are held by a penalty on the gradient
(Gulrajani et al., arXiv 1704.00028), lambda (|df/dx| - 1)^2 between true and made events, or by clipping the weights.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fpgaae.methods.adversarial import Adversarial
from fpgaae.methods.base import (
    Batch,
    MethodOptions,
    Networks,
    Objective,
    Phase,
    Step,
    Tensor,
    Terms,
    variables_of,
)
from fpgaae.methods.lazy import input_gradient, ops

_CRITIC = "critic"


class WganOptions(MethodOptions):
    """Keys of `method` for a Wasserstein GAN."""

    lipschitz: Literal["gradient_penalty", "clipping"] = "gradient_penalty"
    penalty: Annotated[float, Field(ge=0, le=1e6)] = 10.0  # weight of the gradient penalty
    clip: Annotated[float, Field(gt=0, le=1e6)] = 0.05  # largest weight of a critic that is clipped
    critic_updates: Annotated[int, Field(ge=1, le=20)] = 5  # a batch, before one of the generator


class WassersteinGan(Adversarial):
    """Generator and critic, updated in turn."""

    options_class = WganOptions
    options: WganOptions
    judge = _CRITIC

    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give both players' losses."""
        return {**self._critic(networks, batch, step), **self._generator(networks, batch, step)}

    def phases(self) -> tuple[Phase, ...]:
        """Train the critic some times, then the generator once, on every batch."""
        bound = self.options.clip if self.options.lipschitz == "clipping" else None
        critic = Objective(self._critic, variables_of(_CRITIC), self.options.critic_updates, bound)
        return (Phase("training", 1.0, (critic, Objective(self._generator, variables_of("generator")))),)

    def gradient_norm(self, networks: Networks, x: Tensor) -> Tensor:
        """Give |df/dx| of every event, (n,)."""
        gradient = input_gradient(lambda points: ops.sum(networks[_CRITIC](points)), x)
        return ops.sqrt(ops.sum(ops.square(gradient), axis=-1) + 1e-12)

    def _critic(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        real = batch["x"]
        made = self.sample(networks, ops.shape(real)[0], step)
        terms = {"critic": ops.mean(networks[_CRITIC](made)) - ops.mean(networks[_CRITIC](real))}
        if self.options.lipschitz == "gradient_penalty":
            share = step.uniform((ops.shape(real)[0], 1))
            slope = self.gradient_norm(networks, share * real + (1 - share) * made)
            terms["gradient_penalty"] = step.knobs["penalty"] * ops.mean(ops.square(slope - 1))
        return terms

    def _generator(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        return {"generator": -ops.mean(networks[_CRITIC](self.sample(networks, ops.shape(batch["x"])[0], step)))}
