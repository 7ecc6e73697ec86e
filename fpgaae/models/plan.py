"""The network that a config names, as a plain list of layers: the one place that knows their order.

From it the float model (`fpgaae.models.float`), its quantized twin (`fpgaae.models.quantized`) and what is linted
before a training are made. Imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from fpgaae.config.layers import (
    RECONSTRUCTION,
    AnyLayer,
    Convolution,
    Dense,
    Pooling,
    Reshape,
    Shape,
    UpSampling,
    first_shape,
)
from fpgaae.config.model import EMBEDDING, Model, ModelKind
from fpgaae.models.calibrate import Quantizers, quantized, quantizer_sites
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import score_kind

FEATURES, INPUTS = "features", "features_quantized"
SAMPLING, OUTPUT = "sampling", "output"
_IMAGE = "image"
_FLAT_RECONSTRUCTION = f"{RECONSTRUCTION}_flat"


class _Chain:
    """Layers one behind the other, with the shape of what the last one puts out."""

    def __init__(self, n_features: int) -> None:
        self.layers = [LayerDescription(FEATURES, "InputLayer", (), {"shape": (n_features,)})]
        self.shape: Shape = (n_features,)

    @property
    def end(self) -> str:
        """Name of the last layer."""
        return self.layers[-1].name

    def add(self, name: str, kind: str, inputs: tuple[str, ...] = (), **settings: Any) -> str:  # noqa: ANN401
        """Add a layer behind the last one, or behind others; its shape stays."""
        self.layers.append(LayerDescription(name, kind, inputs or (self.end,), settings))
        return name

    def reshape(self, name: str, shape: Shape) -> None:
        """Make an image of flat values, or flat values of an image."""
        if len(shape) == 1:
            self.add(name, "Flatten")
        else:
            self.add(name, "Reshape", target_shape=shape)
        self.shape = shape

    def dense(self, name: str, units: int, source: str = "") -> str:
        """Add a dense layer, behind the flattened image if there is one."""
        if len(self.shape) > 1:
            self.reshape(f"{name}_flat", (prod(self.shape),))
        self.shape = (units,)
        return self.add(name, "Dense", (source,) if source else (), units=units)

    def layer(self, name: str, layer: AnyLayer, *, rectified: bool = True) -> None:
        """Add a layer of the config, with its activation."""
        if isinstance(layer, Dense):
            self.dense(name, layer.dense)
        elif isinstance(layer, Reshape):
            self.reshape(name, layer.reshape)
        else:
            kind, settings = _image_layer(layer)
            self.add(name, kind, **settings)
            self.shape = layer.shape_after(self.shape)
        if layer.has_weights and rectified:
            self.add(f"{name}_relu", "ReLU")


def _image_layer(layer: AnyLayer) -> tuple[str, Mapping[str, Any]]:
    """Give Keras' class of a layer that reads images, and its settings."""
    if isinstance(layer, Convolution):
        settings = {"filters": layer.filters, "kernel_size": layer.kernel}
        return "Conv2D", {**settings, "strides": layer.strides, "padding": layer.padding}
    if isinstance(layer, Pooling):
        return f"{layer.kind.capitalize()}Pooling2D", {"pool_size": layer.pool}
    if isinstance(layer, UpSampling):
        return "UpSampling2D", {"size": layer.upsample}
    return "ZeroPadding2D", {"padding": layer.pad}  # type: ignore[union-attr]


def plan_network(model: Model, image: Shape) -> NetworkDescription:
    """Plan the float network: rectified hidden layers, linear latent and reconstruction.

    Its output is the reconstruction of the inputs or of the embedding, flat, or a student's one number, rectified.

    Parameters
    ----------
    image
        Height, width and channels of an event.
    """
    chain = _Chain(prod(image))
    n_reconstructed = prod(image)
    if len(shape := first_shape(model.embedding_layers or model.encoder_layers, image)) > 1:
        chain.reshape(_IMAGE, shape)
    if model.embedding is not None:
        n_reconstructed = model.embedding.width
        for named in model.embedding_layers:
            chain.layer(*named)
        chain.dense(EMBEDDING, n_reconstructed)
    for named in model.encoder_layers:
        chain.layer(*named)
    if model.kind is ModelKind.STUDENT:
        chain.dense(OUTPUT, 1)
        end = chain.add(f"{OUTPUT}_relu", "ReLU")
        return NetworkDescription(tuple(chain.layers), (end,))
    if model.kind is ModelKind.VARIATIONAL:
        mu = chain.dense("mu", model.latent)
        log_variance = chain.dense("log_variance", model.latent, chain.layers[-1].inputs[0])
        chain.add(SAMPLING, "Sampling", (mu, log_variance))
    else:
        chain.dense("latent", model.latent)
    for name, layer in model.decoder_layers:
        chain.layer(name, layer, rectified=name != RECONSTRUCTION)
    if chain.end == RECONSTRUCTION:
        chain.reshape(_FLAT_RECONSTRUCTION, (prod(image),))
    else:
        chain.dense(RECONSTRUCTION, n_reconstructed)
    return NetworkDescription(tuple(chain.layers), (chain.end,))


def deployed_part(model: Model, network: NetworkDescription) -> NetworkDescription:
    """Give the part of a planned network that goes into the firmware; its outputs are what the score reads of it."""
    if model.kind is not ModelKind.VARIATIONAL:
        return network
    read = ("mu", "log_variance") if model.score.needs_variance else ("mu",)
    needed = set(read)
    for layer in reversed(network.layers):
        if layer.name in needed:
            needed.update(layer.inputs)
    return NetworkDescription(tuple(layer for layer in network.layers if layer.name in needed), read)


def plan_deployed(
    model: Model, image: Shape, quantizers: Quantizers, score_settings: Mapping[str, Any]
) -> NetworkDescription:
    """Plan the network as the firmware computes it, from quantized inputs to the score.

    Parameters
    ----------
    image
        Height, width and channels of an event.
    quantizers
        By the names of `calibrate.quantizer_sites` of the deployed part.
    score_settings
        Of the score's layer.
    """
    part = deployed_part(model, plan_network(model, image))
    network = quantized(part, quantizer_sites(part), quantizers)
    layers, read = list(network.layers), network.outputs
    if model.score.of_reconstruction:
        read = (_compared(model, layers, image), *read)
    layers.append(LayerDescription("score", score_kind(model.score), read, score_settings))
    return NetworkDescription(tuple(layers), ("score",))


def _compared(model: Model, layers: list[LayerDescription], image: Shape) -> str:
    """Name what a score compares the reconstruction with: an embedding, or the inputs.

    Where the reconstruction is an image, so are the inputs: a stream then brings both in the same packs.
    """
    if model.compared_layer is not None:
        return f"{model.compared_layer}_quantized"
    names = [layer.name for layer in layers]
    if _FLAT_RECONSTRUCTION not in names:
        return INPUTS
    if _IMAGE not in names:
        layers.append(LayerDescription(_IMAGE, "Reshape", (INPUTS,), {"target_shape": image}))
    layers.append(LayerDescription("inputs_flat", "Flatten", (_IMAGE,), {}))
    return "inputs_flat"
