"""C++ of what the trigger block takes and gives as it is: loaded weights and thresholds, and latents.

Hardware integers, and thresholds that are constants, belong to `fpgaae.hls.front_end`. Nothing here imports hls4ml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fpgaae.fixedpoint import Codes
from fpgaae.golden.latents import LATENTS_LAYER
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.network import IntegerNetwork
from fpgaae.hls.project import VECTORS_FOLDER, Port, TopFunction, WeightPort
from fpgaae.runs.results.convert import ThresholdPortEntry

WEIGHTS_FILE, THRESHOLDS_FILE = "weights.dat", "thresholds.dat"
LATENTS, THRESHOLDS = "latents", "thresholds"  # the ports
_THRESHOLDS_DECLARED = f"ap_uint<score_t::width> {THRESHOLDS}[n_thresholds]"
_LOCAL = "latent_outputs"


def port_values(top: TopFunction) -> dict[str, str]:
    """Give what the templates leave open of these ports; nothing for a network that has none."""
    latents = top.latents
    weights = [f"{port.type_name} {port.name}[{port.size}]" for port in top.weights]
    names = [port.name for port in top.weights]
    loaded = [*names, *([THRESHOLDS] if top.n_loaded_thresholds else [])]
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
        "TRIGGER_ARGUMENTS": ", ".join([*loaded, "score", "accept", *([LATENTS] if latents else [])]),
        "DECLARE_WEIGHTS": "".join(f"static {weight};\n" for weight in weights),
        "DECLARE_LATENTS": f"\n    latents_t {LATENTS}[{n_latents}];" if latents else "",
        "TAP_LATENTS": f'\n    csim::tap({LATENTS}, "{LATENTS_LAYER}", {n_latents});' if latents else "",
        "LATENT_CODES": (
            f"\n        for (size_t i = 0; i < n_latents; i++)\n            found[2 + i] = code_of({LATENTS}[i]);"
            if latents
            else ""
        ),
        "LATENT_VALUES": (
            f"\n        for (size_t i = 0; i < n_latents; i++)\n            *results++ = {LATENTS}[i].to_double();"
            if latents
            else ""
        ),
        "N_LATENTS": str(n_latents),
        "PORT_COMMENT": _comment(top),
    } | _threshold_values(top)


def _threshold_values(top: TopFunction) -> dict[str, str]:
    """Give what the templates leave open of the port of the thresholds; nothing where they are constants."""
    if not top.n_loaded_thresholds:
        keys = ("PORT", "PRAGMAS", "ARGUMENT", "NAME")
        return dict.fromkeys([f"THRESHOLD_{key}" for key in keys], "") | {"DECLARE_THRESHOLDS": ""}
    return {
        "THRESHOLD_PORT": f",\n    {_THRESHOLDS_DECLARED}",
        "THRESHOLD_PRAGMAS": "".join(f"\n    {line}" for line in _registers(THRESHOLDS, top.is_dataflow)),
        "THRESHOLD_ARGUMENT": f"{_THRESHOLDS_DECLARED}, ",
        "THRESHOLD_NAME": f"{THRESHOLDS}, ",
        "DECLARE_THRESHOLDS": f"static {_THRESHOLDS_DECLARED};\n",
    }


def port_names(top: TopFunction) -> set[str]:
    """Name these ports."""
    own = {LATENTS: top.latents, THRESHOLDS: top.n_loaded_thresholds}
    return {port.name for port in top.weights} | {name for name, is_there in own.items() if is_there}


def _comment(top: TopFunction) -> str:
    lines = []
    if top.latents:
        lines.append("latents: what the network compresses an event to.")
    if top.weights:
        lines.append("w* and b*: weights and biases, which may change between events only.")
    if top.n_loaded_thresholds:
        lines.append(f"{THRESHOLDS}: codes of the score, in units of its LSB, which may change between events only.")
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
    """Give the interface of a weight: a memory outside, or registers outside."""
    if not port.is_memory:
        yield from _registers(port.name, is_dataflow)
        return
    yield f"#pragma HLS INTERFACE bram port={port.name}"
    if is_dataflow:
        yield f"#pragma HLS STABLE variable={port.name}"


def _registers(name: str, is_dataflow: bool) -> Iterator[str]:
    """Give the interface of registers outside that do not change while events run."""
    yield f"#pragma HLS INTERFACE ap_stable port={name}"
    yield _partition(name)
    if is_dataflow:
        yield f"#pragma HLS STABLE variable={name}"


def load_values(top: TopFunction) -> dict[str, str]:
    """Give C++ that takes every weight, and every threshold, from codes behind each other, where `codes` points."""
    return {
        f"LOAD_{key}": "".join(f"    codes = csim::load({name}, {size}, codes);\n" for name, size in ports)
        for key, ports in _loaded(top).items()
    }


def read_values(top: TopFunction) -> dict[str, str]:
    """Give C++ that reads every weight, and every threshold, from its file, and is false where one is missing."""
    calls = {
        key: [f'read_port(file, "{name}", {name}, {size})' for name, size in of] for key, of in _loaded(top).items()
    }
    return {f"READ_{key}": " &&\n           ".join(lines) or "true" for key, lines in calls.items()}


def _loaded(top: TopFunction) -> dict[str, list[tuple[str, int]]]:
    """Give the names and sizes of the ports that are loaded."""
    thresholds = [(THRESHOLDS, top.n_loaded_thresholds)] if top.n_loaded_thresholds else []
    return {"WEIGHTS": [(port.name, port.size) for port in top.weights], "THRESHOLDS": thresholds}


def write_weights(project: Path, top: TopFunction, network: IntegerNetwork) -> None:
    """Write the trained codes of every weight port, a line each: its name, then its values in two's complement, hex."""
    if top.weights:
        _write_codes(project, WEIGHTS_FILE, weight_lines(top.weights, network))


def weight_lines(ports: Sequence[WeightPort], network: IntegerNetwork) -> str:
    """Write codes of weight ports as `write_weights` does."""
    layers = {layer.name: layer for layer in network.weighted}
    return _lines({port.name: port.codes(layers[port.layer]) & ((1 << port.type.width) - 1) for port in ports})


def write_thresholds(project: Path, network: IntegerNetwork) -> None:
    """Write the trained codes of the thresholds, where they are a port, as `write_weights` does: what a reset loads."""
    if network.accept is not None and network.accept.reloadable:
        _write_codes(project, THRESHOLDS_FILE, _lines({THRESHOLDS: network.accept.thresholds}))


def threshold_port(accept: Accept) -> ThresholdPortEntry | None:
    """Describe the port of the thresholds for `convert.json`; None where they are constants."""
    if not accept.reloadable:
        return None
    return ThresholdPortEntry(
        name=THRESHOLDS,
        size=accept.size,
        type=str(accept.threshold_type),
        trained=tuple(accept.thresholds.tolist()),
    )


def _lines(codes: Mapping[str, Codes]) -> str:
    return "".join(" ".join([name, *(f"{code:x}" for code in of)]) + "\n" for name, of in codes.items())


def _write_codes(project: Path, file: str, lines: str) -> None:
    folder = project / VECTORS_FOLDER
    folder.mkdir(exist_ok=True)
    (folder / file).write_text(lines, encoding="utf-8")
