"""Where the values of an ONNX tensor lie in what our layers put out, with channels last.

Reshaping and transposing make no layer: they only change where a value is looked up. A layer that needs its input as an
image, or flat, gets it so: what lies in another order is put in order where it is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.models.description import LayerDescription
from fpgaae.models.keras_layers import Role
from fpgaae.models.onnx_graph import Node
from fpgaae.models.shapes import Shape

Places = NDArray[np.int64]
_IN_PLACE = frozenset({Role.ROUND, Role.ACTIVATE, Role.RECTIFY, Role.LEAK, Role.RESHAPE, Role.NORMALIZE})


class Held(NamedTuple):
    """A tensor: the layer that puts its values out, and where each of them lies there."""

    layer: str
    places: Places  # as the tensor is shaped, with a batch of one: positions in what the layer puts out, flat
    is_rectified: bool = False  # negative ones are zero, which no layer does yet
    type: FixedPointType | None = None  # whose grid they lie on, where that is known

    def moved(self, places: Places) -> Held:
        """Give the same values in another shape or order."""
        return self._replace(places=places)


def image_places(channels: int, extents: Shape) -> Places:
    """Give the places of a tensor (1, channels, *extents) in an image with its channels last."""
    last = np.arange(prod(extents) * channels).reshape(*extents, channels)
    return np.moveaxis(last, -1, 0)[None]


class Layers:
    """The layers made so far, the shapes of what they put out, and the tensors that they hold."""

    def __init__(self) -> None:
        self.made: dict[str, LayerDescription] = {}
        self.shapes: dict[str, Shape] = {}
        self.held: dict[str, Held] = {}
        self._is_flat_input = True

    def add_input(self, name: str, tensor: str, extents: Shape) -> None:
        """Take the input of the graph, in the shape of the file until a layer reads it as an image."""
        shape = (*extents[1:], 1) if len(extents) > 1 and extents[0] == 1 else extents
        self._is_flat_input = len(extents) == 1
        self.held[tensor] = Held(name, np.arange(prod(extents)).reshape(1, *extents))
        self.made[name] = LayerDescription(name, "InputLayer", (), {"batch_shape": (None, *shape)})
        self.shapes[name] = shape

    def add(self, layer: LayerDescription, shape: Shape) -> str:
        """Take a layer under a name that no other has, and give it."""
        name = layer.name
        while name in self.made:
            name += "_2"
        self.made[name] = layer.changed(name=name)
        self.shapes[name] = shape
        return name

    def change(self, name: str, **changes: Any) -> None:  # noqa: ANN401
        """Change a layer."""
        self.made[name] = self.made[name].changed(**changes)

    def reads(self, name: str) -> list[str]:
        """Give the layers that read a layer."""
        return [layer.name for layer in self.made.values() if name in layer.inputs]

    def as_image(self, node: Node, held: Held) -> tuple[str, Shape]:
        """Give the layer that puts a tensor (1, channels, ...) out as an image with its channels last, and its shape.

        Raises
        ------
        InputError
            If the tensor is none, or its values can't be put in that order.
        """
        _, *extents = held.places.shape
        if not 2 <= len(extents) <= 3 or held.places.shape[0] != 1:
            raise InputError(
                f"the node {node.name} ({node.kind}) reads a tensor of shape {held.places.shape[1:]}; only images with "
                "one or two dimensions beside their channels are read"
            )
        channels, *sizes = extents
        shape = (*sizes, channels)
        self._arrange(node, held, image_places(channels, tuple(sizes)))
        return self._shaped(held.layer, shape), shape

    def as_flat(self, held: Held) -> str:
        """Give the layer that puts a tensor's values out flat, in the order of the layer that makes them."""
        return self._shaped(held.layer, (held.places.size,))

    def in_order(self, node: Node, held: Held, places: Places) -> None:
        """Put values in an order.

        Raises
        ------
        InputError
            If what makes them can't make them so.
        """
        self._arrange(node, held, places.reshape(held.places.shape))

    def _shaped(self, name: str, shape: Shape) -> str:
        if self.shapes[name] == shape:
            return name
        chain = list(self._chain(name))
        if self.made[chain[-1]].role is Role.INPUT and not self._is_flat_input and not self._outside(chain):
            for one in chain:
                self.shapes[one] = shape
            self.change(chain[-1], settings={"batch_shape": (None, *shape)})
            return name
        for reader in self.reads(name):
            if self.made[reader].role is Role.RESHAPE and self.shapes[reader] == shape:
                return reader
        flat = len(shape) == 1
        kind, settings = ("Flatten", {}) if flat else ("Reshape", {"target_shape": shape})
        ending = "flat" if flat else "image"
        return self.add(LayerDescription(f"{name}_{ending}", kind, (name,), settings), shape)

    def _chain(self, name: str) -> Iterator[str]:
        """Give a layer and those in front of it up to the one that settles in which order its values lie."""
        while True:
            yield name
            layer = self.made[name]
            flat = len(self.shapes[name]) == 1
            if layer.role not in _IN_PLACE or (layer.role is Role.NORMALIZE and not flat):
                return
            name = layer.inputs[0]

    def _outside(self, chain: list[str]) -> list[str]:
        return [reader for name in chain for reader in self.reads(name) if reader not in chain]

    def _arrange(self, node: Node, held: Held, wanted: Places) -> None:
        """Let the values of a tensor lie where they are wanted, by making them in that order."""
        if np.array_equal(held.places, wanted):
            return
        chain = list(self._chain(held.layer))
        source = self.made[chain[-1]]
        is_input = source.role is Role.INPUT and not self._is_flat_input
        if self._outside(chain) or not (is_input or source.kind in {"Dense", "QDense"}):
            raise InputError(
                f"the node {node.name} ({node.kind}) reads values of {source.name} in another order than that with "
                "channels last, and nothing in front of it can be put in that order; export the model without "
                "transposing in between, or with images of one channel"
            )
        order = np.empty(held.places.size, dtype=np.int64)
        order[held.places.reshape(-1)] = wanted.reshape(-1)
        for name in chain:
            layer = self.made[name]
            if layer.role in {Role.NORMALIZE, Role.SUM}:
                self.change(name, weights={key: _reordered(array, order) for key, array in layer.weights.items()})
        members = set(chain)
        for tensor, other in self.held.items():
            if other.layer in members:
                self.held[tensor] = other.moved(order[other.places])


def _reordered(array: NDArray[np.floating], order: Places) -> NDArray[np.floating]:
    """Move the entries of the last axis."""
    moved = np.empty_like(array)
    moved[..., order] = array
    return moved


def shape_without_batch(extents: tuple[int | None, ...], name: str) -> Shape:
    """Give the shape of one event of an input.

    Raises
    ------
    InputError
        If it is open, or the batch is fixed to more than one event.
    """
    if len(extents) < 2 or any(extent is None for extent in extents[1:]):
        raise InputError(f"its input {name} has the shape {extents}; export it with a batch and fixed extents")
    if extents[0] not in {None, 1}:
        raise InputError(f"its input {name} is fixed to batches of {extents[0]}; export it with a batch of 1")
    return tuple(int(extent) for extent in extents[1:] if extent is not None)


def spatial(values: Any, n: int, default: int) -> tuple[int, ...]:  # noqa: ANN401
    """Give the numbers of an attribute that has one for each dimension."""
    found = tuple(int(value) for value in values) if values else (default,) * n
    if len(found) != n:
        raise ValueError(f"{n} numbers are needed instead of {found}")
    return found
