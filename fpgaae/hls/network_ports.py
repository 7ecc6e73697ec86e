"""C++ of what the trigger block passes between the network and the outside as it is: loaded weights, and latents.

Hardware integers and thresholds belong to `fpgaae.hls.front_end`. Nothing here imports hls4ml.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fpgaae.golden.latents import LATENTS_LAYER
from fpgaae.golden.network import IntegerNetwork
from fpgaae.hls.project import VECTORS_FOLDER, Port, TopFunction, WeightPort

WEIGHTS_FILE = "weights.dat"
LATENTS = "latents"  # the port
_LOCAL = "latent_outputs"


def port_values(top: TopFunction) -> dict[str, str]:
    """Give what the templates leave open of these ports; nothing for a network that has none."""
    latents = top.latents
    weights = [f"{port.type_name} {port.name}[{port.size}]" for port in top.weights]
    names = [port.name for port in top.weights]
    n_latents = latents.size if latents else 0
    return {
        "WEIGHT_PORTS": "".join(f",\n    {weight}" for weight in weights),
        "WEIGHT_PRAGMAS": "".join(f"\n    {line}" for port in top.weights for line in _pragmas(port, top.is_dataflow)),
        "LATENT_TYPE": f"\ntypedef {_value_type(latents, top)} latents_t;" if latents else "",
        "LATENT_PORT": f",\n    latents_t {LATENTS}[{n_latents}]" if latents else "",
        "LATENT_PARTITION": f"\n    {_partition(LATENTS)}" if latents else "",
        "LOCAL_LATENTS": f"\n    {_local(latents, top)}" if latents else "",
        "PUT_OUT_LATENTS": f"\n    fpgaae::put_out<{n_latents}>({_LOCAL}, {LATENTS});" if latents else "",
        "MORE_ARGUMENTS": "".join(f", {name}" for name in ([_LOCAL] if latents else []) + names),
        "TRIGGER_ARGUMENTS": ", ".join([*names, "score", "accept", *([LATENTS] if latents else [])]),
        "DECLARE_WEIGHTS": "".join(f"static {weight};\n" for weight in weights),
        "DECLARE_LATENTS": f"\n    latents_t {LATENTS}[{n_latents}];" if latents else "",
        "TAP_LATENTS": f'\n    csim::tap({LATENTS}, "{LATENTS_LAYER}", {n_latents});' if latents else "",
        "LATENT_CODES": (
            f"\n        for (size_t i = 0; i < n_latents; i++)\n            found[2 + i] = code_of({LATENTS}[i]);"
            if latents
            else ""
        ),
        "N_LATENTS": str(n_latents),
        "PORT_COMMENT": _comment(top),
    }


def port_names(top: TopFunction) -> set[str]:
    """Name these ports."""
    return {port.name for port in top.weights} | ({LATENTS} if top.latents else set())


def _comment(top: TopFunction) -> str:
    lines = []
    if top.latents:
        lines.append("latents: what the network compresses an event to.")
    if top.weights:
        lines.append("w* and b*: weights and biases, which may change between events only.")
    return "".join(f"\n// {line}" for line in lines)


def _value_type(latents: Port, top: TopFunction) -> str:
    return f"{latents.type_name}::value_type" if top.is_stream else latents.type_name


def _partition(name: str) -> str:
    return f"#pragma HLS ARRAY_PARTITION variable={name} complete dim=0"


def _local(latents: Port, top: TopFunction) -> str:
    if top.is_stream:
        return f'hls::stream<{latents.type_name}> {_LOCAL}("{_LOCAL}");'
    return f"{latents.type_name} {_LOCAL}[{latents.size}];\n    {_partition(_LOCAL)}"


def _pragmas(port: WeightPort, is_dataflow: bool) -> Iterator[str]:
    """Give the interface of a weight: a memory outside, or registers outside that do not change while events run."""
    if port.is_memory:
        yield f"#pragma HLS INTERFACE bram port={port.name}"
    else:
        yield f"#pragma HLS INTERFACE ap_stable port={port.name}"
        yield _partition(port.name)
    if is_dataflow:
        yield f"#pragma HLS STABLE variable={port.name}"


def load_lines(top: TopFunction) -> str:
    """Give C++ that takes every weight from codes that lie one behind the other, where `codes` points."""
    return "".join(f"    codes = csim::load({port.name}, {port.size}, codes);\n" for port in top.weights)


def read_lines(top: TopFunction) -> str:
    """Give C++ that reads every weight from a file, and is false where one is missing."""
    calls = [f'read_weights(file, "{port.name}", {port.name}, {port.size})' for port in top.weights]
    return " &&\n           ".join(calls) or "true"


def write_weights(project: Path, top: TopFunction, network: IntegerNetwork) -> None:
    """Write the trained codes of every weight port, a line each: its name, then its values in two's complement, hex."""
    if not top.weights:
        return
    lines, layers = [], {layer.name: layer for layer in network.weighted}
    for port in top.weights:
        codes = port.codes(layers[port.layer]) & ((1 << port.type.width) - 1)
        lines.append(" ".join([port.name, *(f"{code:x}" for code in codes)]))
    folder = project / VECTORS_FOLDER
    folder.mkdir(exist_ok=True)
    (folder / WEIGHTS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
