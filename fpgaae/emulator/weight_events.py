"""Events in which the error of a single weight shows, for an emulator's self-test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fpgaae.fixedpoint import ChannelTypes, Codes, FixedPointType, Tensor, requantize
from fpgaae.golden.edges import changed_integers
from fpgaae.golden.layers.rounding import Quantizer
from fpgaae.golden.layers.weighted import Dense
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger

_TRIES = 3  # events of a batch that are tried for a weight
_ROUNDS, _PARENTS, _CHILDREN = 20, 256, 2000  # of events near those in which a unit is not zero
_AT_ONCE = 1 << 22  # sums that are held at a time


def weight_events(
    trigger: GoldenTrigger, known: Codes, batches: Iterable[Codes], rng: np.random.Generator
) -> Codes:  # fmt: skip
    """Choose events whose score changes where a weight or a bias of a dense layer is one LSB more, or one less.

    Parameters
    ----------
    known
        (n_events, n_features) words of the ports; what shows in these needs no other event.
    batches
        More of them, which are looked at until nothing is left. Then come events near those, of all, in which what is
        left reaches the layer behind.
    """
    errors = [*_errors(trigger.network)]
    chosen, near = [known[:0]], [known[:0]]

    def look(words: Codes) -> Codes:
        inputs, tensors = trigger.input_codes(words), trigger.run(words)
        rows = {row for each in errors for row in each.shown(trigger.network, inputs, tensors)}
        near.append(words[sorted({row for each in errors for row in each.reached(tensors)})])
        return words[sorted(rows)]

    look(known)
    for words in batches:
        if _all_show(errors):
            break
        chosen.append(look(words))
    low, high = trigger.features.port_limits
    for _ in range(_ROUNDS):
        parents = np.concatenate(near)[-_PARENTS:]
        if _all_show(errors) or not len(parents):
            break
        chosen.append(look(changed_integers(parents, low, high, _CHILDREN, rng)))
    return np.concatenate(chosen)


def _all_show(errors: list[_Errors]) -> bool:
    return not any(each.left.any() for each in errors)


def _errors(network: IntegerNetwork) -> Iterator[_Errors]:
    for layer in network.layers:
        readers = [one for one in network.layers if layer.name in one.inputs]
        if isinstance(layer, Dense) and not layer.reloadable and len(readers) == 1:
            reader = readers[0]
            if isinstance(reader, Quantizer) and not isinstance(reader.types, ChannelTypes):
                yield _Errors(layer, reader, reader.types)


@dataclass
class _Errors:
    """The errors of a layer's weights by one LSB that no event shows yet."""

    layer: Dense
    reader: Quantizer
    to: FixedPointType
    left: NDArray[np.bool_] = field(init=False)  # (n_inputs and the bias, n_outputs, less and more)

    def __post_init__(self) -> None:
        kernel = np.concatenate([self.layer.kernel, np.ones_like(self.layer.bias)[None]])
        self.left = np.repeat((kernel != 0)[..., None], 2, axis=2)

    def shown(self, network: IntegerNetwork, inputs: Codes, tensors: Mapping[str, Tensor]) -> set[int]:
        """Give the events, of some, in which one of the errors shows for the first time."""
        pairs = np.argwhere(self.left)
        at_once = max(_AT_ONCE // max(len(inputs), 1), 1)
        parts = [pairs[start : start + at_once] for start in range(0, len(pairs), at_once)]
        return {row for part in parts for row in self._shown(network, inputs, tensors, part)}

    def reached(self, tensors: Mapping[str, Tensor]) -> set[int]:
        """Give some events in which a weight that is left is multiplied with something, and its unit is not zero."""
        source, codes = tensors[self.layer.inputs[0]].codes, tensors[self.reader.name].codes
        rows: set[int] = set()
        for unit in np.flatnonzero(self.left.any(axis=(0, 2))).tolist():
            places = np.flatnonzero(self.left[:-1, unit].any(axis=1))
            is_read = (source[:, places] != 0).any(axis=1) | bool(self.left[-1, unit].any())
            rows.update(np.flatnonzero(is_read & (codes[:, unit] != 0))[:_TRIES].tolist())
        return rows

    def _shown(
        self, network: IntegerNetwork, inputs: Codes, tensors: Mapping[str, Tensor], pairs: NDArray[np.int64]
    ) -> Iterator[int]:
        sums, source = tensors[self.layer.name], tensors[self.layer.inputs[0]]
        fraction = self.layer.kernel_types.fraction + source.fraction
        bias = np.full((len(inputs), 1), 1 << (sums.fraction - self.layer.bias_types.fraction))
        steps = np.concatenate([source.codes << (sums.fraction - fraction), bias], axis=1)
        places, units, signs = pairs[:, 0], pairs[:, 1], 2 * pairs[:, 2] - 1
        moved = requantize(
            self.reader.activate(sums.codes[:, units] + signs * steps[:, places]), sums.fraction, self.to
        )
        codes, scores = tensors[self.reader.name].codes, tensors[network.score.name].codes
        differs = moved != codes[:, units]
        order = np.argsort(-np.count_nonzero(differs, axis=1), kind="stable")  # few events, which show much
        waiting = np.arange(len(pairs))
        for _ in range(_TRIES):
            waiting = waiting[differs[:, waiting].any(axis=0)]
            if not len(waiting):
                return
            rows = order[differs[order][:, waiting].argmax(axis=0)]
            replaced = codes[rows]
            replaced[np.arange(len(rows)), units[waiting]] = moved[rows, waiting]
            found = network.run(inputs[rows], {self.reader.name: replaced})[network.score.name].codes
            shows = (found != scores[rows]).any(axis=1)
            self.left[tuple(pairs[waiting[shows]].T)] = False
            yield from set(rows[shows].tolist())
            differs[rows, waiting] = False
            waiting = waiting[~shows]
