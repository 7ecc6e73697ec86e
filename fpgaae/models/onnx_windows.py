"""ONNX operations with windows that slide over images, as Keras layers with channels last."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpgaae.errors import InputError
from fpgaae.golden.windows import same_padding
from fpgaae.models.description import LayerDescription
from fpgaae.models.onnx_graph import Array, Node
from fpgaae.models.onnx_values import Layers, spatial
from fpgaae.models.shapes import Shape

_ASYMMETRIC = frozenset({("asymmetric", "floor")})
_CENTRED = frozenset(
    (where, rounding)
    for where in ("half_pixel", "pytorch_half_pixel")
    for rounding in ("round_prefer_floor", "round_prefer_ceil")
)


def refuse(node: Node, attribute: str, advice: str) -> InputError:
    """Give the sentence about an attribute that has no exact firmware."""
    value = node.attributes.get(attribute)
    shown = f"={value!r}"[:100] if value is not None else ""
    return InputError(f"the node {node.name} ({node.kind}) has {attribute}{shown}, which is not read; {advice}")


class Window:
    """What a node with a window says, checked against the image that it reads."""

    def __init__(self, node: Node, image: Shape, size: tuple[int, ...]) -> None:
        extents = image[:-1]
        self.n, self.size, self.extents, attributes = len(extents), size, extents, node.attributes
        try:
            self.strides = spatial(attributes.get("strides"), self.n, 1)
            dilations = spatial(attributes.get("dilations"), self.n, 1)
            pads = spatial(attributes.get("pads"), 2 * self.n, 0)
        except (ValueError, TypeError):
            raise refuse(node, "strides, dilations or pads", "export it for the image that it reads") from None
        if min(self.strides) < 1 or min(size, default=0) < 1 or min(pads, default=0) < 0:
            raise refuse(node, "pads" if min(pads) < 0 else "strides", "give it positive numbers")
        if any(extent != 1 for extent in dilations):
            raise refuse(node, "dilations", "use dilations of 1")
        self.before, self.after = pads[: self.n], pads[self.n :]
        auto = str(attributes.get("auto_pad", "NOTSET"))
        if auto in {"SAME_UPPER", "SAME_LOWER"}:
            self.before, self.after = self._same()
            if auto == "SAME_LOWER":
                self.before, self.after = self.after, self.before
        elif auto not in {"NOTSET", "VALID", ""}:
            raise refuse(node, "auto_pad", "give it explicit pads")
        if min(self._rest()) < 0:
            raise refuse(node, "kernel_shape", f"its window is larger than the image of {extents}")

    def _same(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Give what Keras' padding "same" puts in front of and behind each dimension."""
        two = [(1,) * (2 - self.n) + numbers for numbers in (self.extents, self.size, self.strides)]
        top, bottom, left, right = same_padding((*two[0], 1), two[1], two[2])  # type: ignore[arg-type]
        return ((top, left)[2 - self.n :], (bottom, right)[2 - self.n :])

    def _rest(self) -> tuple[int, ...]:
        around = zip(self.extents, self.before, self.after, self.size, strict=True)
        return tuple(extent + a + b - size for extent, a, b, size in around)

    @property
    def positions(self) -> tuple[int, ...]:
        """The extents of the result."""
        return tuple(rest // step + 1 for rest, step in zip(self._rest(), self.strides, strict=True))

    @property
    def is_padded(self) -> bool:
        """Whether zeros stand around the image."""
        return any((*self.before, *self.after))

    @property
    def is_same(self) -> bool:
        """Whether these are the zeros of Keras' padding "same"."""
        return (self.before, self.after) == self._same()

    @property
    def is_ragged(self) -> bool:
        """Whether the last window ends in front of the border."""
        return any(rest % step for rest, step in zip(self._rest(), self.strides, strict=True))


def padded(layers: Layers, source: str, before: tuple[int, ...], after: tuple[int, ...], name: str) -> str:
    """Put zeros around an image, and give the layer that does."""
    *extents, channels = layers.shapes[source]
    pairs = tuple(zip(before, after, strict=True))
    shape = (*(extent + sum(pair) for extent, pair in zip(extents, pairs, strict=True)), channels)
    padding = pairs if len(pairs) == 2 else pairs[0]
    layer = LayerDescription(name, f"ZeroPadding{len(pairs)}D", (source,), {"padding": padding})
    return layers.add(layer, shape)


def convolution(layers: Layers, node: Node, source: str, kernel: Array, name: str) -> tuple[str, dict[str, Any], Shape]:
    """Give the layer to read, the settings and the shape of a convolution; zeros that are not "same" stand in front.

    Parameters
    ----------
    kernel
        As in the file: outputs, inputs, extents.
    """
    image = layers.shapes[source]
    if kernel.ndim != len(image) + 1:
        raise InputError(
            f"the weights of the node {node.name} ({node.kind}) have the shape {kernel.shape}, not its own"
        )
    group = int(node.attributes.get("group", 1))
    if group != 1:
        raise refuse(node, "group", "use a group of 1")
    if kernel.shape[1] != image[-1]:
        raise InputError(
            f"the weights of the node {node.name} ({node.kind}) have the shape {kernel.shape} for {image[-1]} channels"
        )
    window = Window(node, image, kernel.shape[2:])
    settings = {
        "filters": kernel.shape[0],
        "kernel_size": window.size,
        "strides": window.strides,
        "padding": "same" if window.is_padded and window.is_same else "valid",
    }
    if window.is_padded and not window.is_same:
        source = padded(layers, source, window.before, window.after, f"{name}_pad")
    return source, settings, (*window.positions, kernel.shape[0])


def pooling(
    layers: Layers, node: Node, source: str, size: tuple[int, ...], name: str
) -> tuple[LayerDescription, Shape]:
    """Give a pooling layer without zeros around its image."""
    image = layers.shapes[source]
    window = Window(node, image, size)
    if window.is_padded:
        raise refuse(node, "auto_pad" if "auto_pad" in node.attributes else "pads", "pool without padding")
    if int(node.attributes.get("ceil_mode", 0)) and window.is_ragged:
        raise refuse(node, "ceil_mode", "let the window divide the image")
    kind = f"{'Max' if node.kind == 'MaxPool' else 'Average'}Pooling{window.n}D"
    settings = {"pool_size": size, "strides": window.strides, "padding": "valid"}
    return LayerDescription(name, kind, (source,), settings), (*window.positions, image[-1])


def whole_image(node: Node, extents: Shape) -> Node:
    """Give the pooling of a whole image as one with a window of its size."""
    return node._replace(kind="AveragePool", attributes={"kernel_shape": extents, "strides": extents})


def enlargement(node: Node, image: Shape, scales: Array) -> tuple[int, ...]:
    """Give how often each pixel is repeated by a Resize or Upsample.

    Raises
    ------
    InputError
        If it does anything else than repeat pixels.
    """
    attributes = node.attributes
    if str(attributes.get("mode", "nearest")) != "nearest":
        raise refuse(node, "mode", "use nearest")
    where = str(attributes.get("coordinate_transformation_mode", "half_pixel"))
    rounding = str(attributes.get("nearest_mode", "round_prefer_floor"))
    if node.kind == "Resize" and (where, rounding) not in _ASYMMETRIC | _CENTRED:
        known = {known for known, _ in _ASYMMETRIC | _CENTRED}
        wrong = "nearest_mode" if where in known else "coordinate_transformation_mode"
        raise refuse(node, wrong, "use asymmetric with nearest_mode floor")
    given = np.ravel(scales)
    sizes = tuple(int(scale) for scale in given[2:])
    if len(given) != len(image) + 1 or (given != np.rint(given)).any() or (given[:2] != 1).any() or min(sizes) < 1:
        raise InputError(
            f"the node {node.name} ({node.kind}) enlarges by {given.tolist()}; only whole numbers for height and width "
            "are read"
        )
    return sizes
