"""A described network to a Keras 2 model, float or quantized, and to the model that goes into the firmware.

This module imports TensorFlow (Keras 2, QKeras).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qkeras
import tf_keras
from tf_keras import layers as keras_layers

from fpgaae.errors import InputError
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role, used_settings
from fpgaae.models.own_layers import OWN_LAYERS
from fpgaae.models.quantizers import qkeras_text, quantizer_type, read_quantizer
from fpgaae.models.score_layers import ScoreLayer

Tensor = Any
Wrapper = Callable[[tf_keras.layers.Layer], tf_keras.layers.Layer]


def rebuild(network: NetworkDescription) -> tf_keras.Model:
    """Build a network with its weights.

    Raises
    ------
    InputError
        If its layers do not fit together, or a quantizer has no exact fixed-point form.
    """
    tensors = build_tensors(network)
    outputs = [tensors[name] for name in network.outputs]
    return tf_keras.Model(tensors[network.layers[0].name], outputs if len(outputs) > 1 else outputs[0])


def build_tensors(network: NetworkDescription, wrap: Wrapper | None = None) -> dict[str, Tensor]:
    """Build the layers of a network, with weights where it has some, and give what each puts out.

    Parameters
    ----------
    wrap
        Applied to each layer with weights before it is called: the pruning wrapper during training.

    Raises
    ------
    InputError
        If its layers do not fit together, or a quantizer has no exact fixed-point form.
    """
    tensors: dict[str, Tensor] = {}
    for layer in network.layers:
        if layer.role is Role.INPUT:
            tensors[layer.name] = keras_layers.Input(layer.event_shape, name=layer.name)
            continue
        sources = [tensors[name] for name in layer.inputs]
        try:
            made = _make(layer)
            called = wrap(made) if wrap and layer.has_weights else made
            tensors[layer.name] = called(sources if len(sources) > 1 else sources[0])
            if layer.weights:
                made.set_weights([layer.weights[name] for name in layer.weight_names])
        except InputError:
            raise
        except (ValueError, TypeError, KeyError) as error:
            reason = str(error).splitlines()[0][:200]
            raise InputError(
                f"the layer {layer.name} does not fit its input or its weights ({reason}); save the model again"
            ) from None
    return tensors


def _make(layer: LayerDescription) -> Any:  # noqa: ANN401
    settings = used_settings(layer.kind, layer.settings)
    activation = settings.pop("activation", None)
    settings = {key: value for key, value in settings.items() if value is not None}
    if layer.kind in OWN_LAYERS:
        return OWN_LAYERS[layer.kind](name=layer.name, **settings)
    if layer.role is Role.ROUND:
        return qkeras.QActivation(qkeras_text(quantizer_type(activation, layer.name)), name=layer.name)
    if layer.is_quantized_sum:
        return getattr(qkeras, layer.kind)(name=layer.name, **{**settings, **_weight_quantizers(layer)})
    if layer.role is Role.UNKNOWN:
        raise InputError(f"the layer {layer.name} is a {layer.kind}, which is not known here; remove it")
    return getattr(keras_layers, layer.kind)(name=layer.name, **settings)


def _weight_quantizers(layer: LayerDescription) -> dict[str, str]:
    """Give the quantizers of kernel and bias as QKeras writes them."""
    found = {}
    for key in ("kernel_quantizer", "bias_quantizer"):
        if read_quantizer(layer.settings.get(key)) is None:
            raise InputError(
                f"the layer {layer.name} has no {key}; give it one such as quantized_bits(8, 0, 0, alpha=1)"
            )
        found[key] = qkeras_text(quantizer_type(layer.settings[key], layer.name))
    return found


def with_score(model: tf_keras.Model, inputs: str, score: ScoreLayer) -> tf_keras.Model:
    """Put a score behind a quantized network.

    Both sides of a score on the reconstruction get the same shape, so that a stream brings them in the same packs.

    Parameters
    ----------
    inputs
        The quantizer behind the Input.
    score
        The layer, which reads mu, mu and log sigma^2, or an output, or the inputs and their reconstruction.
    """
    output = model.output
    if score.score.needs_variance:
        mu, log_variance = output
        pair = [_flat(mu, "latent_flat"), _flat(log_variance, "log_variance_flat")]
        return tf_keras.Model(model.input, score(pair))
    if not score.score.of_reconstruction:
        return tf_keras.Model(model.input, score(_flat(output, "latent_flat")))
    x = model.get_layer(inputs).output
    shape_in, shape_out = tuple(x.shape[1:]), tuple(output.shape[1:])
    if shape_in != shape_out and len(shape_in) == 1:
        x = keras_layers.Reshape(shape_out, name="inputs_reshaped")(x)
    elif shape_in != shape_out:
        output = keras_layers.Reshape(shape_in, name="reconstruction_reshaped")(output)
    pair = [_flat(x, "inputs_flat"), _flat(output, "reconstruction_flat")]
    return tf_keras.Model(model.input, score(pair))


def _flat(tensor: Tensor, name: str) -> Tensor:
    return tensor if len(tensor.shape) == 2 else keras_layers.Flatten(name=name)(tensor)


def weighted_layers(network: NetworkDescription) -> tuple[str, ...]:
    """Give the names of the layers with weights in graph order."""
    return tuple(layer.name for layer in network.layers if layer.has_weights)
