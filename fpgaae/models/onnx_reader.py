"""What going through the nodes of an ONNX graph needs: the layers so far, the tensors that they hold, and constants."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from fpgaae.errors import InputError
from fpgaae.limits import LAYER_VALUES, MODEL_LAYERS
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role
from fpgaae.models.onnx_constants import Constants
from fpgaae.models.onnx_graph import Array, Graph, Node
from fpgaae.models.onnx_values import Held, Layers, Places, shape_without_batch
from fpgaae.models.shapes import Shape
from fpgaae.names import CPP_KEYWORDS, free_of_clashes


class OnnxModel(NamedTuple):
    """A file's network, and where the values of its tensors lie in what the layers put out."""

    network: NetworkDescription
    input: str  # the tensor
    places: Mapping[str, Places]  # by tensor, with a batch of one; of the input and of every layer's `of_file`


class Reader:
    """Goes through the nodes of a graph and makes layers of them.

    Parameters
    ----------
    work
        What is done with each kind of node.
    """

    def __init__(self, graph: Graph, work: Mapping[str, Callable[[Reader, Node], None]]) -> None:
        self._work = work
        self.graph, self.layers, self.constants = graph, Layers(), Constants.of(graph)
        self.is_quantized = graph.is_quantized
        self.n_readers = Counter(name for node in graph.nodes for name in node.inputs)
        self.n_readers.update(graph.outputs)
        self.without_bias: dict[str, str] = {}  # tensor -> the layer that puts it out and may still get a bias
        self.made_by: dict[str, str] = {}  # layer -> the tensor whose values it puts out

    def read(self) -> OnnxModel:
        """Make the network."""
        if len(self.graph.inputs) != 1:
            raise InputError(f"it has {len(self.graph.inputs)} inputs; export a model with one")
        ((tensor, extents),) = self.graph.inputs.items()
        self.layers.add_input(layer_name(tensor), tensor, shape_without_batch(extents, tensor))
        for node in self.graph.nodes:
            if not self.constants.take(node):
                self._take(node)
            if len(self.layers.made) > MODEL_LAYERS:
                raise InputError(f"it has more than {MODEL_LAYERS:,} layers")
        outputs = tuple(dict.fromkeys(self._output(name, tensor) for name in self.graph.outputs))
        layers = tuple(layer.changed(of_file=self.made_by.get(layer.name)) for layer in self.layers.made.values())
        compared = {tensor, *self.made_by.values()}
        places = {name: held.places for name, held in self.layers.held.items() if name in compared}
        return OnnxModel(NetworkDescription(layers, outputs), tensor, places)

    def _output(self, name: str, given: str) -> str:
        """Give the layer that puts an output out; a reconstruction has its values in the order of the inputs."""
        if name not in self.layers.held:
            raise InputError(f"its output {name} does not depend on its input")
        self.plain_values(name)
        held, inputs = self.layers.held[name], self.layers.held[given].places
        if held.places.size == inputs.size and not np.array_equal(held.places.reshape(-1), inputs.reshape(-1)):
            self.layers.in_order(Node(name, "output", (), (), {}), held, inputs)
        if self.layers.made[held.layer].role is Role.INPUT:
            raise InputError(f"its output {name} is its input")
        return held.layer

    def _take(self, node: Node) -> None:
        for name in node.inputs:
            if name and name not in self.layers.held and name not in self.constants.arrays:
                raise InputError(f"the node {node.name} ({node.kind}) reads {name}, which nothing puts out before it")
        work = self._work.get(node.kind)
        if work is None:
            raise InputError(
                f"the node {node.name} is a {node.kind}, which is not read; leave it out of the export, or end the "
                "model in front of it"
            )
        work(self, node)

    def held(self, node: Node, index: int = 0) -> Held:
        """Give a tensor that a node reads."""
        name = node.input(index)
        if name not in self.layers.held:
            raise InputError(f"the node {node.name} ({node.kind}) reads a constant where it should read the network")
        return self.layers.held[name]

    def constant(self, node: Node, index: int, what: str) -> Array:
        """Give a constant that a node reads."""
        name = node.input(index)
        if name not in self.constants.arrays:
            raise InputError(f"the {what} of the node {node.name} ({node.kind}) is no constant; export it as one")
        return self.constants.arrays[name]

    def plain_values(self, tensor: str) -> Held:
        """Give a tensor whose negative values a layer has cut off, if they are."""
        held = self.layers.held[tensor]
        if held.is_rectified:
            layer = LayerDescription(f"{held.layer}_relu", "ReLU", (held.layer,), {})
            name = self.add(layer, self.layers.shapes[held.layer], tensor)
            held = self.layers.held[tensor] = Held(name, held.places)
        return held

    def add(self, layer: LayerDescription, shape: Shape, tensor: str | None) -> str:
        """Take a layer, and the tensor whose values it puts out if there is one; give its name."""
        if int(np.prod(shape)) > LAYER_VALUES:
            raise InputError(
                f"its layer {layer.name} puts out {int(np.prod(shape)):,} values, more than {LAYER_VALUES:,}"
            )
        name = self.layers.add(layer, shape)
        if tensor is not None:
            self.made_by[name] = tensor
        return name

    def hold(self, node: Node, layer: LayerDescription, shape: Shape, like: Held) -> None:
        """Take a layer that puts out a value for each of a tensor, in its place."""
        name = self.add(layer, shape, node.outputs[0])
        self.layers.held[node.outputs[0]] = Held(name, like.places)


def layer_name(name: str) -> str:
    """Give a layer's name: letters, digits and single underscores, as C++, Verilog, VHDL and hls4ml take it."""
    plain = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9]", "_", name)).strip("_")[:80]
    plain = plain if plain[:1].isalpha() and plain not in CPP_KEYWORDS else f"node_{plain}".rstrip("_")
    return free_of_clashes(plain)
