"""The golden network over polynomials of the words on the ports, layer by layer.

A layer of sums is read from its own arithmetic on a row for each input, a function of one value from the golden layer's
arithmetic on every code; only scores, pools and cells are stated anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.fixedpoint import Codes, FixedPointType, Tensor
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.cell import Cell
from fpgaae.golden.layers.leaky_relu import LeakyRelu
from fpgaae.golden.layers.moved import Moved
from fpgaae.golden.layers.pooling import AveragePooling, MaxPooling
from fpgaae.golden.layers.rounding import Input, Quantizer
from fpgaae.golden.layers.tabulated import Tabulated
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.scores.absolute_error import AbsoluteError
from fpgaae.golden.scores.base import ScoreLayer, TableScore
from fpgaae.golden.scores.kl_divergence import KlDivergence
from fpgaae.golden.scores.masked_squared_error import MaskedSquaredError
from fpgaae.golden.scores.max_absolute_error import MaxAbsoluteError
from fpgaae.golden.scores.mu_squared import MuSquared
from fpgaae.golden.scores.mu_squared_over_variance import MuSquaredOverVariance
from fpgaae.golden.scores.regression import Regression
from fpgaae.golden.scores.squared_error import SquaredError
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.golden.windows import Window, places_under
from fpgaae.prove.algebra import Algebra, NotFollowed, Polynomial
from fpgaae.prove.front_end import slot_of
from fpgaae.prove.judges import affine_map

Polynomials = Sequence[Polynomial]
_ONE = Polynomial(1, {})


class GoldenForms:
    """The layers of a trigger block, in golden codes.

    Parameters
    ----------
    ports
        The word on the port of each feature.
    """

    def __init__(self, algebra: Algebra, trigger: GoldenTrigger, ports: Polynomials) -> None:
        self._algebra = algebra
        self._trigger = trigger
        self._ports = ports

    def layers(self) -> dict[str, list[Polynomial]]:
        """Give the values of every layer by its name.

        Raises
        ------
        NotFollowed
            If a layer can't be followed.
        """
        found: dict[str, list[Polynomial]] = {}
        network = self._trigger.network
        for layer in network.layers:
            sources = [(network[name], found[name]) for name in layer.inputs]
            found[layer.name] = self._layer(layer, sources)
        return found

    def _layer(self, layer: Layer, sources: Sequence[tuple[Layer, list[Polynomial]]]) -> list[Polynomial]:
        if isinstance(layer, Input):
            found = [self._algebra.named(self._input(layer, place)) for place in range(layer.size)]
        elif isinstance(layer, Cell):
            found = [self._cell(layer)]
        elif isinstance(layer, Accept):
            found = self._decisions(layer, [values for _, values in sources])
        elif isinstance(layer, ScoreLayer):
            found = [self._score(layer, sources)]
        else:
            found = self._behind(layer, *sources[0])
        return found

    def _behind(self, layer: Layer, source: Layer, values: list[Polynomial]) -> list[Polynomial]:
        """Give the values of a layer that reads one other."""
        if isinstance(layer, Weighted):
            found = self._sums(layer, source, values)
        elif isinstance(layer, Moved):
            padded = [*values, Polynomial(0, {})]
            found = [padded[int(place)] for place in layer.places(len(values))]
        elif isinstance(layer, MaxPooling):
            found = [self._algebra.largest([values[p] for p in places]) for places in windows(layer.window)]
        elif isinstance(layer, AveragePooling):
            found = self._means(layer, source, values)
        elif isinstance(layer, Quantizer | LeakyRelu | Tabulated):
            found = [self._of_one_value(layer, source, place, value) for place, value in enumerate(values)]
        else:
            raise NotFollowed(f"layers of the kind {layer.kind} are not followed")
        return found

    # ---- the front end ----

    def _hardware(self, place: int) -> Polynomial:
        """Give the hardware integer of a feature: where words arrive, what is made of those of its slot."""
        features = self._trigger.features
        slot = slot_of(features, place)
        if len(slot) == 1:
            return self._ports[place]
        return self._in_slot(place, slot, lambda codes: codes)

    def _input(self, layer: Input, place: int) -> Polynomial:
        features = self._trigger.features
        channel = layer.types.channel(place)
        alone, up = FeatureMap((features.features[place],)), layer.type.fraction - channel.fraction

        def enters(codes: Codes) -> Codes:
            return np.asarray(alone.input_codes(codes[:, None], channel)[:, 0] << up)

        slot = slot_of(features, place)
        if len(slot) == 1:
            return self._algebra.apply(enters, self._ports[place])
        return self._in_slot(place, slot, enters)

    def _in_slot(self, place: int, slot: tuple[int, ...], function: Callable[[Codes], Codes]) -> Polynomial:
        """Give a function of a feature's hardware integer, which a pT that leaves the slot empty makes another one."""
        features = self._trigger.features
        within, own = FeatureMap(tuple(features.features[i] for i in slot)), slot.index(place)
        word = features.features[slot[0]].hardware.word
        low, high = (int(ends[slot[0]]) for ends in features.port_limits)
        declared = () if word is None else (word.none, word.overflow if word.zero_overflow else None)
        empty = [code for code in declared if code is not None and low <= code <= high]
        filled = next(code for code in range(low, high + 1) if code not in empty)

        def of(pt: Codes | int, words: Codes | int) -> Codes:
            row = np.zeros((np.size(pt) * np.size(words), len(slot)), dtype=np.int64)
            row[:, 0] = pt
            if own:
                row[:, own] = words
            return function(within.codes_of_words(row)[:, own])

        if not own:
            return self._algebra.apply(lambda words: of(words, 0), self._ports[place])
        found = self._algebra.apply(lambda words: of(filled, words), self._ports[place])
        for code in empty:

            def is_empty(pt: Codes, code: int = code) -> Codes:
                return np.asarray(pt == code, dtype=np.int64)

            def of_empty(words: Codes, code: int = code) -> Codes:
                return of(code, words)

            beside = self._algebra.apply(of_empty, self._ports[place])
            bit = self._algebra.apply(is_empty, self._ports[slot[0]])
            change = self._algebra.product(bit, self._algebra.difference(beside, found))
            found = self._algebra.sum(((found, 1), (change, 1)))
        return found

    # ---- layers ----

    def _sums(self, layer: Layer, source: Layer, values: Polynomials) -> list[Polynomial]:
        constants, coefficients = affine_map(layer, source)
        return [
            self._algebra.sum(
                ((values[p], int(coefficients[p, out])) for p in np.flatnonzero(coefficients[:, out]).tolist()),
                int(constants[out]),
            )
            for out in range(layer.size)
        ]

    def _of_one_value(self, layer: Layer, source: Layer, place: int, value: Polynomial) -> Polynomial:
        channel = layer.types.channel(place)
        up = layer.type.fraction - channel.fraction
        alone = layer if isinstance(layer.types, FixedPointType) else replace(layer, types=channel)

        def golden(codes: Codes) -> Codes:
            return np.asarray(alone.run([Tensor(codes[:, None], source.type.fraction)]).codes[:, 0] << up)

        return self._algebra.apply(golden, value)

    def _means(self, layer: AveragePooling, source: Layer, values: Polynomials) -> list[Polynomial]:
        n = layer.window.n_values
        more = layer.type.fraction - source.type.fraction

        def mean(codes: Codes) -> Codes:
            return np.asarray(np.sign(codes) * ((np.abs(codes) << more) // n))

        return [
            self._algebra.apply(mean, self._algebra.sum((values[p], 1) for p in places))
            for places in windows(layer.window)
        ]

    def _cell(self, layer: Cell) -> Polynomial:
        parts = []
        for index, of in enumerate(layer.sums):
            read = [self._hardware(place) for place in of.places]
            if of.counts:
                read = [self._above(one, 0) for one in read]
            own = self._algebra.sum((one, 1) for one in read)
            parts += [(self._above(own, edge), prod(layer.bins[index + 1 :])) for edge in of.edges]
        return self._algebra.sum(parts)

    def _above(self, value: Polynomial, threshold: int) -> Polynomial:
        below = self._algebra.sum(((value, 1),), -(threshold + 1))
        return self._algebra.difference(_ONE, self._algebra.is_negative(below))

    def _decisions(self, layer: Accept, inputs: Sequence[Polynomials]) -> list[Polynomial]:
        score = inputs[0][0]
        if len(inputs) == 1:
            return [self._above(score, int(threshold)) for threshold in layer.thresholds]
        found = []
        for column in range(layer.size):
            thresholds = layer.by_cell[:, column]

            def threshold(codes: Codes, of: Codes = thresholds) -> Codes:
                return np.asarray(of[np.clip(codes, 0, len(of) - 1)])

            key = self._algebra.difference(self._algebra.apply(threshold, inputs[1][0]), score)
            found.append(self._algebra.is_negative(key))
        return found

    # ---- scores ----

    def _score(self, layer: ScoreLayer, sources: Sequence[tuple[Layer, list[Polynomial]]]) -> Polynomial:
        function = _SCORES.get(type(layer))
        if function is None:
            raise NotFollowed(f"the score {layer.kind} is not followed")
        return function(self._algebra, layer, [of for of, _ in sources], [values for _, values in sources])


def windows(window: Window) -> list[list[int]]:
    """Give the places under each window, channel by channel."""
    places = places_under(window)  # (positions, pixels, channels)
    return [[int(p) for p in places[i, :, c]] for i in range(places.shape[0]) for c in range(places.shape[2])]


def _square(codes: Codes) -> Codes:
    return codes * codes


def _differences(algebra: Algebra, sources: Sequence[Layer], values: Sequence[Polynomials]) -> list[Polynomial]:
    fraction = max(of.type.fraction for of in sources)
    up, up_other = (1 << (fraction - of.type.fraction) for of in sources)
    return [algebra.sum(((x, up), (y, -up_other))) for x, y in zip(*values, strict=True)]


_Score = Callable[[Algebra, ScoreLayer, Sequence[Layer], Sequence[Polynomials]], Polynomial]


def _squared(
    algebra: Algebra, layer: ScoreLayer, sources: Sequence[Layer], values: Sequence[Polynomials]
) -> Polynomial:
    del layer
    return algebra.sum((algebra.apply(_square, d), 1) for d in _differences(algebra, sources, values))


def _masked(algebra: Algebra, layer: ScoreLayer, sources: Sequence[Layer], values: Sequence[Polynomials]) -> Polynomial:
    if not isinstance(layer, MaskedSquaredError):
        raise TypeError(layer.kind)
    squares = [algebra.apply(_square, d) for d in _differences(algebra, sources, values)]
    n = len(squares) // len(layer.empty.codes)
    parts = []
    for slot, empty in enumerate(int(code) for code in layer.empty.codes):
        is_empty = algebra.is_negative(algebra.sum(((values[0][n * slot], 1),), -(empty + 1)))
        filled = algebra.difference(_ONE, is_empty)
        parts += [(algebra.product(filled, square), 1) for square in squares[n * slot : n * (slot + 1)]]
    return algebra.sum(parts)


def _absolutes(algebra: Algebra, sources: Sequence[Layer], values: Sequence[Polynomials]) -> list[Polynomial]:
    return [algebra.apply(np.abs, difference) for difference in _differences(algebra, sources, values)]


def _absolute(
    algebra: Algebra, layer: ScoreLayer, sources: Sequence[Layer], values: Sequence[Polynomials]
) -> Polynomial:
    del layer
    return algebra.sum((one, 1) for one in _absolutes(algebra, sources, values))


def _largest(
    algebra: Algebra, layer: ScoreLayer, sources: Sequence[Layer], values: Sequence[Polynomials]
) -> Polynomial:
    del layer
    return algebra.largest(_absolutes(algebra, sources, values))


def _mu_squared(
    algebra: Algebra, layer: ScoreLayer, sources: Sequence[Layer], values: Sequence[Polynomials]
) -> Polynomial:
    del layer, sources
    return algebra.sum((algebra.apply(_square, x), 1) for x in values[0])


def _table(algebra: Algebra, layer: ScoreLayer, sources: Sequence[Layer], values: Sequence[Polynomials]) -> Polynomial:
    """Add the squares and entries, or their products; a half is one bit more behind the point, which is no code."""
    if not isinstance(layer, TableScore):
        raise TypeError(layer.kind)
    codes = layer.table.codes

    def look_up(at: Codes) -> Codes:
        return np.asarray(codes[at & (len(codes) - 1)])

    squares = [algebra.apply(_square, x) for x in values[0]]
    entries = [algebra.apply(look_up, v) for v in values[1]]
    if not isinstance(layer, KlDivergence):
        return algebra.sum((algebra.product(a, b), 1) for a, b in zip(squares, entries, strict=True))
    fraction, of_table = 2 * sources[0].type.fraction, layer.table.type.fraction
    common = max(fraction, of_table)
    parts = [(a, 1 << (common - fraction)) for a in squares] + [(b, 1 << (common - of_table)) for b in entries]
    return algebra.sum(parts)


def _regression(
    algebra: Algebra, layer: ScoreLayer, sources: Sequence[Layer], values: Sequence[Polynomials]
) -> Polynomial:
    del algebra, layer, sources
    return values[0][0]


_SCORES: Mapping[type[ScoreLayer], _Score] = {
    SquaredError: _squared,
    MaskedSquaredError: _masked,
    AbsoluteError: _absolute,
    MaxAbsoluteError: _largest,
    MuSquared: _mu_squared,
    MuSquaredOverVariance: _table,
    KlDivergence: _table,
    Regression: _regression,
}
