"""Windows that slide over images, in exact integers (NumPy only): convolution, pooling, padding, enlarging.

An image is (height, width, channels), channels last, and travels flattened in C order, (n_events, size). What has one
dimension is an image of height 1. Results are Python or int64 integers; nothing rounds but a mean, and it says how.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.fixedpoint import Codes

Shape = tuple[int, int, int]
_FLOAT32_EXACT, _FLOAT64_EXACT = 2**24, 2**53
_BLOCK_VALUES = 1 << 22  # values of unfolded windows that are held at a time


class Window(NamedTuple):
    """A window on an image: its size, steps, and the zeros around the image (top, bottom, left, right)."""

    image: Shape
    size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def positions(self) -> tuple[int, int]:
        """Rows and columns of the result."""
        top, bottom, left, right = self.padding
        rows = (self.image[0] + top + bottom - self.size[0]) // self.strides[0] + 1
        return rows, (self.image[1] + left + right - self.size[1]) // self.strides[1] + 1

    @property
    def n_values(self) -> int:
        """Number of pixels that a window covers."""
        return self.size[0] * self.size[1]


def read_window(content: Sequence[Any]) -> Window:
    """Read a window that JSON turned into lists.

    Raises
    ------
    ValueError
        If it is not one.
    """
    image, size, strides, padding = (tuple(map(int, numbers)) for numbers in content)
    lengths = len(image), len(size), len(strides), len(padding)
    if lengths != (3, 2, 2, 4):
        raise ValueError(f"{content} is no window")
    return Window(image, size, strides, padding)  # type: ignore[arg-type]


def same_padding(image: Shape, size: tuple[int, int], strides: tuple[int, int]) -> tuple[int, int, int, int]:
    """Give the zeros that Keras' `padding="same"` puts around: the odd one at the bottom and on the right."""
    around = []
    for extent, width, step in zip(image[:2], size, strides, strict=True):
        total = max((-(-extent // step) - 1) * step + width - extent, 0)
        around += [total // 2, total - total // 2]
    return around[0], around[1], around[2], around[3]


def exact_product(a: Codes, b: Codes) -> Codes:
    """Multiply matrices of codes, in floating point where that is exact (see `_exact_type`)."""
    to = _exact_type(a, b)
    return np.asarray((a.astype(to) @ b.astype(to)).astype(np.int64, copy=False))


def _exact_type(a: Codes, b: Codes) -> Any:  # noqa: ANN401
    """Give the fastest type in which a @ b is exact: no sum of |products| passes the integers that it holds."""
    largest_sum = int(np.abs(a).max(initial=0)) * int(np.abs(b).sum(axis=0).max(initial=0))
    return np.float32 if largest_sum <= _FLOAT32_EXACT else np.float64 if largest_sum < _FLOAT64_EXACT else np.int64


def unfold(codes: Any, window: Window) -> Any:  # noqa: ANN401
    """Give the values under every window, (n_events, rows, columns, pixels of the window, channels)."""
    top, bottom, left, right = window.padding
    images = codes.reshape(len(codes), *window.image)
    images = np.pad(images, ((0, 0), (top, bottom), (left, right), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(images, window.size, axis=(1, 2))
    views = views[:, :: window.strides[0], :: window.strides[1]]  # (n, rows, columns, channels, height, width)
    return np.moveaxis(views, 3, -1).reshape(len(codes), *window.positions, window.n_values, window.image[2])


def places_under(window: Window) -> Codes:
    """Give where in a flat image the values under every window lie, -1 for the zeros around it.

    Returns
    -------
    (rows * columns, pixels of the window, channels)
    """
    numbered = np.arange(1, int(np.prod(window.image)) + 1)[None]
    found: Codes = unfold(numbered, window).reshape(-1, window.n_values, window.image[2]) - 1
    return found


def _by_block(codes: Any, window: Window, work: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    """Apply `work` to unfolded windows of a bounded number of events, and give (n_events, size)."""
    rows, columns = window.positions
    an_event = max(rows * columns * window.n_values * window.image[2], 1)
    step = max(_BLOCK_VALUES // an_event, 1)
    starts = range(0, max(len(codes), 1), step)
    parts = [work(unfold(codes[start : start + step], window)) for start in starts]
    return np.concatenate([part.reshape(len(part), int(np.prod(part.shape[1:]))) for part in parts])


def convolve(codes: Any, kernel: Any, window: Window) -> Any:  # noqa: ANN401
    """Give the sums of products of a kernel (height, width, channels, filters) at every position, (n_events, size).

    Those of integer codes are exact; values in floating point are summed as they are.
    """
    flat = kernel.reshape(-1, kernel.shape[-1])
    is_codes = np.issubdtype(codes.dtype, np.integer)
    to = _exact_type(codes, flat) if is_codes else np.result_type(codes, flat)
    weights = flat.astype(to)

    def work(views: Any) -> Any:  # noqa: ANN401
        sums = views.reshape(int(np.prod(views.shape[:3])), len(flat)) @ weights
        return (sums.astype(np.int64, copy=False) if is_codes else sums).reshape(*views.shape[:3], kernel.shape[-1])

    return _by_block(codes.astype(to), window, work)


def range_of_sums(
    kernel: Codes, window: Window, low: Codes, high: Codes
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the smallest and largest sum of products at every position and filter, for inputs in low .. high, (size,).

    Around the border a padded window holds zeros, so that fewer products add up there.
    """
    positive, negative = np.maximum(kernel, 0), np.minimum(kernel, 0)

    def sums(of_positive: Codes, of_negative: Codes) -> NDArray[np.int64]:
        found = convolve(of_positive[None], positive, window) + convolve(of_negative[None], negative, window)
        return np.asarray(found.reshape(-1, kernel.shape[-1]))

    return sums(low, high), sums(high, low)


def count_products(kernel: Codes, window: Window) -> int:
    """Count the products of one event with a non-zero weight and a value inside the image."""
    inside = np.ones((1, int(np.prod(window.image))), dtype=np.int64)
    return int(convolve(inside, (kernel != 0).astype(np.int64), window).sum())


def largest(codes: Codes, window: Window) -> Codes:
    """Give the largest value under every window without padding, (n_events, size)."""
    found: Codes = _by_block(codes, window, lambda views: views.max(axis=3))
    return found


def mean(codes: Codes, window: Window, more_bits: int) -> Codes:
    """Give the mean under every window, with `more_bits` more bits behind the point than the codes.

    What does not come out even is cut off towards zero, as a division of ap_fixed does.
    """

    def work(views: Codes) -> Codes:
        sums = views.sum(axis=3) << more_bits
        return np.asarray(np.sign(sums) * (np.abs(sums) // window.n_values))

    found: Codes = _by_block(codes, window, work)
    return found


def average(values: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """Give the mean of values under every window, in floating point, (n_events, size)."""
    found: NDArray[np.float64] = _by_block(values, window, lambda views: views.mean(axis=3))
    return found


def enlarge(codes: Codes, window: Window) -> Codes:
    """Repeat every pixel `window.size` times (nearest neighbour), (n_events, size)."""
    images = codes.reshape(len(codes), *window.image)
    return images.repeat(window.size[0], axis=1).repeat(window.size[1], axis=2).reshape(len(codes), -1)


def surround(codes: Codes, window: Window) -> Codes:
    """Put the zeros of `window.padding` around every image, (n_events, size)."""
    found: Codes = unfold(codes, window._replace(size=(1, 1))).reshape(len(codes), -1)
    return found
