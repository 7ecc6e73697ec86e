"""A deployed QKeras model to a written HLS project, every type derived from its quantizers.

The recipe that gives zero mismatches: a quantizer straight behind the input and between all arithmetic layers, a config
of granularity `name`, and hls4ml's `bit_exact` flow. This module imports TensorFlow and hls4ml.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hls4ml
import numpy as np

from fpgaae.config.experiment import Firmware
from fpgaae.errors import CheckFailed, InputError
from fpgaae.fixedpoint import parse_type
from fpgaae.golden.latents import LATENTS_LAYER
from fpgaae.golden.layers.rounding import Quantize
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.network import IntegerNetwork, refuse_channel_types
from fpgaae.golden.registry import layer_class
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.extension import register_layers
from fpgaae.hls.image_layers import (
    correct_types,
    deepen_skips,
    is_inserted,
    refuse_repeated,
    refuse_streams,
)
from fpgaae.hls.layer_forms import form_of
from fpgaae.hls.open_weights import declare_ports, open_weights
from fpgaae.hls.project import Port, TopFunction, WeightPort, complete_project
from fpgaae.optional import require
from fpgaae.runs.results.convert import ConvertedLayer, LayerTypes
from fpgaae.tensorflow_setup import keras2_as_keras

_STRATEGIES = {"latency": "Latency", "resource": "Resource", "distributed_arithmetic": "distributed_arithmetic"}
_SCORE_TYPE = "result_t"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WrittenProject:
    """A project on disk and what is known of its layers."""

    top: TopFunction
    layers: tuple[ConvertedLayer, ...]  # entries of `convert.json`, in graph order
    golden_names: Mapping[str, str]  # tapped layer -> layer of the integer network


def write_project(
    model: Any,  # noqa: ANN401
    network: IntegerNetwork,
    firmware: Firmware,
    project: Path,
    conversion: Conversion | None = None,
) -> WrittenProject:
    """Convert a deployed QKeras model and write its project, with layer taps for the C simulation.

    The trigger block around it and what runs it are written by `fpgaae.hls.front_end` and `fpgaae.hls.harness`.

    Parameters
    ----------
    conversion
        Other settings than the exact ones that `firmware` stands for: what they break is shown with them.

    Raises
    ------
    InputError
        If hls4ml refuses the model or the settings, or has no type for a quantizer.
    CheckFailed
        If hls4ml's graph has a layer that the integer network does not know.
    """
    register_layers()
    refuse_streams(network, firmware)
    refuse_channel_types(network, "an HLS project")
    with keras2_as_keras(), _hls4ml_output():
        model = _with_outputs(model, network)
        graph = _convert(model, network, conversion or Conversion.of(firmware), firmware, project)
        names = _golden_names(graph, network)
        weights = open_weights(graph, network, names, firmware) if network.reloadable else ()
        correct_types(graph, network, names)
        if network.reloadable or len(graph.outputs) > 1:
            graph.get_output_variables()[0].type.name = _SCORE_TYPE  # as hls4ml calls that of a single output
            graph.apply_flow(f"{graph.config.backend.name.lower()}:apply_templates")  # with these types and zeros
        for node in graph.graph.values():
            node.set_attr("trace", node.name in names and node.class_name != "Input")
        graph.config.trace_output = True
        deepen_skips(graph)
        graph.write()
    top = _top_function(graph, firmware, weights)
    if weights:
        declare_ports(project, top)
    tapped = complete_project(project, top)
    missing = set(names) - set(tapped)
    if missing:
        raise CheckFailed(f"the written project has no tap for the layers {', '.join(sorted(missing))}")
    _remove_machine_paths(project)
    _fix_stamp(project)
    layers = tuple(_layer_entry(node, network, names[node.name]) for node in graph.graph.values() if node.name in names)
    _check_types(layers)
    return WrittenProject(top, layers, {name: names[name] for name in tapped})


def _convert(
    model: Any,  # noqa: ANN401
    network: IntegerNetwork,
    conversion: Conversion,
    firmware: Firmware,
    project: Path,
) -> Any:  # noqa: ANN401
    """Run hls4ml's conversion."""
    if conversion.strategy == "distributed_arithmetic":
        require("da4ml", "`firmware.strategy: distributed_arithmetic` makes adders with it")
    config = hls4ml.utils.config_from_keras_model(
        model,
        granularity=conversion.granularity,
        backend=conversion.backend,
        max_precision=conversion.max_precision,
    )
    strategy = _STRATEGIES[conversion.strategy]
    if conversion.strategy != "distributed_arithmetic":  # which is a strategy of single layers
        config["Model"]["Strategy"] = strategy
    config["Model"]["ReuseFactor"] = conversion.reuse_factor
    by_name = config.setdefault("LayerName", {})
    for layer in network.weighted:
        by_name.setdefault(layer.name, {}).update(Strategy=strategy, ReuseFactor=conversion.reuse_factor)
    for name, accumulator in conversion.accumulators.items():
        by_name.setdefault(name, {}).setdefault("Precision", {})["accum"] = accumulator
    try:
        return hls4ml.converters.convert_from_keras_model(
            model,
            hls_config=config,
            output_dir=str(project),
            project_name=firmware.project_name,
            backend=conversion.backend,
            io_type=conversion.io_type,
            part=firmware.part,
            clock_period=firmware.clock_ns,
            bit_exact=conversion.bit_exact,
            write_weights_txt=False,  # weights stand once, in the headers that synthesis reads
        )
    except Exception as error:
        raise InputError(f"hls4ml can't convert the model with these firmware settings: {error}") from error


@contextlib.contextmanager
def _hls4ml_output() -> Any:  # noqa: ANN401
    """Send what hls4ml prints to the log."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        for line in printed.getvalue().splitlines():
            _log.debug("hls4ml: %s", line)


def _golden_names(graph: Any, network: IntegerNetwork) -> dict[str, str]:  # noqa: ANN401
    """Give the integer layer behind each node of hls4ml's graph.

    hls4ml merges a linear quantizer into an activation called `<dense>_linear`. What it adds to copy, repack or pad a
    stream computes nothing, as a Reshape does not.
    """
    known = {layer.name: layer for layer in network.layers if form_of(type(layer)).has_tap}
    following = {layer.inputs[0]: layer.name for layer in network.layers if isinstance(layer, Quantize)}
    names = {}
    for node in graph.graph.values():
        if node.name in known:
            names[node.name] = node.name
        elif node.name.endswith("_linear") and node.name.removesuffix("_linear") in following:
            names[node.name] = following[node.name.removesuffix("_linear")]
        elif not is_inserted(node):
            raise CheckFailed(f"hls4ml made a layer {node.name} ({node.class_name}) that the golden network has not")
    lost = set(known) - set(names.values())
    refuse_repeated(network, lost)
    if lost:
        raise CheckFailed(f"hls4ml's graph lacks the layers {', '.join(sorted(lost))} of the golden network")
    return names


def _with_outputs(model: Any, network: IntegerNetwork) -> Any:  # noqa: ANN401
    """Give a model that puts out its latents, too, where the network has a port for them."""
    if not network.ports:
        return model
    return type(model)(model.input, [model.output, *(model.get_layer(port.inputs[0]).output for port in network.ports)])


def _top_function(graph: Any, firmware: Firmware, weights: tuple[WeightPort, ...]) -> TopFunction:  # noqa: ANN401
    (source,), (result, *latents) = graph.get_input_variables(), graph.get_output_variables()
    output_layer = next(node.name for node in graph.graph.values() if result in node.get_variables())
    input_layer = next(node.name for node in graph.graph.values() if node.class_name == "Input")
    return TopFunction(
        firmware.project_name,
        Port(input_layer, source.name, source.type.name, int(np.prod(source.shape)), int(source.shape[-1])),
        Port(output_layer, result.name, result.type.name, int(np.prod(result.shape))),
        is_stream=firmware.io_type == "io_stream",
        score_width=int(result.type.precision.width),
        is_dataflow=str(graph.config.pipeline_style).lower() == "dataflow",
        latents=next((_latents_port(variable) for variable in latents), None),
        weights=weights,
    )


def _latents_port(variable: Any) -> Port:  # noqa: ANN401
    shape = variable.shape
    return Port(LATENTS_LAYER, variable.name, variable.type.name, int(np.prod(shape)), int(shape[-1]))


def _check_types(layers: tuple[ConvertedLayer, ...]) -> None:
    """Refuse a quantizer that hls4ml's type does not stand for.

    Where nothing stands behind the point, hls4ml 1.3.0 writes ap_int, which truncates and wraps.

    Raises
    ------
    InputError
        If a layer that rounds has another type than its quantizer.
    """
    for layer in layers:
        exact = form_of(layer_class(layer.kind)).has_golden_type
        if exact and layer.types.result != layer.golden_type:
            raise InputError(
                f"hls4ml gives the layer {layer.golden} the type {layer.types.result} instead of "
                f"{layer.golden_type}; give it more `bits` or fewer `integer_bits`, so that at least one bit "
                "stands behind the point"
            )


def _layer_entry(node: Any, network: IntegerNetwork, golden_name: str) -> ConvertedLayer:  # noqa: ANN401
    """Describe a layer for the result file: its types as hls4ml derived them, multiplications and non-zero weights."""
    golden = network[golden_name]
    kernel = golden.kernel if isinstance(golden, Weighted) else np.zeros(0)
    of_weights = {
        key: _type_name(found)
        for key in ("weight", "bias", "accum")
        if isinstance(golden, Weighted) and (found := node.attributes.get(f"{key}_t")) is not None
    }
    return ConvertedLayer(
        name=node.name,
        golden=golden_name,
        kind=golden.kind,
        values=golden.size,
        shape=tuple(golden.shape) or (golden.size,),  # height, width and channels of an image
        types=LayerTypes(result=_type_name(node.get_output_variable().type), **of_weights),
        golden_type=str(golden.type),
        weights=int(kernel.size),
        nonzero_weights=int(np.count_nonzero(kernel)),
        multiplications=golden.multiplications(network.sources(golden)),
        strategy=str(node.get_attr("strategy", "")) or None,
        reuse_factor=node.get_attr("reuse_factor"),  # hls4ml takes the nearest that divides
    )


def _type_name(named_type: Any) -> str:  # noqa: ANN401
    return str(parse_type(str(named_type.precision)))


def _remove_machine_paths(project: Path) -> None:
    """Remove what hls4ml leaves of this machine: its own config with absolute paths, and a second copy of the model."""
    for name in ("hls4ml_config.yml", "keras_model.keras", "keras_model.h5"):
        (project / name).unlink(missing_ok=True)


def _fix_stamp(project: Path) -> None:
    """Name the library that hls4ml's own script builds alike in every conversion; hls4ml draws its number."""
    script = project / "build_lib.sh"
    text = script.read_text(encoding="utf-8")
    script.write_text(re.sub(r"(?m)^LIB_STAMP=.*$", "LIB_STAMP=fpgaae", text), encoding="utf-8")
