"""Codes that are put in the place of a layer's output, so that the layers behind it are driven over their whole range.

Real and random events reach only part of what a layer's input type can hold: a network's last layers see few of their
codes, a table few of its entries, a threshold rarely the score beside it. These codes make every layer show what it
does at the ends of its range, at ties of its rounding, around each threshold and at each entry of its table.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fpgaae.fixedpoint import Codes, Tensor, type_for_range
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.cell import Cell
from fpgaae.golden.layers.rounding import Input, Quantizer
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.scores.base import ScoreLayer

_RANDOM_ROWS = 1_000


def n_layer_rows(network: IntegerNetwork) -> int:
    """Count the events of `layer_codes`."""
    return max(len(rows) for _, rows in _special_rows(network)) + _RANDOM_ROWS


def layer_codes(network: IntegerNetwork, seed: int) -> dict[str, Codes]:
    """Give by layer the codes (n_layer_rows, size) that stand in for its output, for every layer but the decisions."""
    n = n_layer_rows(network)
    rng = np.random.default_rng([seed, n])
    unused, reachable = _unused_bits(network), _reachable(network)
    result = {}
    for layer, special in _special_rows(network):
        random = _random(layer, n - len(special), rng)
        codes = np.clip(np.concatenate([special, random]), *reachable[layer.name])
        result[layer.name] = codes >> unused[layer.name] << unused[layer.name]
    return result


def _special_rows(network: IntegerNetwork) -> Iterator[tuple[Layer, Codes]]:
    for layer in network.layers:
        if isinstance(layer, Accept) or layer.passes_on:  # what a layer passes on is replaced in front of it
            continue
        readers = tuple(_readers(network, layer.name))
        low, high = layer.ends
        ends = (low, high, 0 * low, low + 1, high - 1)
        if any(reader.opposes(layer) for reader in network.layers):
            low, high, ends = high, low, (high, low, 0 * low, high - 1, low + 1)
        rows = [end[None] for end in ends]
        rows.append(np.where(np.arange(layer.size) % 2, low, high)[None])
        for reader in readers:
            rows += reader.corners(layer)
        yield layer, np.concatenate(rows)


def _unused_bits(network: IntegerNetwork) -> dict[str, Codes]:
    """Count by layer the lowest bits that are 0 in each of its values: no code without them could stand in for it."""
    sums: dict[str, int] = {}
    for layer in network.layers:
        sums[layer.name] = layer.unused_bits(network.sources(layer), [sums[name] for name in layer.inputs])
    return {layer.name: np.maximum(layer.unused_by_type, sums[layer.name]) for layer in network.layers}


def _reachable(network: IntegerNetwork) -> dict[str, tuple[Codes, Codes]]:
    """Give by layer the smallest and the largest code, (size,) each, that may stand in for each of its values.

    They are those of its type. But what goes into a sum without a quantizer in between stays within what its own inputs
    allow, such as zeros around an image: hls4ml's sums behind it, and all of distributed arithmetic, are made for no
    other codes.
    """
    known: dict[str, tuple[Codes, Codes]] = {}
    for layer in network.layers:
        known[layer.name] = layer.ends
        if isinstance(layer, (Input, Quantizer, ScoreLayer, Cell, Accept)):
            continue
        (source,) = network.sources(layer)
        low, high = known[source.name]
        is_narrowed = bool((low != source.ends[0]).any() or (high != source.ends[1]).any())
        goes_on = _goes_into_a_sum(network, layer)
        if not (is_narrowed or goes_on):
            continue
        if not isinstance(layer, Weighted):  # it never falls where its inputs rise
            both = layer.run([Tensor(np.stack([low, high]), source.types.fraction)]).codes
            known[layer.name] = both[0], both[1]
        elif not layer.reloadable:
            ends = layer.ends_of_sums(source, low, high)
            known[layer.name] = ends if goes_on else _ends_of_type(layer, *ends)
    return known


def _ends_of_type(layer: Layer, low: Codes, high: Codes) -> tuple[Codes, Codes]:
    """Give for each value the ends of the narrowest type that holds some codes, no wider than the layer's own."""
    of = type_for_range(min(int(low.min()), 0), max(int(high.max()), 0), 0)
    return np.maximum(layer.ends[0], of.min_code), np.minimum(layer.ends[1], of.max_code)


def _goes_into_a_sum(network: IntegerNetwork, layer: Layer) -> bool:
    readers = [reader for reader in network.layers if layer.name in reader.inputs]
    return any(
        isinstance(reader, Weighted) or (not isinstance(reader, Quantizer) and _goes_into_a_sum(network, reader))
        for reader in readers
    )


def _readers(network: IntegerNetwork, name: str) -> Iterator[Layer]:
    """Give the layers that compute with the output of one, also behind one that passes it on."""
    for reader in network.layers:
        if name in reader.inputs:
            if reader.passes_on:
                yield from _readers(network, reader.name)
            else:
                yield reader


def _random(layer: Layer, n: int, rng: np.random.Generator) -> Codes:
    """Give codes uniform over the type in one half of the events, and of every magnitude in the other."""
    low, high = layer.type.min_code, layer.type.max_code
    uniform = rng.integers(low, high, size=(n - n // 2, layer.size), endpoint=True)
    scale = 2.0 ** rng.uniform(0, layer.type.width, size=(n // 2, layer.size))
    small = np.rint(rng.uniform(-1 if low < 0 else 0, 1, size=scale.shape) * scale).astype(np.int64)
    return np.concatenate([uniform, small])
