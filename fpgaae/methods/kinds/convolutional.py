"""The convolutional autoencoder: an event is an image, for trigger objects one of (objects, quantities).

Convolutions, poolings and up-samplings are those of `model.encoder` and `model.decoder`, as for the quantized twin.
"""

from __future__ import annotations

from typing import Any

from fpgaae.errors import ConfigError
from fpgaae.methods.autoencoder import Autoencoder
from fpgaae.methods.base import MethodOptions


class ConvolutionalOptions(MethodOptions):
    """It has none of its own: the layers are those of `model`."""


class ConvolutionalAutoencoder(Autoencoder):
    """The squared error of an image."""

    options_class = ConvolutionalOptions

    def build(self) -> dict[str, Any]:
        """Build the encoder and decoder, of which the first must have a convolution.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if not any(layer.kind == "Conv2D" for layer in self.setting.encoder_plan):
            raise ConfigError(
                "the method convolutional needs a convolution in `model.encoder`, as in "
                "{filters: 16, kernel: [3, 3]}; add one, or use the method dense"
            )
        return super().build()
