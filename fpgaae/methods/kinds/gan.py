"""The generative adversarial network (Goodfellow et al., arXiv 1406.2661), with the non-saturating generator loss."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fpgaae.methods.adversarial import Adversarial
from fpgaae.methods.base import (
    Batch,
    MethodOptions,
    Networks,
    Objective,
    Phase,
    Step,
    Terms,
    variables_of,
)
from fpgaae.methods.lazy import ops

_DISCRIMINATOR = "discriminator"


class GanOptions(MethodOptions):
    """Keys of `method` for a generative adversarial network."""

    discriminator_updates: Annotated[int, Field(ge=1, le=20)] = 1  # a batch, before one of the generator
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = (
        0.1  # a true event counts as 1 minus this (arXiv 1606.03498)
    )


class GenerativeAdversarialNetwork(Adversarial):
    """Generator and discriminator, updated in turn."""

    options_class = GanOptions
    options: GanOptions
    judge = _DISCRIMINATOR

    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give both players' losses."""
        return {**self._discriminator(networks, batch, step), **self._generator(networks, batch, step)}

    def phases(self) -> tuple[Phase, ...]:
        """Train the discriminator some times, then the generator once, on every batch."""
        return (
            Phase(
                "training",
                1.0,
                (
                    Objective(self._discriminator, variables_of(_DISCRIMINATOR), self.options.discriminator_updates),
                    Objective(self._generator, variables_of("generator")),
                ),
            ),
        )

    def _discriminator(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        real = networks[_DISCRIMINATOR](batch["x"])
        made = networks[_DISCRIMINATOR](self.sample(networks, ops.shape(batch["x"])[0], step))
        smoothing = step.knobs["label_smoothing"]
        # -(1 - a) log D - a log(1 - D), with log D = -softplus(-logit)
        true_loss = (1 - smoothing) * ops.softplus(-real) + smoothing * ops.softplus(real)
        return {"true_events": ops.mean(true_loss), "made_events": ops.mean(ops.softplus(made))}

    def _generator(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        made = networks[_DISCRIMINATOR](self.sample(networks, ops.shape(batch["x"])[0], step))
        return {"generator": ops.mean(ops.softplus(-made))}
