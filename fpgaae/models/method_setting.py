"""What a float method is told of an experiment: the shape of its networks, and its training events in a few numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Hardware
from fpgaae.config.experiment import Config
from fpgaae.config.layers import RECONSTRUCTION, Convolution, Dense, NamedLayer
from fpgaae.config.model import EMBEDDING, ModelKind
from fpgaae.data.features import FeatureMap
from fpgaae.data.layout import QUANTITIES
from fpgaae.methods.base import Setting
from fpgaae.models.plan import plan_network


class InputMoments(NamedTuple):
    """What a method is told of the training events, a number an input each, (n_features,)."""

    mean: NDArray[np.float32]
    variance: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


def input_moments(x: NDArray[np.float32]) -> InputMoments:
    """Measure the inputs of the training events, (n, n_features)."""
    wide = x.astype(np.float64)
    variance: Any = wide.var(axis=0)
    return InputMoments(wide.mean(axis=0).astype(np.float32), variance.astype(np.float32), x.min(axis=0), x.max(axis=0))


def setting_of(config: Config, features: FeatureMap, moments: InputMoments) -> Setting:
    """Say to a method what it must know of the experiment and of the training events."""
    model = config.model
    plan = plan_network(model.model_copy(update={"kind": ModelKind.AUTOENCODER}), config.data.hardware.image_shape)
    layers = plan.layers
    at = {layer.name: index for index, layer in enumerate(layers)}
    latent, begin = at["latent"], at.get(EMBEDDING, 0) + 1
    return Setting(
        n_features=len(features),
        image_shape=config.data.hardware.image_shape,
        encoder=_widths(model.encoder_layers),
        latent=model.latent,
        decoder=_widths(model.decoder_layers),
        encoder_plan=layers[begin:latent],
        decoder_plan=layers[latent + 1 :],
        **moments._asdict(),
        empty=_empty(features, 3 if config.data.hardware.array is None else 1),
        precision=config.training.reference.precision,
        blank=features.values(np.zeros((1, len(features)), dtype=np.int64))[0].astype(np.float32),
        embedding=0 if model.embedding is None else model.embedding.width,
        embedding_plan=layers[1:begin],
        **_turns(config.data.hardware, features),
    )


def _turns(hardware: Hardware, features: FeatureMap) -> dict[str, NDArray[np.float32]]:
    """Give what a whole turn of each input is, and its smallest value; 0 for what is no angle."""
    steps = np.zeros(len(features), dtype=np.int64)
    slots = [kind for kind in hardware.objects for _ in range(kind.slots)]
    for slot, kind in enumerate(slots):
        place = len(QUANTITIES) * slot + QUANTITIES.index("phi")
        steps[place] = hardware.steps_of(kind) if features.features[place].hardware.bits else 0
    lowest = features.values(-(steps // 2)[None])[0]
    turn = steps * np.ldexp(1.0, -features.shifts)
    return {"turn": turn.astype(np.float32), "turn_low": np.where(steps > 0, lowest, 0).astype(np.float32)}


def _empty(features: FeatureMap, slot_size: int) -> NDArray[np.float32]:
    """Give what the first input of each slot is when its code is zero; a cell of an array is a slot of its own."""
    zeros = features.values(np.zeros((1, len(features)), dtype=np.int64))
    return zeros[0, ::slot_size].astype(np.float32)


def _widths(layers: tuple[NamedLayer, ...]) -> tuple[int, ...]:
    """Give units or filters of the hidden layers with weights."""
    return tuple(
        layer.dense if isinstance(layer, Dense) else layer.filters
        for name, layer in layers
        if isinstance(layer, Dense | Convolution) and name != RECONSTRUCTION
    )
