"""What going through the operations of an exported graph needs: the layers so far, their tensors, and constants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np

from fpgaae.errors import InputError
from fpgaae.limits import LAYER_VALUES, MODEL_LAYERS
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.exported_constants import calculate
from fpgaae.models.exported_graph import ADVICE, Array, Operation, ServingFunction
from fpgaae.models.keras_layers import Role
from fpgaae.models.onnx_reader import layer_name
from fpgaae.models.onnx_values import shape_without_batch
from fpgaae.models.shapes import Shape, shape_after

_INNER_SCOPES = frozenset(
    {"batchnorm", "Repeat", "Repeat_1", "convolution", "conv_transpose", "MaxPool1d", "AvgPool1d"}
)


class Held(NamedTuple):
    """A tensor: the layer that puts its values out, and an axis of ones that was put in for an operation."""

    layer: str
    shape: Shape  # of one event, without that axis
    axis: int | None = None  # counted with the batch
    repeats: int = 1  # along it

    @property
    def extents(self) -> Shape:
        """Those of the tensor, with a batch of one."""
        extents = [1, *self.shape]
        if self.axis is not None:
            extents.insert(self.axis, self.repeats)
        return tuple(extents)


class Reader:
    """Goes through the operations and makes layers of them.

    Parameters
    ----------
    work
        What is done with each kind of operation that reads the network.
    """

    def __init__(self, serving: ServingFunction, work: Mapping[str, Callable[[Reader, Operation], None]]) -> None:
        self._serving, self._work = serving, work
        self.constants: dict[str, Array] = {
            name: array.astype(np.float64) if array.dtype.kind == "f" else array
            for name, array in serving.constants.items()
        }
        self.held: dict[str, Held] = {}
        self._layers: dict[str, LayerDescription] = {}
        self._n_readers = Counter(name for operation in serving.operations for name in operation.inputs)
        self._n_readers.update(serving.outputs)
        self._offsets: dict[str, tuple[str, str]] = {}  # tensor -> the layer, and its weight that may still be set

    def read(self) -> NetworkDescription:
        """Make the network."""
        tensor = self._serving.input
        shape, name = shape_without_batch(self._serving.extents, tensor), layer_name(tensor)
        self._layers[name] = LayerDescription(name, "InputLayer", (), {"batch_shape": (None, *shape)})
        self.held[tensor] = Held(name, shape)
        for operation in self._serving.operations:
            self._take(operation)
            if len(self._layers) > MODEL_LAYERS:
                raise InputError(f"it has more than {MODEL_LAYERS:,} layers")
        outputs = tuple(dict.fromkeys(self._output(name) for name in self._serving.outputs))
        return NetworkDescription(tuple(self._layers.values()), outputs)

    def _output(self, tensor: str) -> str:
        if tensor not in self.held or self._layers[self.held[tensor].layer].role is Role.INPUT:
            raise InputError(f"its output {tensor} does not depend on its input, or is it")
        return self.held[tensor].layer

    def _take(self, operation: Operation) -> None:
        name, read = operation.name, operation.inputs
        if name in self.constants:
            return
        if operation.kind == "Shape" and read[0] in self.held:
            self.constants[name] = np.array(self.held[read[0]].extents, dtype=np.int64)
            return
        if all(one in self.constants for one in read):
            self.constants[name] = calculate(operation, [self.constants[one] for one in read])
            return
        work = self._work.get(operation.kind)
        if work is None:
            raise refuse(operation, "reads the network, which it does in no layer that is known")
        work(self, operation)

    def tensor(self, operation: Operation, index: int = 0) -> Held:
        """Give a tensor that an operation reads."""
        found = self.held.get(operation.inputs[index])
        if found is None:
            raise refuse(operation, "reads a constant where it should read the network")
        if found.repeats != 1:
            raise refuse(operation, "reads repeated values, which only enlarging an image is known to do")
        return found

    def constant(self, operation: Operation, index: int) -> Array:
        """Give a constant that an operation reads."""
        if operation.inputs[index] not in self.constants:
            raise refuse(operation, "reads a constant that depends on the input")
        return self.constants[operation.inputs[index]]

    def image(self, operation: Operation, index: int = 0) -> tuple[Held, int]:
        """Give an image that an operation reads, and its number of dimensions beside the channels."""
        held = self.tensor(operation, index)
        n = len(held.shape) - 1
        if (n, held.axis) not in {(2, None), (1, 1)}:
            raise refuse(operation, f"reads a tensor of shape {held.shape}, which is no image")
        if operation.attribute("data_format", "NHWC") != "NHWC":
            raise refuse(operation, "has its channels first")
        return held, n

    def add(
        self, operation: Operation, held: Held, kind: str, settings: Mapping[str, Any],
        weights: Mapping[str, Array] | None = None, name: str | None = None,
    ) -> Held:  # fmt: skip
        """Take a layer that reads a tensor; what it puts out is the tensor of the operation."""
        plain = unused = name or name_of(operation)
        n = 1
        while unused in self._layers:
            n += 1
            unused = f"{plain}_{n}"
        layer = LayerDescription(unused, kind, (held.layer,), settings, weights or {}, of_file=operation.name)
        shape = shape_after(layer, held.shape)
        if shape is None or min(shape) < 1:
            raise refuse(operation, f"does not fit what it reads, of shape {held.shape}")
        if prod(shape) > LAYER_VALUES:
            raise InputError(f"its layer {unused} puts out {prod(shape):,} values, more than {LAYER_VALUES:,}")
        self._layers[unused] = layer
        self.held[operation.name] = made = Held(unused, shape, held.axis)
        return made

    def joined(self, operation: Operation, kind: str) -> None:
        """Take an operation that joins parts of the network."""
        read = [self.held[name] for name in operation.inputs if name in self.held]
        name = f"{name_of(operation)}_{kind.lower()}"
        self._layers[name] = LayerDescription(name, kind, tuple(one.layer for one in read), {}, of_file=operation.name)
        self.held[operation.name] = read[0]._replace(layer=name)

    def may_get(self, operation: Operation, weight: str) -> None:
        """Let an operation that adds constants behind this one, and alone reads it, set a weight of its layer."""
        if self._n_readers[operation.name] == 1:
            self._offsets[operation.name] = (self.held[operation.name].layer, weight)

    def pass_on(self, operation: Operation, held: Held) -> None:
        """Let an operation that changes no value stand for what it reads."""
        self.held[operation.name] = held
        waiting = self._offsets.pop(operation.inputs[0], None)
        if waiting is not None and self._n_readers[operation.name] == 1:
            self._offsets[operation.name] = waiting

    def takes_offset(self, operation: Operation, tensor: str, offset: Array) -> bool:
        """Add constants to the layer in front if it has room for them; tell whether it has."""
        if tensor not in self._offsets:
            return False
        name, weight = self._offsets.pop(tensor)
        layer = self._layers[name]
        self._layers[name] = layer.changed(weights={**layer.weights, weight: offset}, of_file=operation.name)
        self.held[operation.name] = self.held[tensor]
        return True

    def is_hard_sigmoid(self, operation: Operation, held: Held, constant: Array) -> bool:
        """Put a hard sigmoid of Keras 3 in the place of its three operations, relu6(x + 3) / 6, if these are there."""
        clipped = self._layers[held.layer]
        shifted = self._layers[clipped.inputs[0]] if clipped.settings.get("max_value") == 6.0 else clipped
        weights = {**shifted.weights}
        if operation.kind != "RealDiv" or set(weights) != {"gamma", "beta", "moving_mean", "moving_variance"}:
            return False
        if (constant != 6).any() or (weights["gamma"] != 1).any() or (weights["beta"] != 3).any():
            return False
        names = (held.layer, shifted.name)
        if any(self._n_readers[self._layers[name].of_file or ""] != 1 for name in names):
            return False
        for name in names:
            del self._layers[name]
        source = held._replace(layer=shifted.inputs[0])
        self.add(operation, source, "Activation", {"activation": "hard_sigmoid_by_6"}, name=f"{shifted.name}_function")
        return True


def refuse(operation: Operation, reason: str) -> InputError:
    """Give the sentence about an operation that has no layer."""
    return InputError(f"the operation {operation.name} ({operation.kind}) {reason}; {ADVICE}")


def name_of(operation: Operation) -> str:
    """Give the name of the layer that an operation stands in, as far as the file has it."""
    scopes = [part for part in operation.name.split("/")[:-1] if part not in _INNER_SCOPES]
    return layer_name(scopes[-1] if scopes else operation.name)
