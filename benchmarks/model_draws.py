"""Random small models over all layers, settings, quantizers and scores that are read, and some that are refused.

A draw is a description with random weights, as a file would give it. Of a model that is imported the score is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from fpgaae.config.experiment import Firmware
from fpgaae.config.hardware import Hardware
from fpgaae.config.model import Score
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import hardware_features
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role, score_kind
from fpgaae.models.quantizers import read_quantizer
from fpgaae.models.shapes import Shape, shape_after

DEPLOYED, QKERAS, FLOAT = "deployed", "qkeras", "float"  # with its score, or imported as it is, or quantized
_ODD = 0.015  # chance of a setting that lint is to refuse, for each that could be
_MOST_VALUES, _MOST_PRODUCTS = 64, 800  # of a layer, so that it compiles in seconds
_ODD_WEIGHTS = (
    None, "quantized_bits(4,0)", "quantized_bits(4,0,0,alpha='auto')", "quantized_bits(4,0,0,alpha='auto_po2')",
    "quantized_bits(4,0,0,alpha=0.5)", "quantized_bits(4,0,0,alpha=2)", "quantized_bits(1,0,0,alpha=1)",
    "quantized_bits(5,-1,0,alpha=1)", "quantized_bits(5,0,0,0,alpha=1)", "quantized_po2(4)", "ternary(alpha=1)",
    "binary(alpha=1)", "quantized_relu(4,1)", "quantized_bits(5,0,0,alpha=1,use_stochastic_rounding=True)",
)  # fmt: skip
_ODD_ACTIVATIONS = (
    "quantized_bits(6,2,1,alpha=1)", "quantized_bits(6,2)", "quantized_bits(6,2,0,0,alpha=1)", "quantized_tanh(6)",
    "quantized_bits(6,-1,0,alpha=1)", "quantized_bits(4,3,0,alpha=1)", "quantized_bits(6,1,0,alpha=0.5)",
    "quantized_relu(6,2,negative_slope=0.25)", "quantized_relu(3,3)", "quantized_relu(6,-1)", "quantized_sigmoid(6)",
    "quantized_relu(6,2,relu_upper_bound=3)", "quantized_relu(6,2,1)", "relu", "tanh", "quantized_relu_po2(4)",
)  # fmt: skip


class Draw(NamedTuple):
    """A model, and what it is made into firmware with."""

    way: str
    network: NetworkDescription
    score: Score
    firmware: Firmware
    hardware: Hardware
    features: FeatureMap

    def describe(self) -> str:
        """Say layer by layer what it is."""
        lines = [f"{self.way}, {self.score.value}, {self.firmware.model_dump(exclude_defaults=True)}"]
        for layer in self.network.layers:
            settings = ", ".join(f"{key}={value!r}" for key, value in layer.settings.items())
            lines.append(f"  {layer.name} = {layer.kind}({settings}) of {', '.join(layer.inputs)}")
        return "\n".join(lines)


def draw(rng: np.random.Generator) -> Draw:
    """Draw a model."""
    way = str(rng.choice([DEPLOYED, QKERAS, FLOAT], p=[0.5, 0.2, 0.3]))
    score = Score(rng.choice([score.value for score in Score]))
    if way != DEPLOYED and score.needs_variance:
        score = Score.MU_SQUARED
    shape = _input_shape(rng)
    if score is Score.MASKED_SQUARED_ERROR:
        shape = (*shape[:-1], 3 * -(-shape[-1] // 3)) if len(shape) < 3 else (shape[0], 3, 1)
    builder = _Builder(rng, way, shape)
    network = builder.build(score)
    hardware, features = _features(rng, prod(shape))
    firmware = _firmware(rng)
    if score.of_reconstruction and sum(layer.role is Role.SUM for layer in network.layers) < 2:
        firmware = firmware.model_copy(update={"output_latents": False})  # it has none
    return Draw(way, network, score, firmware, hardware, features)


def _input_shape(rng: np.random.Generator) -> Shape:
    dimensions = int(rng.integers(1, 4))
    if dimensions == 1:
        return (int(rng.integers(2, 25)),)
    extents = [int(rng.integers(1, 9)) for _ in range(dimensions - 1)]
    return (*extents, int(rng.integers(1, 4))) if prod(extents) > 1 else (*extents[:-1], 4, 1)


def _firmware(rng: np.random.Generator) -> Firmware:
    strategy = str(rng.choice(["latency", "resource", "distributed_arithmetic"]))
    is_adders = strategy == "distributed_arithmetic"
    return Firmware(
        backend="Vivado" if rng.random() < 0.25 else "Vitis",
        io_type="io_stream" if rng.random() < 0.5 else "io_parallel",
        strategy=strategy,  # type: ignore[arg-type]
        reuse_factor=1 if is_adders or rng.random() < 0.3 else int(rng.integers(1, 13)),
        reloadable_weights=bool(not is_adders and rng.random() < 0.15),
        output_latents=bool(rng.random() < 0.15),
    )


def _features(rng: np.random.Generator, n: int) -> tuple[Hardware, FeatureMap]:
    """Give cells of one width, each with an offset and a shift of its own."""
    array = {"name": "cells", "shape": [n], "bits": int(rng.integers(2, 11)), "signed": bool(rng.random() < 0.5)}
    hardware = Hardware.model_validate({"array": array})
    features = []
    for cell in hardware_features(hardware):
        offset = int(rng.integers(cell.min_code, cell.max_code + 1))
        features.append(Feature(cell, offset, int(rng.integers(-1, 7))))
    return hardware, FeatureMap(tuple(features))


class _Builder:
    """Puts one random layer behind the other."""

    def __init__(self, rng: np.random.Generator, way: str, shape: Shape) -> None:
        self._rng = rng
        self._way = way
        self._prefix = "" if way == FLOAT else "Q"
        self._layers: list[LayerDescription] = []
        self._counts: dict[str, int] = {}
        self._shapes: dict[str, Shape] = {}
        self._input_shape = shape

    def build(self, score: Score) -> NetworkDescription:
        """Draw all layers of a network with such a score."""
        features = LayerDescription("features", "InputLayer", (), {"batch_input_shape": (None, *self._input_shape)})
        self._layers.append(features)
        self._shapes["features"] = self._input_shape
        x = inputs = "features" if self._way == FLOAT else self._quantize("features", is_input=True)
        if len(self._input_shape) == 1 and self._rng.random() < 0.25:
            x = self._reshaped(x)
        if len(self._shapes[x]) > 1:
            x = self._image_layers(x)
        if score.of_reconstruction and len(self._shapes[x]) > 1 and self._rng.random() < 0.3:
            x = self._convolved_reconstruction(x)
        else:
            x = self._dense_layers(x)
            x = self._last(x, score)
        last = self._score(inputs, x, score) if self._way == DEPLOYED else x
        return NetworkDescription(tuple(self._layers), (last,))

    # ---- parts of a network ----

    def _reshaped(self, x: str) -> str:
        n = prod(self._shapes[x])
        height = int(self._rng.choice([d for d in range(1, n + 1) if n % d == 0]))
        target = (height, n // height, 1) if self._rng.random() < 0.5 else (height, n // height)
        return self._add("Reshape", x, target_shape=target)

    def _image_layers(self, x: str) -> str:
        for _ in range(int(self._rng.integers(0, 5))):
            kind = self._rng.choice(["conv", "pool", "up", "pad", "other"], p=[0.5, 0.2, 0.12, 0.13, 0.05])
            x = getattr(self, f"_{kind}")(x)
        return x

    def _dense_layers(self, x: str) -> str:
        if len(self._shapes[x]) > 1 and not self._odd():
            x = self._add("Flatten", x)
        for _ in range(int(self._rng.integers(0, 3))):
            x = self._behind(self._dense(x, int(self._rng.integers(1, 17))))
        return x

    def _last(self, x: str, score: Score) -> str:
        """Give the reconstruction, the latents (mu; log sigma^2 is drawn with the score), or the one output."""
        if score.of_reconstruction:
            x = self._dense(x, prod(self._input_shape))
        elif score is Score.REGRESSION:
            return self._rectified(self._dense(x, 1))
        else:
            x = self._dense(x, int(self._rng.integers(1, 6)))
        return self._behind(x, is_last=True)

    def _convolved_reconstruction(self, x: str) -> str:
        """Give an image of as many values as the input through a dense layer, enlarging and a convolution."""
        *extents, channels = self._input_shape if len(self._input_shape) > 1 else (1, *self._input_shape, 1)
        sizes = [int(self._rng.choice([d for d in (1, 2, 3) if extent % d == 0])) for extent in extents]
        small = (*(e // s for e, s in zip(extents, sizes, strict=True)), int(self._rng.integers(1, 3)))
        x = self._behind(self._dense(self._add("Flatten", x), prod(small)))
        x = self._add("Reshape", x, target_shape=small)
        n = len(extents)
        x = self._add(f"UpSampling{n}D", x, size=tuple(sizes) if n > 1 else sizes[0])
        window = tuple(int(self._rng.integers(1, 4)) for _ in extents)
        x = self._add(f"{self._prefix}Conv{n}D", x, filters=channels, kernel_size=window, padding="same",
                      strides=(1,) * n, **self._weights())  # fmt: skip
        return self._behind(x, is_last=True)

    def _score(self, inputs: str, x: str, score: Score) -> str:
        settings: dict[str, Any] = {}
        read = [x]
        if score.of_reconstruction:
            same = self._shapes[inputs] == self._shapes[x]
            if not same and len(self._shapes[x]) > 1:
                inputs = self._add("Reshape", inputs, target_shape=self._shapes[x])
            read = [self._flat(inputs), self._flat(x)]
        if score is Score.MASKED_SQUARED_ERROR:
            settings["empty"] = [float(v) for v in self._rng.integers(-2, 3, prod(self._input_shape) // 3) / 2]
        if score.needs_variance:
            body = self._layers[-1].inputs[0]
            source = next(layer for layer in self._layers if layer.name == body)
            head = source.inputs[0] if source.role is Role.SUM else body
            if len(self._shapes[head]) > 1:
                head = x
            bits = int(self._rng.integers(2, 9))
            text = f"quantized_bits({bits},{int(self._rng.integers(0, min(bits - 1, 4)))},0,alpha=1)"
            dense = self._dense(head, prod(self._shapes[x]))
            read.append(self._add("QActivation", dense, activation=text))
            found = read_quantizer(text)
            settings = {"argument": str(found and found.type), "fraction_bits": int(self._rng.integers(0, 11))}
        return self._add(score_kind(score), *read, **settings)

    def _flat(self, x: str) -> str:
        return x if len(self._shapes[x]) == 1 else self._add("Flatten", x)

    # ---- single layers ----

    def _conv(self, x: str) -> str:
        *extents, channels = self._shapes[x]
        same = self._rng.random() < 0.5
        window = tuple(int(self._rng.integers(1, 4 if same else min(extent, 4) + 1)) for extent in extents)
        strides = tuple(int(s) for s in self._rng.choice([1, 2, 3], size=len(extents), p=[0.65, 0.25, 0.1]))
        options = {"dilation_rate": (2,) * len(extents)} if self._odd() and set(strides) == {1} else {}
        kind = f"{self._prefix}Conv{len(extents)}D"
        if self._odd() and len(extents) == 2:
            kind = str(self._rng.choice(["SeparableConv2D", "QConv2DTranspose"]))
        positions = prod(-(-extent // stride) for extent, stride in zip(extents, strides, strict=True))
        most = max(1, min(_MOST_VALUES // positions, _MOST_PRODUCTS // (prod(window) * channels), 5))
        x = self._add(
            kind, x, filters=int(self._rng.integers(1, most + 1)), kernel_size=window, strides=strides,
            padding="same" if same else "valid", **options, **self._weights(),
        )  # fmt: skip
        return self._behind(x)

    def _pool(self, x: str) -> str:
        extents = self._shapes[x][:-1]
        size = tuple(int(self._rng.integers(1, min(extent, 3) + 1)) for extent in extents)
        strides = None if self._rng.random() < 0.7 else tuple(int(self._rng.integers(1, 4)) for _ in extents)
        padding = "same" if self._rng.random() < 0.1 else "valid"
        kind = str(self._rng.choice(["Max", "Average"]))
        n = len(extents)
        if n == 1:
            x = self._add(f"{kind}Pooling1D", x, pool_size=size[0], strides=strides and strides[0], padding=padding)
        else:
            x = self._add(f"{kind}Pooling2D", x, pool_size=size, strides=strides, padding=padding)
        return self._behind(x) if kind == "Average" else x

    def _up(self, x: str) -> str:
        *extents, _ = self._shapes[x]
        room = max(1, _MOST_VALUES // prod(self._shapes[x]))
        sizes = [int(self._rng.integers(1, min(room, 3) + 1)) for _ in extents]
        if prod(sizes) > room:
            sizes = [*sizes[:1], *[1] * (len(sizes) - 1)]
        interpolation = {"interpolation": "bilinear"} if self._odd() and len(extents) == 2 else {}
        size = tuple(sizes) if len(sizes) > 1 else sizes[0]
        return self._add(f"UpSampling{len(extents)}D", x, size=size, **interpolation)

    def _pad(self, x: str) -> str:
        *extents, channels = self._shapes[x]
        if prod(extent + 4 for extent in extents) * channels > 2 * _MOST_VALUES:
            return x
        around = tuple(tuple(int(v) for v in self._rng.integers(0, 3, 2)) for _ in extents)
        return self._add(f"ZeroPadding{len(extents)}D", x, padding=around if len(around) > 1 else around[0])

    def _other(self, x: str) -> str:
        """Add what needs no weights: a quantizer, a slope, another shape, or what works in training only."""
        kind = self._rng.choice(["round", "leak", "shape", "training"])
        if kind == "round":
            return self._rectified(x) if self._way == FLOAT else self._quantize(x)
        if kind == "leak":
            return self._behind(self._leak(x))
        if kind == "training" and self._way != DEPLOYED:
            return self._add("Dropout", x, rate=0.1)
        *extents, channels = self._shapes[x]
        return self._add("Reshape", x, target_shape=(*extents[::-1], channels))

    def _dense(self, x: str, units: int) -> str:
        if self._odd():
            return self._add("Dense", x, units=units, use_bias=True)
        return self._add(f"{self._prefix}Dense", x, units=units, **self._weights())

    def _leak(self, x: str) -> str:
        alpha = 0.3 if self._odd() else 2.0 ** -int(self._rng.integers(1, 7))
        return self._add("LeakyReLU", x, alpha=alpha)

    def _behind(self, x: str, *, is_last: bool = False) -> str:
        """Add what stands behind a sum or a mean: often a slope or a normalization, and mostly a quantizer."""
        chance = self._rng.random
        if self._way == FLOAT:
            return self._behind_float(x, is_last=is_last)
        inner = [layer for layer in self._layers if layer.name == x and "activation" in layer.settings]
        if self._way == QKERAS and inner and not is_last and chance() < 0.3:
            self._layers[-1] = inner[0].with_settings(activation=self._activation())
            return x
        if self._odd():
            x = self._add("BatchNormalization", x)
        if chance() < 0.12:
            x = self._leak(x)
        if not is_last and chance() < 0.1:
            return x  # a sum goes on at its full width
        return self._quantize(x)

    def _behind_float(self, x: str, *, is_last: bool) -> str:
        chance = self._rng.random
        is_sum = self._layers[-1].role is Role.SUM
        if is_sum and chance() < 0.25:
            self._layers[-1] = self._layers[-1].with_settings(activation="relu")
            return x
        if is_sum and chance() < 0.3:
            x = self._add("BatchNormalization", x, **({"epsilon": 0.01, "scale": False} if chance() < 0.3 else {}))
        if is_last:
            return x
        kind = self._rng.choice(["none", "relu", "leak", "activation"], p=[0.3, 0.3, 0.2, 0.2])
        if kind == "leak":
            return self._leak(x)
        return x if kind == "none" else self._rectified(x)

    def _rectified(self, x: str) -> str:
        if self._way == FLOAT:
            return self._add("ReLU", x) if self._rng.random() < 0.5 else self._add("Activation", x, activation="relu")
        return self._add("QActivation", x, activation=self._activation(signed=False))

    def _quantize(self, x: str, *, is_input: bool = False) -> str:
        text = self._activation(signed=True if is_input and self._rng.random() < 0.9 else None)
        return self._add("QActivation", x, activation=text)

    def _activation(self, signed: bool | None = None) -> str:
        if self._odd():
            return str(self._rng.choice(_ODD_ACTIVATIONS))
        bits = int(self._rng.integers(2, 13))
        if signed is None:
            signed = bool(self._rng.random() < 0.5)
        if signed:
            return f"quantized_bits({bits},{int(self._rng.integers(0, min(bits - 1, 6)))},0,alpha=1)"
        return f"quantized_relu({bits - 1},{int(self._rng.integers(0, min(bits - 1, 6)))})"

    def _weights(self) -> dict[str, Any]:
        """Give the settings of a sum that belong to its weights."""
        settings: dict[str, Any] = {"use_bias": True, "activation": None}
        if self._odd() or (self._way != DEPLOYED and self._rng.random() < 0.2):
            settings["use_bias"] = False
        if self._way != FLOAT:
            settings["kernel_quantizer"] = self._of_weights()
            settings["bias_quantizer"] = self._of_weights()
        return settings

    def _of_weights(self) -> str | None:
        if self._odd():
            return _ODD_WEIGHTS[int(self._rng.integers(len(_ODD_WEIGHTS)))]
        bits = int(self._rng.integers(2, 11))
        symmetric = int(self._rng.integers(0, 2))
        return f"quantized_bits({bits},{int(self._rng.integers(0, min(bits, 5)))},{symmetric},alpha=1)"

    def _odd(self) -> bool:
        return bool(self._rng.random() < _ODD)

    # ---- bookkeeping ----

    def _add(self, kind: str, *inputs: str, **settings: Any) -> str:  # noqa: ANN401
        stem = kind.lower()
        self._counts[stem] = count = self._counts.get(stem, 0) + 1
        layer = LayerDescription(f"{stem}_{count}", kind, inputs, settings)
        shape = shape_after(layer, self._shapes[inputs[0]]) or self._shapes[inputs[0]]
        layer = layer.changed(weights=self._random_weights(layer, self._shapes[inputs[0]]))
        self._layers.append(layer)
        self._shapes[layer.name] = shape
        return layer.name

    def _random_weights(self, layer: LayerDescription, source: Shape) -> dict[str, Any]:
        """Give weights off the grid, some of them zero and some beyond the range; gains of either sign."""
        if layer.role is Role.NORMALIZE:
            draw = self._rng.uniform
            ends = {"gamma": (-2, 2), "beta": (-1, 1), "moving_mean": (-1, 1), "moving_variance": (0.1, 2)}
            return {name: draw(*ends[name], source[-1:]).astype(np.float32) for name in layer.weight_names}
        if layer.role is not Role.SUM:
            return {}
        units = layer.settings.get("units", layer.settings.get("filters"))
        window: Sequence[int] = layer.settings.get("kernel_size", ())
        shapes = {"kernel": (*window, source[-1], units), "bias": (units,)}
        return {name: self._random_array(layer, name, shapes[name]) for name in layer.weight_names}

    def _random_array(self, layer: LayerDescription, name: str, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
        quantizer = layer.quantizers.get(name)
        integer = (quantizer.whole("integer") or 0) if quantizer else 0
        values = self._rng.uniform(-1.2, 1.2, shape) * 2.0 ** max(integer, 0)
        return (values * self._rng.choice([0, 0.2, 1], shape, p=[0.25, 0.35, 0.4])).astype(np.float32)
