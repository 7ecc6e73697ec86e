"""Dense layers and convolutions: exact sums of products, in a type that holds each of them (NumPy only)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from fpgaae.fixedpoint import (
    Codes,
    FixedPointType,
    Tensor,
    Types,
    read_types,
    shift_left_exact,
    type_for_range,
    values_of,
    write_types,
)
from fpgaae.golden.layers.base import Layer, Windowed, n_values
from fpgaae.golden.parts import Part, Partly, Values
from fpgaae.golden.windows import Window, convolve, count_products, exact_product, range_of_sums, unfold

TypedCodes = tuple[Codes, Types]  # of a kernel or a bias; where each output has a type, codes lie on the common grid

_Weighted = TypeVar("_Weighted", bound="Weighted")


@dataclass(frozen=True, kw_only=True)
class Weighted(Layer):
    """A layer of sums of products and a bias; the last axis of its kernel is an output, or a filter.

    Its type is derived: the narrowest that holds every sum which inputs of their types can give. Where the weights are
    `reloadable`, it holds the sums of any weights of their types, and `kernel` and `bias` are those loaded now.
    """

    kernel: Codes = field(repr=False)
    bias: Codes = field(repr=False)
    kernel_types: Types
    bias_types: Types
    reloadable: bool = False

    @property
    def kernel_type(self) -> FixedPointType:
        """The type that holds every code of the kernel."""
        return self.kernel_types.common

    @property
    def bias_type(self) -> FixedPointType:
        """The type that holds every code of the bias."""
        return self.bias_types.common

    @property
    def channel_types(self) -> tuple[Types, ...]:
        """Types of its output and of its weights."""
        return self.types, self.kernel_types, self.bias_types

    @abstractmethod
    def products(self, x: Any, kernel: Any) -> Any:  # noqa: ANN401
        """Sum up the products of codes, or of values, without the bias."""

    @abstractmethod
    def reach(self, kernel: Codes, low: Codes, high: Codes) -> tuple[Codes, Codes]:
        """Give the smallest and the largest sum of products, (places, outputs), for values between two rows."""

    @abstractmethod
    def n_products(self, kernel: Codes) -> int:
        """Count the products of one event with weights that are not zero."""

    @abstractmethod
    def peaks(self, source: Layer) -> Codes:
        """Give the largest magnitude of what each weight of an output is multiplied with."""

    def derived(self: _Weighted, source: Layer) -> _Weighted:
        """Give it the narrowest type that holds its sums, on the finest grid of products and biases."""
        fraction = max(source.types.fraction + self.kernel_types.fraction, self.bias_types.fraction)
        return self._typed(source, fraction)

    def _typed(self: _Weighted, source: Layer, fraction: int) -> _Weighted:
        unknown = replace(self, types=FixedPointType(1, 1 - fraction))
        low, high = unknown.range([source])
        return replace(unknown, types=type_for_range(min(low, 0), max(high, 0), fraction))

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the sums."""
        x, fraction = inputs[0], self.types.fraction
        codes = shift_left_exact(
            self.products(x.codes, self.kernel), fraction - x.fraction - self.kernel_types.fraction
        )
        bias = self.bias << (fraction - self.bias_types.fraction)
        return Tensor(codes + np.tile(bias, self.size // len(bias)), fraction)

    def values(self, inputs: Sequence[Values], sources: Sequence[Layer], partly: Partly) -> Values:
        """Compute the sums with the weights before their quantization, or with its own."""
        del sources
        kernel, bias = partly.weights[self.name]
        if Part.WEIGHTS in partly.quantized:
            kernel = values_of(self.kernel, self.kernel_types.fraction)
            bias = values_of(self.bias, self.bias_types.fraction)
        sums = self.products(inputs[0], kernel) + np.tile(bias, self.size // len(bias))
        return np.asarray(sums, dtype=np.float64)

    def extreme_weights(self) -> tuple[tuple[Codes, Codes], ...]:
        """Give kernels and biases between which those of the layer stay: its own, or the ends of their types.

        A sum of products is linear in each weight: over all of them it is smallest and largest at such ends.
        """
        if not self.reloadable:
            return ((self.kernel, self.bias),)
        ends = zip(self.kernel_types.ends(len(self.bias)), self.bias_types.ends(len(self.bias)), strict=True)
        lowest, highest = ((np.broadcast_to(kernel, self.kernel.shape), bias) for kernel, bias in ends)
        return highest, lowest

    def sums_of_one_sign(self, source: Layer) -> tuple[Codes, Codes, tuple[Codes, Codes]]:
        """Give the smallest and the largest sum of products, (places, outputs), and bias of each output, on one grid.

        A bias has a smallest and a largest code, too, which differ where it is reloadable.
        """
        up = self.types.fraction - source.types.fraction - self.kernel_types.fraction
        sums = [self.reach(kernel, *source.ends) for kernel, _ in self.extreme_weights()]
        biases = np.stack([bias for _, bias in self.extreme_weights()]) << (
            self.types.fraction - self.bias_types.fraction
        )
        smallest, largest = np.min([s for s, _ in sums], axis=0), np.max([s for _, s in sums], axis=0)
        return smallest << up, largest << up, (biases.min(axis=0), biases.max(axis=0))

    def ends_of_sums(self, source: Layer, low: Codes, high: Codes) -> tuple[Codes, Codes]:
        """Give the smallest and the largest code of each output, (size,) each, for inputs from low to high, (n_in,)."""
        up = self.types.fraction - source.types.fraction - self.kernel_types.fraction
        bias = self.bias << (self.types.fraction - self.bias_types.fraction)
        smallest, largest = self.reach(self.kernel, low, high)
        return (np.asarray((smallest << up) + bias).ravel(), np.asarray((largest << up) + bias).ravel())

    def range(self, sources: Sequence[Layer]) -> tuple[int, int]:
        """Give the smallest and the largest code that it can put out for inputs of their types; both are reached."""
        smallest, largest, (low_bias, high_bias) = self.sums_of_one_sign(sources[0])
        return int((smallest + low_bias).min()), int((largest + high_bias).max())

    def largest_sum(self, sources: Sequence[Layer]) -> int:
        """Bound every partial sum, whatever the order of its terms, in units of its LSB."""
        source, fraction = sources[0], self.types.fraction
        up = fraction - source.types.fraction - self.kernel_types.fraction
        up_bias = fraction - self.bias_types.fraction
        peaks = self.peaks(source) << up
        return max(
            int((peaks @ np.abs(kernel).reshape(-1, kernel.shape[-1]) + (np.abs(bias) << up_bias)).max())
            for kernel, bias in self.extreme_weights()
        )

    def multiplications(self, sources: Sequence[Layer]) -> int:
        """Count the products with weights that are not zero; one that can be reloaded may be zero now and not later."""
        del sources
        return self.n_products(np.ones_like(self.kernel) if self.reloadable else self.kernel)

    def with_any_weights(self, sources: Sequence[Layer]) -> Layer:
        """Give it ports for its weights, which take any bits, also the code that a symmetric quantizer leaves out."""
        opened = replace(self, reloadable=True, kernel_types=self.kernel_types.plain, bias_types=self.bias_types.plain)
        return opened._typed(sources[0], self.types.fraction)

    def unused_bits(self, sources: Sequence[Layer], before: Sequence[int]) -> int:
        """Count the lowest bits that are 0 in every sum: hls4ml leaves them out of its type."""
        del before
        up = self.types.fraction - sources[0].types.fraction - self.kernel_types.fraction
        products, offsets = self.kernel << up, self.bias << (self.types.fraction - self.bias_types.fraction)
        used = int(np.bitwise_or.reduce(np.concatenate([products.ravel(), offsets])))
        return (used & -used).bit_length() - 1 if used else self.type.width

    def arrays(self) -> dict[str, Codes]:
        """Give kernel and bias."""
        return {"kernel": self.kernel, "bias": self.bias}

    def _settings(self) -> dict[str, Any]:
        return {
            **super()._settings(),
            "kernel_type": write_types(self.kernel_types),
            "bias_type": write_types(self.bias_types),
            "reloadable": self.reloadable,
        }

    @classmethod
    def _read_constants(cls, entry: Mapping[str, Any], arrays: Mapping[str, Codes]) -> dict[str, Any]:
        return {
            **super()._read_constants(entry, arrays),
            "kernel": arrays["kernel"],
            "bias": arrays["bias"],
            "kernel_types": read_types(entry["kernel_type"]),
            "bias_types": read_types(entry["bias_type"]),
            "reloadable": bool(entry.get("reloadable", False)),
        }


@dataclass(frozen=True, kw_only=True)
class Dense(Weighted):
    """Every value times a weight for every output; the kernel is (inputs, outputs)."""

    kind = "dense"

    @classmethod
    def of(cls, name: str, source: Layer, kernel: TypedCodes, bias: TypedCodes) -> Dense:
        """Make one and derive the type of its exact sums from the range of its input."""
        layer = cls(
            name, (source.name,), kernel[0].shape[1], FixedPointType(1, 1),
            kernel=kernel[0], bias=bias[0], kernel_types=kernel[1], bias_types=bias[1],
        )  # fmt: skip
        return layer.derived(source)

    def products(self, x: Any, kernel: Any) -> Any:  # noqa: ANN401
        """Multiply matrices."""
        return exact_product(x, kernel) if np.issubdtype(x.dtype, np.integer) else x @ kernel

    def reach(self, kernel: Codes, low: Codes, high: Codes) -> tuple[Codes, Codes]:
        """Give the ends of the sums of each output, (1, outputs): each value at the end that its weight asks for."""
        positive, negative = np.maximum(kernel, 0), np.minimum(kernel, 0)
        return (low @ positive + high @ negative)[None], (high @ positive + low @ negative)[None]

    def n_products(self, kernel: Codes) -> int:
        """Count the weights that are not zero."""
        return int(np.count_nonzero(kernel))

    def peaks(self, source: Layer) -> Codes:
        """Give the largest magnitude of each value."""
        return np.asarray(np.abs(np.stack(source.ends)).max(axis=0))

    def partial_sums(self, sources: Sequence[Layer]) -> tuple[int, int]:
        """Bound every sum of some of its terms, with or without the bias, in codes of its type.

        Each product can be 0, as 0 is a value of every input; so no sum of a part lies outside the sum of all products
        of one sign.
        """
        smallest, largest, (low_bias, high_bias) = self.sums_of_one_sign(sources[0])
        low, high = smallest + np.minimum(low_bias, 0), largest + np.maximum(high_bias, 0)
        return int(low.min()), int(high.max())

    def corners(self, source: Layer) -> list[Codes]:
        """Give the rows of the largest and of the smallest sum of each output."""
        low, high = source.ends
        return [np.where(k > 0, high, np.where(k < 0, low, 0)) for k in (self.kernel.T, -self.kernel.T)]


@dataclass(frozen=True, kw_only=True)
class Convolution(Weighted, Windowed):
    """The same weights at every position of a window; the kernel is (height, width, channels, filters)."""

    kind = "convolution"

    @classmethod
    def of(cls, name: str, source: Layer, kernel: TypedCodes, bias: TypedCodes, window: Window) -> Convolution:
        """Make one and derive the type of its exact sums from the range of its input."""
        shape = (*window.positions, kernel[0].shape[-1])
        layer = cls(
            name, (source.name,), n_values(shape), FixedPointType(1, 1), shape, window=window,
            kernel=kernel[0], bias=bias[0], kernel_types=kernel[1], bias_types=bias[1],
        )  # fmt: skip
        return layer.derived(source)

    def products(self, x: Any, kernel: Any) -> Any:  # noqa: ANN401
        """Slide the kernel over each image."""
        return convolve(x, kernel, self.window)

    def reach(self, kernel: Codes, low: Codes, high: Codes) -> tuple[Codes, Codes]:
        """Give the ends of the sums at every position, (positions, filters); fewer products add up at the border."""
        return range_of_sums(kernel, self.window, low, high)

    def n_products(self, kernel: Codes) -> int:
        """Count the products with a weight that is not zero and a value inside the image."""
        return count_products(kernel, self.window)

    def unused_bits(self, sources: Sequence[Layer], before: Sequence[int]) -> int:
        """Count the lowest bits that are 0 in every sum, with no weight that only zeros around the image are under."""
        image = np.ones((1, n_values(self.window.image)), dtype=np.int64)
        met = unfold(image, self.window).any(axis=(0, 1, 2)).reshape(self.kernel.shape[:3])
        within = replace(self, kernel=np.where(met[..., None], self.kernel, 0))
        return super(Convolution, within).unused_bits(sources, before)

    def peaks(self, source: Layer) -> Codes:
        """Give the largest magnitude of each channel, for every pixel of the window."""
        channels = np.abs(np.stack(source.types.ends(self.window.image[2]))).max(axis=0)
        return np.tile(channels, self.window.n_values)
