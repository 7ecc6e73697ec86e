"""The written HLS project as text: what the C simulation adds to its sources, its driver and its testbench.

Nothing here imports hls4ml: a project is a folder of C++ files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes, FixedPointType, parse_type
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.network import IntegerNetwork
from fpgaae.runs.results.convert import WeightPortEntry

SUPPORT_HEADER = "csim_support.h"
DRIVER = "csim_driver.cpp"
SYNTHESIS_DRIVER = "synthesis_driver.cpp"
CSIM_MACRO = "FPGAAE_CSIM"
VECTORS_FOLDER, STIMULUS_FILE, EXPECTED_FILE = "tb_data", "stimulus.dat", "expected.dat"
_SAVE = re.compile(
    r"#ifndef __SYNTHESIS__\n\s*"
    r'nnet::save_layer_output<\w+>\((?P<variable>\w+), "(?P<layer>\w+)", (?P<size>[\w*]+)\);\n#endif\n'
)
_WEIGHTS = re.compile(r"^(?P<type>\w+) (?P<name>\w+)\[(?P<size>\d+)\] = \{", re.MULTILINE)
_CLEAR_UNUSED_BITS = "clearUnusedBits(void)"
_LAYERS_MARKER = "    // hls-fpga-machine-learning insert layers\n"


class Port(NamedTuple):
    """An argument of the top function."""

    layer: str  # name of the layer it carries
    variable: str
    type_name: str  # C++ type of an element, or of a pack in a stream
    size: int
    pack_size: int = 1  # elements of a pack


class WeightPort(NamedTuple):
    """A port through which weights or biases of a layer are loaded; codes come in the order of `codes`."""

    name: str  # of the argument
    layer: str  # of the golden network
    is_bias: bool
    size: int
    type_name: str  # C++ type of a value
    type: FixedPointType
    is_memory: bool  # read word by word; otherwise all at once
    filters_first: bool  # hls4ml's order in the resource strategy; otherwise that of the model

    def codes(self, layer: Weighted) -> Codes:
        """Give the codes (size,) of a layer's weights as the port takes them."""
        kernel = np.moveaxis(layer.kernel, -1, 0) if self.filters_first else layer.kernel
        return (layer.bias if self.is_bias else kernel).ravel()

    def entry(self) -> WeightPortEntry:
        """Give the entry of `convert.json`."""
        return WeightPortEntry(
            name=self.name,
            layer=self.layer,
            is_bias=self.is_bias,
            size=self.size,
            type_name=self.type_name,
            type=str(self.type),
            is_memory=self.is_memory,
            filters_first=self.filters_first,
        )

    @classmethod
    def of(cls, entry: WeightPortEntry) -> WeightPort:
        """Take what `convert.json` says."""
        return cls(
            name=entry.name,
            layer=entry.layer,
            is_bias=entry.is_bias,
            size=entry.size,
            type_name=entry.type_name,
            type=parse_type(entry.type),
            is_memory=entry.is_memory,
            filters_first=entry.filters_first,
        )


def port_codes(ports: Sequence[WeightPort], network: IntegerNetwork) -> Codes:
    """Give the codes of all ports one behind the other, with the weights of a network."""
    layers = {layer.name: layer for layer in network.weighted}
    return np.concatenate([np.zeros(0, dtype=np.int64), *(port.codes(layers[port.layer]) for port in ports)])


class TopFunction(NamedTuple):
    """What a driver must know of a project's top function."""

    project_name: str
    input: Port
    output: Port
    is_stream: bool
    score_width: int  # bits
    is_dataflow: bool = False  # how its layers are scheduled; otherwise they are one pipeline
    latents: Port | None = None
    weights: tuple[WeightPort, ...] = ()  # where they are reloadable
    n_loaded_thresholds: int = 0  # where they are a port of the trigger block


def firmware_source(name: str) -> Path:
    """Give the path of a hand-written firmware source, such as `hls/fpgaae_scores.h`."""
    return Path(str(resources.files("fpgaae_firmware") / name))


def complete_project(project: Path, top: TopFunction) -> tuple[str, ...]:
    """Add to a project that hls4ml wrote what the C simulation needs in its sources; give the layers that it records.

    Raises
    ------
    CheckFailed
        If a file does not look as hls4ml 1.3.0 writes it.
    """
    layers = add_taps(project, top)
    speed_up_weights(project)
    speed_up_types(project)
    return layers


def add_taps(project: Path, top: TopFunction) -> tuple[str, ...]:
    """Replace hls4ml's trace calls by taps that record integer codes, and tap the input; give the tapped layers.

    The output port is recorded by the driver, as the last one.

    Raises
    ------
    CheckFailed
        If the source does not look as hls4ml 1.3.0 writes it.
    """
    source = project / "firmware" / f"{top.project_name}.cpp"
    text = source.read_text(encoding="utf-8")
    include = f'#include "{top.project_name}.h"\n'
    if text.count(_LAYERS_MARKER) != 1 or text.count(include) != 1:
        raise CheckFailed(f"{source} is not written as hls4ml 1.3.0 writes it; install the pinned version")
    layers = [top.input.layer]

    def tap(match: re.Match[str]) -> str:
        if match["variable"] == top.output.variable:
            return ""  # recorded by the driver, from the output port
        layers.append(match["layer"])
        return in_simulation(f'    csim::tap({match["variable"]}, "{match["layer"]}", {match["size"]});')

    text = _SAVE.sub(tap, text)
    support = f'#include "{SUPPORT_HEADER}"'
    input_tap = f'    csim::tap({top.input.variable}, "{top.input.layer}", {top.input.size});'
    text = text.replace(_LAYERS_MARKER, f"{in_simulation(input_tap)}\n{_LAYERS_MARKER}")
    text = text.replace(include, f"{include}{in_simulation(support)}")
    source.write_text(text, encoding="utf-8")
    header = firmware_source(f"csim/{SUPPORT_HEADER}").read_text(encoding="utf-8")
    (project / "firmware" / SUPPORT_HEADER).write_text(header, encoding="utf-8")
    return (*layers, top.output.layer)


def in_simulation(line: str) -> str:
    """Let only the C simulation of this package see a line."""
    return f"#ifdef {CSIM_MACRO}\n{line}\n#endif\n"


def speed_up_weights(project: Path) -> None:
    """Let the C simulation read each weight header as a table that compiles fast; synthesis sees the plain array.

    The values stand once: only what is in front of them differs.
    """
    for header in sorted((project / "firmware" / "weights").glob("*.h")):
        text = header.read_text(encoding="utf-8")
        plain = r"\g<type> \g<name>[\g<size>] = {"
        table = r"csim::Table<\g<type>, \g<size>> \g<name> = {"
        replacement = f'#ifndef {CSIM_MACRO}\n{plain}\n#else\n#include "../{SUPPORT_HEADER}"\n{table}\n#endif\n'
        header.write_text(_WEIGHTS.sub(replacement, text), encoding="utf-8")


def speed_up_types(project: Path) -> None:
    """Let the C simulation keep `ap_fixed` values in registers; synthesis uses the vendor's own headers, not these.

    Every operation ends in `clearUnusedBits() volatile`, which forces its result through memory. Nothing in a project
    is volatile, so that the same function without that word computes the same.

    Raises
    ------
    CheckFailed
        If the header does not look as hls4ml 1.3.0 copies it.
    """
    header = project / "firmware" / "ap_types" / "etc" / "ap_private.h"
    text = header.read_text(encoding="utf-8")
    if text.count(f"{_CLEAR_UNUSED_BITS} volatile") != 2:  # for up to 64 bits, and for more
        raise CheckFailed(f"{header} is not as hls4ml 1.3.0 copies it; install the pinned version")
    header.write_text(text.replace(f"{_CLEAR_UNUSED_BITS} volatile", _CLEAR_UNUSED_BITS), encoding="utf-8")


def fill_template(name: str, values: Mapping[str, str]) -> str:
    """Read a hand-written source and put values in the place of its `@KEYS@`."""
    text = firmware_source(name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def indented(text: str, n_spaces: int) -> str:
    """Indent every line."""
    return "\n".join(f"{' ' * n_spaces}{line}" for line in text.splitlines())
