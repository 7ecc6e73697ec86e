"""Models and descriptions that the tests of `fpgaae lint` break in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.findings import Finding
from fpgaae.hls.lint.models import lint_model
from fpgaae.models.architecture import describe_model
from fpgaae.models.description import LayerDescription, NetworkDescription

SIGNED = "quantized_bits(8,2,0,alpha=1)"
NARROW = "quantized_bits(6,0,0,alpha=1)"
RELU = "quantized_relu(6,2)"
STREAM = Conversion(io_type="io_stream")
N_FEATURES = 6
Layers = dict[str, Any]


def randomize(model: Any, seed: int = 0) -> Any:  # noqa: ANN401
    """Give a model random weights between -1 and 1."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if layer.get_weights():
            layer.set_weights([rng.uniform(-1, 1, array.shape) for array in layer.get_weights()])
    return model


def dense(name: str, units: int = 5, **options: Any) -> Any:  # noqa: ANN401
    """Make a quantized dense layer."""
    from qkeras import QDense  # noqa: PLC0415

    return QDense(units, name=name, **{"kernel_quantizer": NARROW, "bias_quantizer": NARROW, **options})


def quantizer(name: str, of: Any = SIGNED) -> Any:  # noqa: ANN401
    """Make a quantizer."""
    from qkeras import QActivation  # noqa: PLC0415

    return QActivation(of, name=name)


def encoder(**replaced: Any) -> Any:  # noqa: ANN401
    """Make an encoder that is sound, with layers replaced by others (by name), or left out (None)."""
    import tf_keras  # noqa: PLC0415

    from fpgaae.models.score_layers import MuSquaredScore  # noqa: PLC0415

    layers: Layers = {
        "features_quantized": quantizer("features_quantized"),
        "encoder_1": dense("encoder_1"),
        "encoder_1_relu": quantizer("encoder_1_relu", RELU),
        "mu": dense("mu", 3),
        "mu_quantized": quantizer("mu_quantized"),
        "score": MuSquaredScore(name="score"),
    }
    features = x = tf_keras.layers.Input((N_FEATURES,), name="features")
    for layer in (layers | replaced).values():
        for part in layer if isinstance(layer, list) else [layer]:
            x = x if part is None else part(x)
    return randomize(tf_keras.Model(features, x, name="deployed"))


class Looked(NamedTuple):
    """A description and the settings that it is linted with."""

    model: NetworkDescription
    conversion: Conversion = Conversion()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What lint finds."""
        return lint_model(self.model, self.conversion)


def real(conversion: Conversion = Conversion(), **replaced: Callable[[], Any] | None) -> Looked:  # noqa: B008
    """Describe a Keras model made by `encoder`, the layers made when TensorFlow is up."""
    made = {name: make and make() for name, make in replaced.items()}
    return Looked(describe_model(encoder(**made)), conversion)


def layer(name: str, kind: str, *inputs: str, **config: Any) -> LayerDescription:  # noqa: ANN401
    """Describe a layer by hand."""
    return LayerDescription(name, kind, inputs, config)


def by_hand(*layers: LayerDescription, conversion: Conversion = Conversion(), shape: tuple[int, ...] = (6,)) -> Looked:  # noqa: B008
    """Describe a model by hand: an input `x`, its quantizer `q`, and the given layers, of which the last is put out."""
    start = (
        layer("x", "InputLayer", batch_input_shape=[None, *shape]),
        layer("q", "QActivation", "x", activation=SIGNED),
    )
    return Looked(NetworkDescription((*start, *layers), (layers[-1].name if layers else "q",)), conversion)
