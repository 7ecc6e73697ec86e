"""The deployed network in exact integers (NumPy only): the golden codes that firmware is compared with.

Every tensor is an array of int64 codes with one number of fraction bits. No float rounds: a matrix product
runs in float64 only where the sum of all |products| stays below 2**53, where float64 is exact, and else in int64.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import ChannelTypes, Codes, FixedPointType, Tensor
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.cell import BinnedSum, Cell
from fpgaae.golden.layers.moved import Port
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.registry import layer_class
from fpgaae.golden.scores.base import ScoreLayer

GOLDEN_FILE = "golden.npz"
ACCEPT_LAYER = "accept"
CELL_LAYER = "cell"
_FLOAT64_BITS = 53


@dataclass(frozen=True)
class IntegerNetwork:
    """The layers in graph order; the last one is the score, or the decisions made from it."""

    layers: tuple[Layer, ...]

    @property
    def input_type(self) -> FixedPointType:
        """Type of the network's inputs; where each has its own, the one that holds the codes of all."""
        return self.layers[0].type

    @property
    def weighted(self) -> tuple[Weighted, ...]:
        """The layers with weights."""
        return tuple(layer for layer in self.layers if isinstance(layer, Weighted))

    @property
    def ports(self) -> tuple[Port, ...]:
        """The ports beside score and decisions."""
        return tuple(layer for layer in self.layers if isinstance(layer, Port))

    @property
    def reloadable(self) -> bool:
        """Whether its weights can be loaded at run time."""
        return any(layer.reloadable for layer in self.weighted)

    @property
    def score(self) -> Layer:
        """The layer that holds the anomaly score; in a network without one, the last."""
        return next((layer for layer in self.layers if isinstance(layer, ScoreLayer)), self.layers[-1])

    @property
    def accept(self) -> Accept | None:
        """The decisions, where thresholds are chosen."""
        return next((layer for layer in self.layers if isinstance(layer, Accept)), None)

    @property
    def cell(self) -> Cell | None:
        """What the thresholds are looked up by, where they follow sums of hardware integers."""
        return next((layer for layer in self.layers if isinstance(layer, Cell)), None)

    def with_thresholds(
        self, thresholds: Codes, sums: Sequence[BinnedSum] = (), *, reloadable: bool = False
    ) -> IntegerNetwork:
        """Add the decisions: one bit a threshold, 1 where the score's code is above it.

        Parameters
        ----------
        thresholds
            (n_thresholds,) codes of the score's type; with sums, (n_thresholds, n_cells).
        sums
            Whose bins are the cells.
        reloadable
            Whether others can be loaded: see `fpgaae.golden.loaded_thresholds`.
        """
        cells = (Cell.of(CELL_LAYER, sums),) if sums else ()
        accept = Accept.of(ACCEPT_LAYER, self.score, thresholds, *cells, reloadable=reloadable)
        return IntegerNetwork((*self.layers, *cells, accept))

    def __getitem__(self, name: str) -> Layer:
        """Give a layer by name."""
        return {layer.name: layer for layer in self.layers}[name]

    def sources(self, layer: Layer) -> tuple[Layer, ...]:
        """Give the layers that one reads, in order."""
        return tuple(self[name] for name in layer.inputs)

    def run(
        self, input_codes: Codes, injected: Mapping[str, Codes] | None = None, cells: Codes | None = None
    ) -> dict[str, Tensor]:
        """Compute every layer's codes, by layer name in graph order.

        Parameters
        ----------
        input_codes
            (n_events, n_features) codes of the input type.
        injected
            By layer: codes (n_events, size) of its type that the layers behind it get in the place of its output.
        cells
            (n_events,) cells, where thresholds are looked up by them: inputs do not tell them. None: all in the first.
        """
        tensors: dict[str, Tensor] = {}
        passed_on: dict[str, Tensor] = {}
        for layer in self.layers:
            inputs = [passed_on[name] for name in layer.inputs]
            if isinstance(layer, Cell):
                found = np.zeros(len(input_codes), dtype=np.int64) if cells is None else cells
                tensors[layer.name] = Tensor(found[:, None], 0)
            else:
                tensors[layer.name] = layer.run(inputs or [Tensor(input_codes, layer.types.fraction)])
            replaced = (injected or {}).get(layer.name)
            passed_on[layer.name] = tensors[layer.name] if replaced is None else Tensor(replaced, layer.types.fraction)
        return tensors

    def float32_holds(self) -> dict[str, bool]:
        """Tell for each layer whether single precision can't round: no sum of |products| on the way passes 2**24.

        Where it is False, a float32 prediction of the Keras model may differ from the exact codes.
        """
        exact: dict[str, bool] = {}
        for layer in self.layers:
            here = layer.largest_sum(self.sources(layer)) <= 2**24
            exact[layer.name] = here and all(exact[name] for name in layer.inputs)
        return exact

    def save(self, file: Path) -> None:
        """Write the network to an npz file."""
        description = [layer.entry() for layer in self.layers]
        arrays: dict[str, Any] = {"layers": np.array(json.dumps(description))}
        for layer in self.layers:
            arrays |= {f"{layer.name}/{name}": codes for name, codes in layer.arrays().items()}
        np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, file: Path) -> IntegerNetwork:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
                description = json.loads(str(content["layers"]))
                return cls(tuple(layer_class(entry["kind"]).read(entry, content) for entry in description))
        except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(
                f"{file} is not a readable golden network ({error}); run the stage `convert` again"
            ) from None


def refuse_wide(network: IntegerNetwork) -> IntegerNetwork:
    """Give a network back whose codes float64 holds.

    Raises
    ------
    InputError
        If a layer needs more bits.
    """
    for layer in network.layers:
        if layer.type.width > _FLOAT64_BITS:
            raise InputError(
                f"the layer {layer.name} needs {layer.type.width} bits, more than the {_FLOAT64_BITS} that "
                "Keras can be compared in; use narrower inputs or weights"
            )
    return network


def refuse_channel_types(network: IntegerNetwork, what: str) -> None:
    """Refuse types that are given per channel, for a form of the firmware that has one a layer.

    Raises
    ------
    InputError
        If a layer has some.
    """
    for layer in network.layers:
        if any(isinstance(types, ChannelTypes) for types in layer.channel_types):
            raise InputError(
                f"the layer {layer.name} has a type a channel, and {what} has one a layer; give all of its channels "
                "the same bits"
            )
