"""The trigger block as one object (NumPy only): words of its ports in, score and decisions out, in exact integers.

A word is what the trigger sends, as `data.hardware` declares it; where it declares none, the hardware integer itself.

What every form of the firmware is made from, and compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType, Tensor
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.cell import BinnedSum
from fpgaae.golden.network import GOLDEN_FILE, IntegerNetwork


@dataclass(frozen=True)
class GoldenTrigger:
    """The features, the network that reads them, and the thresholds of its score as soon as they are chosen."""

    features: FeatureMap
    network: IntegerNetwork

    @property
    def accept(self) -> Accept:
        """The decisions.

        Raises
        ------
        InputError
            If the network has none.
        """
        found = self.network.accept
        if found is None:
            raise InputError("the golden network has no thresholds; run the stage `convert` again")
        return found

    @property
    def thresholds(self) -> Codes:
        """Codes of the score above which an event is accepted: (n_thresholds,), or (n_thresholds, n_cells)."""
        return self.accept.thresholds

    def thresholds_for_all(self, what: str) -> list[int]:
        """Give the thresholds for a use that has one register for each, whatever the event.

        Raises
        ------
        InputError
            If they follow sums over an event.
        """
        if self.network.cell is not None:
            raise InputError(
                f"{what} has one register a threshold, and these follow sums over an event; leave trigger.decorrelate "
                "out and run `convert` again, or take the Verilog of the stage `trace`"
            )
        return [int(code) for code in self.thresholds]

    def with_thresholds(
        self, thresholds: Codes, sums: Sequence[BinnedSum] = (), *, reloadable: bool = False
    ) -> GoldenTrigger:
        """Add the decisions to a network that has none: see `IntegerNetwork.with_thresholds`."""
        return replace(self, network=self.network.with_thresholds(thresholds, sums, reloadable=reloadable))

    @property
    def behind_words(self) -> GoldenTrigger:
        """The same for hardware codes that are no words any more, such as those of the event store."""
        return replace(self, features=self.features.without_words())

    def input_codes(self, words: NDArray[np.integer]) -> Codes:
        """Give the network's input codes of the words that a port can carry, (n_events, n_features) each."""
        return self.features.input_codes_of_words(words, self.network.layers[0].types)

    def saturated_inputs(self, words: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Tell which events have an input that saturates in front of the network, (n_events,)."""
        codes = self.features.codes_of_words(words)
        return np.asarray(self.features.saturates(codes, self.network.layers[0].types).any(axis=1))

    def cells(self, words: NDArray[np.integer]) -> Codes | None:
        """Give the cell of each event whose thresholds it gets, (n_events,); None where there are no cells."""
        if self.network.cell is None:
            return None
        hardware = self.features.codes_of_words(words)
        return np.asarray(self.network.cell.run([Tensor(hardware, 0)]).codes[:, 0])

    def run(self, words: NDArray[np.integer]) -> dict[str, Tensor]:
        """Compute every layer's codes from words, by layer name in graph order."""
        return self.network.run(self.input_codes(words), cells=self.cells(words))

    def scores(self, words: NDArray[np.integer]) -> Codes:
        """Compute the score's code of each event, (n_events,)."""
        return self.run(words)[self.network.score.name].codes[:, 0]

    @property
    def outputs(self) -> tuple[Layer, ...]:
        """The layers that leave the block, in the order of its results: score, decisions, the latents of a port."""
        return (self.network.score, self.accept, *self.network.ports)

    @property
    def names_of_outputs(self) -> list[str]:
        """Names of `outputs`, in graph order."""
        names = {layer.name for layer in self.outputs}
        return [layer.name for layer in self.network.layers if layer.name in names]

    @property
    def result_types(self) -> tuple[FixedPointType, ...]:
        """Type of each result, (n_results,)."""
        return tuple(layer.type for layer in self.outputs for _ in range(layer.size))

    def results(self, words: NDArray[np.integer]) -> Codes:
        """Compute the codes of all `outputs` of each event, (n_events, n_results)."""
        tensors = self.run(words)
        return np.concatenate([tensors[layer.name].codes for layer in self.outputs], axis=1)

    def of_outputs(self, results: Codes) -> dict[str, tuple[Codes, FixedPointType]]:
        """Take results (n_events, n_results) apart: codes and type of each of `outputs`, in graph order."""
        ends = accumulate(layer.size for layer in self.outputs)
        found = {
            layer.name: (results[:, end - layer.size : end], layer.type)
            for layer, end in zip(self.outputs, ends, strict=True)
        }
        return {name: found[name] for name in self.names_of_outputs}

    def score_and_decisions(self, words: NDArray[np.integer]) -> Codes:
        """Compute the codes of score and decisions of each event, (n_events, 1 + n_thresholds)."""
        tensors = self.run(words)
        return np.concatenate([tensors[name].codes for name in (self.network.score.name, self.accept.name)], axis=1)

    @classmethod
    def load(cls, convert: Path, features: FeatureMap) -> GoldenTrigger:
        """Read the network of a finished stage `convert` out of its folder.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        return cls(features, IntegerNetwork.load(convert / GOLDEN_FILE))
