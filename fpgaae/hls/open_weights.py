"""Weights and biases of hls4ml's graph as arguments of its top function, so that they can be reloaded.

hls4ml 1.3.0 makes a weight an argument where its storage is `bram` (`BramWeightVariableConverter`). Its types and its
number of multipliers follow from the weights that it sees; here they follow from the golden network, whose types hold
any weights. This module imports hls4ml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fpgaae.config.experiment import Firmware
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import nearest_codes
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.network import IntegerNetwork
from fpgaae.hls.image_layers import set_type
from fpgaae.hls.layer_forms import form_of
from fpgaae.hls.project import TopFunction, WeightPort

_DATAFLOW = "    #pragma HLS DATAFLOW\n"
_INTERFACE = re.compile(r"^ *#pragma HLS INTERFACE bram port=\S+ *\n", re.MULTILINE)


def open_weights(
    graph: Any,  # noqa: ANN401
    network: IntegerNetwork,
    names: Mapping[str, str],
    firmware: Firmware,
) -> tuple[WeightPort, ...]:
    """Make arguments of all weights and biases of a converted graph; give them in the order of the layers.

    Means and enlarged images get their types from `correct_types`, which comes after this.

    Parameters
    ----------
    network
        With types for any weights, as `make_reloadable` gives them.
    names
        Node -> golden layer.

    Raises
    ------
    CheckFailed
        If hls4ml holds other weights, or has them in another order, than is known here.
    """
    ports: list[WeightPort] = []
    for node in graph.graph.values():
        golden = network[names[node.name]] if node.name in names else None
        if golden is None or not form_of(type(golden)).follows_weights:
            continue
        set_type(node.get_output_variable().type, golden.type)
        if isinstance(golden, Weighted):
            set_type(node.get_attr("accum_t"), golden.type)
            ports += _open_node(node, golden, firmware)
    return tuple(ports)


def _open_node(node: Any, golden: Weighted, firmware: Firmware) -> Iterator[WeightPort]:  # noqa: ANN401
    for what, of in (("weight", golden.kernel_type), ("bias", golden.bias_type)):
        variable, is_bias = node.get_weights(what), what == "bias"
        set_type(variable.type, of)
        variable.storage = "bram"
        variable.nzeros, variable.nonzeros = 0, variable.data_length  # it leaves out the multipliers of zeros
        memory = firmware.strategy == "resource" and not is_bias
        port = WeightPort(
            variable.name, golden.name, is_bias, int(variable.data_length), variable.type.name, of,
            is_memory=memory, filters_first=memory,
        )  # fmt: skip
        if not np.array_equal(
            nearest_codes(np.asarray(variable.data, dtype=np.float64).ravel(), of), port.codes(golden)
        ):
            raise CheckFailed(f"hls4ml orders the {what}s of the layer {golden.name} in an unknown way; install 1.3.0")
        yield port


def declare_ports(project: Path, top: TopFunction) -> None:
    """Let a written network take its weights from the trigger block, and remove their constants.

    Only the trigger block is synthesized as a top function, and it says what kind of ports they are.

    Raises
    ------
    CheckFailed
        If the source does not look as hls4ml 1.3.0 writes it.
    """
    for port in top.weights:
        (project / "firmware" / "weights" / f"{port.name}.h").unlink(missing_ok=True)
    source = project / "firmware" / f"{top.project_name}.cpp"
    text = source.read_text(encoding="utf-8")
    stable = "".join(f"    #pragma HLS STABLE variable={port.name}\n" for port in top.weights)
    edited = _INTERFACE.sub("", text)
    if top.is_dataflow and edited.count(_DATAFLOW) != 1:
        raise CheckFailed(f"{source} is not written as hls4ml 1.3.0 writes it; install the pinned version")
    edited = edited.replace(_DATAFLOW, f"{_DATAFLOW}{stable}")
    source.write_text(edited, encoding="utf-8")
