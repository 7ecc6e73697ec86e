"""The undercomplete autoencoder of dense layers, of any depth."""

from __future__ import annotations

from fpgaae.methods.autoencoder import Autoencoder
from fpgaae.methods.base import MethodOptions


class DenseOptions(MethodOptions):
    """It has none of its own: widths and depth are those of `model`."""


class DenseAutoencoder(Autoencoder):
    """Hidden layers as in `model.encoder` and `model.decoder`, rectified."""

    options_class = DenseOptions
