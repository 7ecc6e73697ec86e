"""The events of a method as arrays: the clipped float inputs that the float network of the config's `model` sees, too.

Columns that a method wants beside them (`Method.columns`) are made here, by name, from `COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Hardware
from fpgaae.config.layers import RECONSTRUCTION, Convolution, Dense, NamedLayer
from fpgaae.config.model import ModelKind
from fpgaae.data.features import FeatureMap
from fpgaae.data.inputs import Split, open_split
from fpgaae.data.layout import QUANTITIES
from fpgaae.errors import InputError
from fpgaae.methods.base import Setting
from fpgaae.models.plan import plan_network
from fpgaae.runs.run import StageRun
from fpgaae.training.methods.quantities import nuisance_column

Columns = dict[str, NDArray[np.float32]]  # "x": (n, n_features); others: (n,) or (n, ...)
ColumnMaker = Callable[[StageRun, str, str], NDArray[np.float32]]  # run, process, split -> one an event
COLUMNS: Mapping[str, ColumnMaker] = {"nuisance": nuisance_column}


def load_columns(run: StageRun, process: str, split: str, wanted: tuple[str, ...] = ()) -> Columns:
    """Read the events of a process in a split, in the order of the file, with the columns that a method wants."""
    opened = open_split(run, split)._replace(process=process)
    return {"x": load_inputs(opened), **{name: COLUMNS[name](run, process, split) for name in wanted}}


def load_inputs(split: Split) -> NDArray[np.float32]:
    """Read the clipped inputs of a split, (n, n_features)."""
    blocks = [split.clipped(block) for block in split.ordered_blocks()]
    if not blocks:
        raise InputError(
            f"the split `{split.name}` of `{split.process}` has no event; give more events or change `data.split`"
        )
    return np.concatenate(blocks)


def setting_of(run: StageRun, x: NDArray[np.float32]) -> Setting:
    """Say to a method what it must know of the experiment and of the training events."""
    config, features = run.config, open_split(run, "train").features
    wide = x.astype(np.float64)
    variance: Any = wide.var(axis=0)
    model = config.model
    plan = plan_network(model.model_copy(update={"kind": ModelKind.AUTOENCODER}), config.data.hardware.image_shape)
    layers = plan.layers
    latent = next(index for index, layer in enumerate(layers) if layer.name == "latent")
    return Setting(
        n_features=x.shape[1],
        image_shape=config.data.hardware.image_shape,
        encoder=_widths(model.encoder_layers),
        latent=model.latent,
        decoder=_widths(model.decoder_layers),
        encoder_plan=layers[1:latent],
        decoder_plan=layers[latent + 1 :],
        mean=wide.mean(axis=0).astype(np.float32),
        variance=variance.astype(np.float32),
        low=x.min(axis=0),
        high=x.max(axis=0),
        empty=_empty(features, 3 if config.data.hardware.array is None else 1),
        precision=config.training.reference.precision,
        blank=features.values(np.zeros((1, len(features)), dtype=np.int64))[0].astype(np.float32),
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
