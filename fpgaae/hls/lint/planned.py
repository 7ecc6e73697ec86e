"""The model that an experiment will deploy, described before anything is trained.

`integer_bits: auto` is not known yet: it lies between 0 and what leaves a sign and one bit behind the point
(`fpgaae.training.widths`). The rules look at both ends; only the alignment of a bias or of two inputs depends on it.
A test holds this against the model that `build_quantized` makes.
"""

from __future__ import annotations

from enum import Enum
from math import ceil, log2
from typing import Any

from fpgaae.config import Config, InputWidth, ModelKind, Width
from fpgaae.data.layout import hardware_features
from fpgaae.hls.lint.description import LayerDescription, ModelDescription
from fpgaae.models.float_weights import LOG_VARIANCE_LIMIT

_LINEAR = frozenset({"mu", "log_variance", "latent", "reconstruction"})


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


def describe_planned(config: Config, auto: AutoBits) -> ModelDescription:
    """Describe the deployed model of an experiment."""
    model, n_features = config.model, len(hardware_features(config.data.hardware))
    layers = [LayerDescription("features", "InputLayer", {"batch_input_shape": [None, n_features]}, ())]

    def quantize(name: str, source: str, width: Width | InputWidth, *, relu: bool = False) -> str:
        kind, rest = ("quantized_relu", "") if relu else ("quantized_bits", ",0,alpha=1")
        text = f"{kind}({width.bits},{auto.of(width, name)}{rest})"
        layers.append(LayerDescription(name, "QActivation", {"activation": text}, (source,)))
        return name

    def dense(name: str, source: str, units: int) -> str:
        width = config.weight_width(name)
        text = f"quantized_bits({width.bits},{auto.of(width)},0,alpha=1)"
        options: dict[str, Any] = {"units": units, "use_bias": True, "kernel_quantizer": text, "bias_quantizer": text}
        layers.append(LayerDescription(name, "QDense", options, (source,)))
        relu = name not in _LINEAR
        return quantize(f"{name}_{'relu' if relu else 'quantized'}", name, config.activation_width(name), relu=relu)

    inputs = x = hidden = quantize("features_quantized", "features", config.quantization.inputs)
    units = dict(zip((f"encoder_{i}" for i in range(1, len(model.encoder) + 1)), model.encoder, strict=True))
    units |= dict(zip((f"decoder_{i}" for i in range(1, len(model.decoder) + 1)), model.decoder, strict=True))
    scored: list[str] = []
    for name in model.deployed_layers:
        source = hidden if name in {"mu", "log_variance"} else x  # these two read the last hidden layer
        x = dense(name, source, n_features if name == "reconstruction" else units.get(name, model.latent))
        if name in {"mu", "log_variance"}:
            scored.append(x)
        elif name.startswith("encoder_"):
            hidden = x
    read = tuple(scored) if model.kind is ModelKind.VARIATIONAL else (inputs, x)
    kind = "".join(part.capitalize() for part in model.score.value.split("_")) + "Score"
    options = {"fraction_bits": config.quantization.score_table_fraction_bits} if model.score.needs_variance else {}
    layers.append(LayerDescription("score", kind, options, read))
    return ModelDescription(tuple(layers), ("score",))
