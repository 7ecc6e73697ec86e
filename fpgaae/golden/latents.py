"""The latents of a deployed network as a port of the trigger block: which layer they are, and how the port is coded."""

from __future__ import annotations

from fpgaae.errors import InputError
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.moved import Port
from fpgaae.golden.layers.rounding import Quantizer
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.scores.base import ScoreLayer

LATENTS_LAYER = "latents"  # of the golden network, and the name of the port
_NAMED = "latent"  # the layer of an autoencoder that `model.latent` describes


def find_latents(network: IntegerNetwork) -> Layer:
    """Give the quantized layer that holds the latents.

    They are mu where the score reads it. In an autoencoder they are what stands behind the layer `latent`, and in an
    imported one without such a name the quantized layer with the fewest values, the first of several.

    Raises
    ------
    InputError
        If there is no such layer.
    """
    score = network.score
    if not isinstance(score, ScoreLayer):
        raise InputError("the model does not end in a score, so that nothing says which layer holds its latents")
    if not score.score.of_reconstruction:
        return _behind_reshapes(network, score.inputs[0])
    quantized = [layer for layer in network.layers if isinstance(layer, Quantizer)]
    named = [layer for layer in quantized if _behind_reshapes(network, layer.inputs[0]).name == _NAMED]
    inner = [layer for layer in quantized if layer.name not in score.inputs]
    if not (named or inner):
        raise InputError("no layer of the model is quantized in front of its output; set `output_latents` to false")
    return named[0] if named else min(inner, key=lambda layer: layer.size)


def _behind_reshapes(network: IntegerNetwork, name: str) -> Layer:
    layer = network[name]
    return _behind_reshapes(network, layer.inputs[0]) if layer.passes_on else layer


def with_latents(network: IntegerNetwork) -> IntegerNetwork:
    """Add the port of the latents in front of the score.

    Raises
    ------
    InputError
        If there are none, or a layer has the name of the port.
    """
    if any(layer.name == LATENTS_LAYER for layer in network.layers):
        raise InputError(f"a layer of the model is called {LATENTS_LAYER}, as the port of the latents; rename it")
    port = Port.of(LATENTS_LAYER, find_latents(network))
    return IntegerNetwork(tuple(
        layer for each in network.layers for layer in ((port, each) if each is network.score else (each,))
    ))  # fmt: skip
