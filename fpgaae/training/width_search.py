"""The smallest widths of an imported float network with which every layer keeps a wanted signal-to-noise ratio.

First the fewest bits that do as the width of everything, then one bit less at a time, from one quantizer to the next,
as long as every layer still keeps it. This module imports TensorFlow (Keras 2) inside the model that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.config.model import LayerQuantization, Width
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, nearest_codes, values_of
from fpgaae.golden.functions import MAX_ARGUMENT_BITS
from fpgaae.golden.scores.base import MAX_TABLE_BITS
from fpgaae.models.calibrate import Quantizers, Site
from fpgaae.models.description import NetworkDescription

FEWEST_BITS, MOST_BITS = 3, 16
_MARGIN_DB = 0.5  # above what is wanted, as the search sees other events than those of which the result tells
WEIGHTS, ACTIVATIONS = "weights", "activations"
Values = NDArray[np.floating]


class Choice(NamedTuple):
    """A width that is searched."""

    layer: str  # as the config knows it
    of: str  # WEIGHTS or ACTIVATIONS
    most: int = MOST_BITS


def choices_of(config: Config, network: NetworkDescription, sites: Sequence[Site]) -> tuple[Choice, ...]:
    """Give the widths that the config leaves open: it names them for no layer, and they are not those of the inputs."""
    named = config.quantization.layers
    found = [Choice(layer.name, WEIGHTS) for layer in network.layers if layer.has_weights]
    for site in sites:
        if not (site.tensor == network.outputs[0] and config.model.score.of_reconstruction):
            most = MAX_ARGUMENT_BITS if site.read_by else MOST_BITS
            found.append(
                Choice(site.layer, ACTIVATIONS, MAX_TABLE_BITS if site.tensor in network.outputs[1:] else most)
            )
    return tuple(
        choice for choice in dict.fromkeys(found)
        if (given := named.get(choice.layer)) is None or getattr(given, choice.of) is None
    )  # fmt: skip


def with_bits(config: Config, bits: Mapping[Choice, int]) -> Config:
    """Give a config with these widths."""
    layers = dict(config.quantization.layers)
    for choice, n in bits.items():
        before = layers.get(choice.layer) or LayerQuantization()
        layers[choice.layer] = before.model_copy(update={choice.of: Width(bits=n)})
    changed = config.quantization.model_copy(update={"layers": layers})
    return config.model_copy(update={"quantization": changed})


class Trial:
    """A float network whose quantized values are computed layer by layer, for any types.

    Parameters
    ----------
    twin
        The network as a Keras 2 model.
    x
        Events in the shape that it takes.
    """

    def __init__(self, network: NetworkDescription, sites: Sequence[Site], twin: Any, x: Values) -> None:  # noqa: ANN401
        self._network, self._twin, self._x = network, twin, x.astype(np.float32)
        self._at = {site.tensor: site for site in sites}
        self._exact = self._run(None)

    def decibels(self, quantizers: Quantizers) -> dict[str, float]:
        """Give the signal-to-noise ratio of the inputs and behind every quantizer, by the layer that it stands for."""
        found = self._run(quantizers)
        named = {tensor: site.layer for tensor, site in self._at.items() if not _saturates_harmlessly(site)}
        named |= {self._network.layers[0].name: self._network.layers[0].name}
        return {name: _ratio(self._exact[tensor], found[tensor]) for tensor, name in named.items()}

    def _run(self, quantizers: Quantizers | None) -> dict[str, Values]:
        values: dict[str, Values] = {}
        for layer in self._network.layers:
            if not layer.inputs:
                values[layer.name] = self._x if quantizers is None else _rounded(self._x, quantizers.inputs)
                continue
            made = self._twin.get_layer(layer.name)
            if layer.has_weights:
                arrays = [layer.weights[name] for name in ("kernel", "bias")]
                if quantizers is not None:
                    types = quantizers.weights[layer.name], quantizers.biases[layer.name]
                    arrays = [_rounded(array, of) for array, of in zip(arrays, types, strict=True)]
                made.set_weights(arrays)
            sources = [values[name] for name in layer.inputs]
            out = np.asarray(made(sources[0] if len(sources) == 1 else sources))
            site = self._at.get(layer.name)
            values[layer.name] = out if site is None or quantizers is None else _rounded(
                out, quantizers.activations[site.quantizer]
            )  # fmt: skip
        return values


def _rounded(values: Values, to: FixedPointType) -> Values:
    return values_of(nearest_codes(values, to), to.fraction).astype(np.float32)


def _ratio(exact: Values, found: Values) -> float:
    noise = float(np.square(exact.astype(np.float64) - found).sum())
    return (
        float("inf")
        if noise == 0
        else float(10 * np.log10(max(np.square(exact.astype(np.float64)).sum() / noise, 1e-9)))
    )


def _saturates_harmlessly(site: Site) -> bool:
    return bool(site.read_by) and all(function.flat_beyond is not None for function in site.read_by)


def smallest_bits(
    choices: Sequence[Choice], decibels: Callable[[Mapping[Choice, int]], Mapping[str, float]], wanted_db: float
) -> dict[Choice, int]:
    """Search the fewest bits.

    Parameters
    ----------
    decibels
        Of every layer, with given bits.

    Raises
    ------
    InputError
        If not even the most bits keep the wanted ratio; the layer that keeps least is named.
    """

    def keeps(bits: Mapping[Choice, int]) -> bool:
        return min(decibels(bits).values()) >= wanted_db + _MARGIN_DB

    bits: dict[Choice, int] = {}
    for n in range(FEWEST_BITS, MOST_BITS + 1):
        bits = {choice: min(n, choice.most) for choice in choices}
        if keeps(bits):
            break
    else:
        least, found = min(decibels(bits).items(), key=lambda item: item[1])
        raise InputError(
            f"no widths of up to {MOST_BITS} bits keep {wanted_db:g} dB: {least} keeps {found:.1f} dB; ask for less, "
            "or give the inputs more bits (`quantization.inputs`)"
        )
    open_choices = list(choices)
    while open_choices:
        for choice in list(open_choices):
            fewer = {**bits, choice: bits[choice] - 1}
            if fewer[choice] >= FEWEST_BITS and keeps(fewer):
                bits = fewer
            else:
                open_choices.remove(choice)
    return bits
