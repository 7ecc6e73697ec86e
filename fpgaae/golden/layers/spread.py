"""The pixels of an image with zeros between and around them, or without those at its border (NumPy only)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes
from fpgaae.golden.layers.base import Layer, n_values
from fpgaae.golden.layers.moved import Moved


@dataclass(frozen=True, kw_only=True)
class Spread(Moved):
    """A pixel every `strides` rows and columns, zeros between them, `padding` around; a negative padding crops."""

    kind = "spread"
    image: tuple[int, int, int]  # what it reads: height, width and channels
    strides: tuple[int, int]
    padding: tuple[int, int, int, int]  # top, bottom, left, right

    @classmethod
    def of(cls, name: str, source: Layer, strides: tuple[int, int], padding: tuple[int, int, int, int]) -> Spread:
        """Make one behind an image.

        Raises
        ------
        InputError
            If the source is no image, or nothing of it would be left.
        """
        if len(source.shape) != 3:
            raise InputError(f"the input of the layer {name} is no image; put a Reshape in front of it")
        height, width, channels = source.shape
        top, bottom, left, right = padding
        rows = (height - 1) * strides[0] + 1 + top + bottom
        columns = (width - 1) * strides[1] + 1 + left + right
        if rows < 1 or columns < 1:
            raise InputError(f"the layer {name} leaves nothing of its input of {height} x {width}; crop less of it")
        shape, image = (rows, columns, channels), (height, width, channels)
        return cls(
            name, (source.name,), n_values(shape), source.types, shape, image=image, strides=strides, padding=padding
        )

    def places(self, n: int) -> Codes:
        """Give the place of each pixel, -1 between and around them."""
        del n
        (height, width, channels), (top, _, left, _) = self.image, self.padding
        rows = _pixels(self.shape[0], top, self.strides[0], height)
        columns = _pixels(self.shape[1], left, self.strides[1], width)
        pixels = np.where((rows[:, None] < 0) | (columns < 0), -1, rows[:, None] * width + columns)[..., None]
        return np.asarray(np.where(pixels < 0, -1, pixels * channels + np.arange(channels)).ravel(), dtype=np.int64)

    def _settings(self) -> dict[str, Any]:
        spread = {"image": self.image, "strides": self.strides, "padding": self.padding}
        return {**super()._settings(), "spread": spread}

    @classmethod
    def _read_constants(cls, entry: Mapping[str, Any], arrays: Mapping[str, Codes]) -> dict[str, Any]:
        numbers = {name: tuple(map(int, entry["spread"][name])) for name in ("image", "strides", "padding")}
        return {**super()._read_constants(entry, arrays), **numbers}


def _pixels(extent: int, before: int, stride: int, n: int) -> Codes:
    """Give for each row or column the one of the source that stands there, -1 for none."""
    places = np.arange(extent) - before
    is_pixel = (places >= 0) & (places % stride == 0) & (places < n * stride)
    return np.where(is_pixel, places // stride, -1)
