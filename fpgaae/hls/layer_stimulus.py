"""Codes that are put in the place of a layer's output, so that the layers behind it are driven over their whole range.

Real and random events reach only part of what a layer's input type can hold: a network's last layers see few of their
codes, a table few of its entries, a threshold rarely the score beside it. These codes make every layer show what it
does at the ends of its range, at ties of its rounding, around each threshold and at each entry of its table.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fpgaae.fixedpoint import Codes
from fpgaae.golden.network import IntegerLayer, IntegerNetwork, LayerKind

_RANDOM_ROWS = 1_000
_TIE_ROWS = 64
_MOVING = frozenset({LayerKind.MAX_POOLING, LayerKind.UPSAMPLING, LayerKind.ZERO_PADDING, LayerKind.RESHAPE})


def n_layer_rows(network: IntegerNetwork) -> int:
    """Count the events of `layer_codes`."""
    return max(len(rows) for _, rows in _special_rows(network)) + _RANDOM_ROWS


def layer_codes(network: IntegerNetwork, seed: int) -> dict[str, Codes]:
    """Give by layer the codes (n_layer_rows, size) that stand in for its output, for every layer but the decisions."""
    n = n_layer_rows(network)
    rng = np.random.default_rng([seed, n])
    result = {}
    for layer, special in _special_rows(network):
        random = _random(layer, n - len(special), rng)
        codes = np.clip(np.concatenate([special, random]), layer.type.min_code, layer.type.max_code)
        unused = _unused_bits(layer, network)
        result[layer.name] = codes >> unused << unused
    return result


def _special_rows(network: IntegerNetwork) -> Iterator[tuple[IntegerLayer, Codes]]:
    for layer in network.layers:
        if layer.kind in {LayerKind.ACCEPT, LayerKind.RESHAPE}:  # what a reshape passes on is replaced in front of it
            continue
        low, high = layer.type.min_code, layer.type.max_code
        ends = (low, high, 0, low + 1, high - 1)
        if _is_opposed(layer, network):
            low, high, ends = high, low, (high, low, 0, high - 1, low + 1)
        rows = [np.full((1, layer.size), code, dtype=np.int64) for code in ends]
        rows.append(np.where(np.arange(layer.size) % 2, low, high)[None, :])
        for reader in _readers(network, layer.name):
            rows += _rows_for(layer, reader)
        yield layer, np.concatenate(rows)


def _unused_bits(layer: IntegerLayer, network: IntegerNetwork) -> int:
    """Count the lowest bits that are 0 in every sum of a layer with weights: hls4ml leaves them out of its type.

    What only moves such sums has them, too.
    """
    if layer.kind in _MOVING:
        return _unused_bits(network[layer.inputs[0]], network)
    if layer.kernel_type is None or layer.bias_type is None:
        return 0
    up = layer.type.fraction - network[layer.inputs[0]].type.fraction - layer.kernel_type.fraction
    products, offsets = layer.kernel << up, layer.bias << (layer.type.fraction - layer.bias_type.fraction)
    used = int(np.bitwise_or.reduce(np.concatenate([products.ravel(), offsets])))
    return (used & -used).bit_length() - 1 if used else layer.type.width


def _is_opposed(layer: IntegerLayer, network: IntegerNetwork) -> bool:
    """Tell whether a score is largest where this layer, its second input, is at the other end than its first."""
    largest_where_both_are_low = LayerKind.MU_SQUARED_OVER_VARIANCE  # mu^2 exp(-log sigma^2)
    readers = (reader for reader in network.layers if reader.kind.is_score and reader.inputs[1:] == (layer.name,))
    return any(reader.kind is not largest_where_both_are_low for reader in readers)


def _readers(network: IntegerNetwork, name: str) -> Iterator[IntegerLayer]:
    """Give the layers that compute with the output of one, also behind a reshape."""
    for reader in network.layers:
        if name in reader.inputs:
            if reader.kind is LayerKind.RESHAPE:
                yield from _readers(network, reader.name)
            else:
                yield reader


def _rows_for(layer: IntegerLayer, reader: IntegerLayer) -> Iterator[Codes]:
    """Give the rows that a layer must get to show its reader at its corners."""
    low, high = layer.type.min_code, layer.type.max_code
    if reader.kind is LayerKind.DENSE:
        for kernel in (reader.kernel.T, -reader.kernel.T):  # the largest and the smallest sum of each unit
            yield np.where(kernel > 0, high, np.where(kernel < 0, low, 0))
    elif reader.kind in {LayerKind.RELU, LayerKind.QUANTIZE}:
        yield _ties(layer, reader)
    elif reader.kind is LayerKind.ACCEPT and reader.table is not None:
        yield (reader.table.codes[:, None] + np.array([-1, 0, 1])).reshape(-1, 1)
    elif (
        reader.table is not None
        and layer.name == reader.inputs[-1]
        and reader.kind is not LayerKind.MASKED_SQUARED_ERROR
    ):
        yield np.repeat(_every_code(layer)[:, None], layer.size, axis=1)
    elif reader.table is not None and layer.name == reader.inputs[0] and reader.kind is LayerKind.MASKED_SQUARED_ERROR:
        for above in (-1, 0, 1):
            yield np.repeat(reader.table.codes + above, layer.size // len(reader.table.codes))[None, :]


def _every_code(layer: IntegerLayer) -> Codes:
    return np.arange(layer.type.min_code, layer.type.max_code + 1, dtype=np.int64)


def _ties(layer: IntegerLayer, reader: IntegerLayer) -> Codes:
    """Give codes exactly half way between two of the reader's, and those around the ends of its range."""
    drop = layer.type.fraction - reader.type.fraction
    ends = [reader.type.min_code, reader.type.max_code]
    kept = np.array([end + step for end in ends for step in (-1, 0, 1)] + list(range(-_TIE_ROWS // 2, _TIE_ROWS // 2)))
    if drop <= 0:
        codes = kept >> -drop
    else:
        half = 1 << (drop - 1)
        codes = np.concatenate([(kept << drop) + rest for rest in (half - 1, half, half + 1, 0)])
    return np.repeat(codes[:, None], layer.size, axis=1)


def _random(layer: IntegerLayer, n: int, rng: np.random.Generator) -> Codes:
    """Give codes uniform over the type in one half of the events, and of every magnitude in the other."""
    low, high = layer.type.min_code, layer.type.max_code
    uniform = rng.integers(low, high, size=(n - n // 2, layer.size), endpoint=True)
    scale = 2.0 ** rng.uniform(0, layer.type.width, size=(n // 2, layer.size))
    small = np.rint(rng.uniform(-1 if low < 0 else 0, 1, size=scale.shape) * scale).astype(np.int64)
    return np.concatenate([uniform, small])
