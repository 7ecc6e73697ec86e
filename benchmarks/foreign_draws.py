"""Random models as others publish them, built with Keras 2, Keras 3 or QKeras: dense, or of images.

What a model is follows from the generator that it is drawn from. This module imports no Keras: it is given.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_WEIGHTS = ("quantized_bits(6,1,0,alpha=1)", "quantized_bits(8,0,1,alpha=1)", "quantized_bits(4,2,0,alpha=1)")
N_VALUES = 12  # of an event
SHAPES = ((12,), (6, 2), (4, 3, 1), (3, 2, 2))


class ModelBuilder:
    """Makes one random model: dense or an image, with what published models have between their layers.

    Parameters
    ----------
    library
        `keras` or `tf_keras`; a quantized model is one of `tf_keras`.
    is_image
        Whether it has convolutions; None: as it comes.
    """

    def __init__(
        self, rng: np.random.Generator, library: Any, *, is_quantized: bool, is_image: bool | None = None  # noqa: ANN401
    ) -> None:  # fmt: skip
        self.rng, self.library, self.layers = rng, library, library.layers
        self.is_quantized, self.is_image = is_quantized, is_image
        self._is_rounded = False  # by an activation inside the last layer

    def _chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def _of(self, *values: Any) -> Any:  # noqa: ANN401
        return values[int(self.rng.integers(len(values)))]

    def model(self) -> Any:  # noqa: ANN401
        """Build it, with random weights."""
        shapes = SHAPES if self.is_image is None else SHAPES[2:] if self.is_image else SHAPES[:2]
        shape = self._of(*shapes)
        x = features = self.layers.Input(shape)
        x = self._front(x)
        if len(shape) == 3 and (self.is_image or self._chance(0.7)):
            x = self._image(x)
        if len(x.shape) > 2:
            x = self.layers.Flatten()(x)
        for _ in range(int(self.rng.integers(1, 3))):
            x = self._behind(self._dense(x, int(self.rng.integers(3, 7))))
        model = self.library.Model(features, self._end(self._dense(x, N_VALUES), shape))
        model.set_weights([self._weights(weight.shape) for weight in model.get_weights()])
        return model

    def _weights(self, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
        """Draw weights; those of one axis, some of which are variances, are positive."""
        return self.rng.uniform(0.2, 1.3, shape) * self.rng.choice([1, -1], shape) ** (len(shape) > 1)

    def _front(self, x: Any) -> Any:  # noqa: ANN401
        if self.is_quantized:
            if self._chance(0.3):  # the config knows the type
                return x
            return self._quantizer(x, self._of("quantized_bits(9,4,0,alpha=1)", "quantized_bits(7,3,0,alpha=1)"))
        if self._chance(0.3):
            x = self.layers.Rescaling(float(self._of(0.25, 0.1, -1.5)), offset=float(self._of(0, 0.5)))(x)
        if self._chance(0.3):
            x = self.layers.BatchNormalization(center=self._chance(0.5))(x)
        return x

    def _quantizer(self, x: Any, text: str) -> Any:  # noqa: ANN401
        from qkeras import QActivation  # noqa: PLC0415

        return QActivation(text)(x)

    def _weighted(self, kind: str, *sizes: Any, **options: Any) -> Any:  # noqa: ANN401
        options |= {"use_bias": self._chance(0.7)}
        if not self.is_quantized:
            inside = self._of(None, "relu", "linear", "relu", "elu", "tanh")
            return getattr(self.layers, kind)(*sizes, activation=inside, **options)
        import qkeras  # noqa: PLC0415

        of = "depthwise" if kind.startswith("Depthwise") else "kernel"
        inside = self._of(None, None, "quantized_relu(6,2)", "quantized_bits(8,3,0,alpha=1)")
        self._is_rounded = inside is not None
        options |= {f"{of}_quantizer": self._of(*_WEIGHTS), "bias_quantizer": self._of(*_WEIGHTS), "activation": inside}
        return getattr(qkeras, f"Q{kind}")(*sizes, **options)

    def _dense(self, x: Any, units: int) -> Any:  # noqa: ANN401
        return self._weighted("Dense", units)(x)

    def _image(self, x: Any) -> Any:  # noqa: ANN401
        if self._chance(0.4):
            x = self.layers.ZeroPadding2D(((1, 0), (0, 1)))(x)
        window, padding = self._of((2, 2), (1, 2), 2), self._of("same", "valid")
        x = self._behind(self._convolution(window, padding)(x))
        moved = self.layers.MaxPooling2D((1, 1)), self.layers.UpSampling2D((1, 2)), self.layers.Activation("linear")
        if self.is_quantized:
            return self._of(*moved)(x)
        x = self._of(*moved, self.layers.AveragePooling2D((2, 1), padding="same"))(x)
        if self._chance(0.3):
            x = self.layers.Conv2DTranspose(2, 2, strides=self._of(1, 2), padding=padding)(x)
            x = self.layers.Cropping2D(((1, 0), (0, 0)))(x) if self._chance(0.5) else x
        return x

    def _convolution(self, window: Any, padding: str) -> Any:  # noqa: ANN401
        kind = self._of("Conv2D", "Conv2D", "DepthwiseConv2D", *(() if self.is_quantized else ("SeparableConv2D",)))
        if kind == "DepthwiseConv2D":
            return self._weighted(kind, window, strides=1, padding=padding, depth_multiplier=self._of(1, 2))
        strides = self._of(1, (1, 2)) if kind == "Conv2D" else 1
        return self._weighted(kind, 3, window, strides=strides, padding=padding)

    def _behind(self, x: Any) -> Any:  # noqa: ANN401
        """Put behind a layer what stands there in published models."""
        layers = self.layers
        if self.is_quantized and self._is_rounded:
            return x
        if self.is_quantized:
            x = layers.BatchNormalization()(x) if self._chance(0.15) else x
            return self._quantizer(x, self._of("quantized_relu(7,3)", "quantized_bits(8,3,0,alpha=1)"))
        if self._chance(0.5):
            x = layers.BatchNormalization(axis=-1, scale=self._chance(0.5), epsilon=0.01)(x)
        if self._chance(0.5):
            leaky = {"alpha": 0.3} if self.library.__name__ == "tf_keras" else {"negative_slope": 0.3}
            x = self._of(
                layers.ReLU(), layers.Activation("relu"), layers.LeakyReLU(**leaky), layers.Activation("sigmoid")
            )(x)
        return layers.Dropout(0.2)(x) if self._chance(0.3) else x

    def _end(self, x: Any, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
        if self.is_quantized:
            return x if self._is_rounded else self._quantizer(x, "quantized_bits(9,4,0,alpha=1)")
        if self._chance(0.3) and len(shape) > 1:
            x = self.layers.Reshape(shape)(x)
        return self.layers.Activation(self._of("linear", "sigmoid"))(x) if self._chance(0.3) else x
