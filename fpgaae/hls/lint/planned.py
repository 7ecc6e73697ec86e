"""The model that an experiment will deploy, described before anything is trained.

`integer_bits: auto` is not known yet: it lies between 0 and what leaves a sign and one bit behind the point
(`fpgaae.training.widths`). The rules look at both ends; only the alignment of a bias or of two inputs depends on it.
A test holds this against the model that `build_quantized` makes.
"""

from __future__ import annotations

from enum import Enum
from math import ceil, log2

from fpgaae.config.experiment import Config
from fpgaae.config.model import InputWidth, Width
from fpgaae.methods.networks import LOG_VARIANCE_LIMIT
from fpgaae.models.calibrate import quantizer_sites
from fpgaae.models.description import NetworkDescription
from fpgaae.models.plan import deployed_part, plan_deployed, plan_network
from fpgaae.models.resolved_widths import ResolvedWidth, Widths


class AutoBits(Enum):
    """Which end of its range stands for `integer_bits: auto`."""

    FEWEST = "fewest"
    MOST = "most"

    def of(self, width: Width | InputWidth, layer: str = "") -> int:
        """Give a width's integer bits; log sigma^2 is clipped in training, and never gets more than that needs."""
        if width.integer_bits != "auto":
            return width.integer_bits
        most = max(width.bits - 2, 0)
        if layer.startswith("log_variance"):
            most = min(most, ceil(log2(LOG_VARIANCE_LIMIT)))
        return 0 if self is AutoBits.FEWEST else most


def describe_planned(config: Config, auto: AutoBits) -> NetworkDescription:
    """Describe the deployed model of an experiment."""
    model, image = config.model, config.data.hardware.image_shape
    inputs = config.quantization.inputs
    widths = Widths(
        ResolvedWidth(inputs.bits, inputs.integer_bits),
        {n: ResolvedWidth(w.bits, auto.of(w)) for n in model.deployed_layers for w in [config.weight_width(n)]},
        {n: ResolvedWidth(w.bits, auto.of(w, n)) for n in model.rounded_layers for w in [config.activation_width(n)]},
    )
    sites = quantizer_sites(deployed_part(model, plan_network(model, image)))
    table = {"fraction_bits": config.quantization.score_table_fraction_bits} if model.score.needs_variance else {}
    return plan_deployed(model, image, widths.quantizers(sites), table)
