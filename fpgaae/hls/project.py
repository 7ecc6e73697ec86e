"""The written HLS project as text: what the C simulation adds to its sources, its driver and its testbench.

Nothing here imports hls4ml: a project is a folder of C++ files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes

SUPPORT_HEADER = "csim_support.h"
DRIVER = "csim_driver.cpp"
_SAVE = re.compile(r'nnet::save_layer_output<\w+>\((?P<variable>\w+), "(?P<layer>\w+)", (?P<size>[\w*]+)\);')
_WEIGHTS = re.compile(r"^(?P<type>\w+) (?P<name>\w+)\[(?P<size>\d+)\] = \{", re.MULTILINE)
_CLEAR_UNUSED_BITS = "clearUnusedBits(void)"
_LAYERS_MARKER = "    // hls-fpga-machine-learning insert layers\n"


class Port(NamedTuple):
    """An argument of the top function."""

    layer: str  # name of the layer it carries
    variable: str
    type_name: str  # C++ type of an element, or of a pack in a stream
    size: int


class TopFunction(NamedTuple):
    """What a driver must know of a project's top function."""

    project_name: str
    input: Port
    output: Port
    is_stream: bool


def firmware_source(name: str) -> Path:
    """Give the path of a hand-written firmware source, such as `hls/fpgaae_scores.h`."""
    return Path(str(resources.files("fpgaae_firmware") / name))


def complete_project(project: Path, top: TopFunction) -> tuple[str, ...]:
    """Add to a project that hls4ml wrote all that the C simulation needs; give the layers that it records.

    Raises
    ------
    CheckFailed
        If a file does not look as hls4ml 1.3.0 writes it.
    """
    layers = add_taps(project, top)
    speed_up_weights(project)
    speed_up_types(project)
    write_driver(project, top)
    write_testbench(project, top)
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
            return "// recorded by the driver, from the output port"
        layers.append(match["layer"])
        return f'csim::tap({match["variable"]}, "{match["layer"]}", {match["size"]});'

    text = _SAVE.sub(tap, text)
    input_tap = f'csim::tap({top.input.variable}, "{top.input.layer}", {top.input.size});'
    text = text.replace(_LAYERS_MARKER, f"#ifndef __SYNTHESIS__\n    {input_tap}\n#endif\n\n{_LAYERS_MARKER}")
    text = text.replace(include, f'{include}#ifndef __SYNTHESIS__\n#include "{SUPPORT_HEADER}"\n#endif\n')
    source.write_text(text, encoding="utf-8")
    header = firmware_source(f"csim/{SUPPORT_HEADER}").read_text(encoding="utf-8")
    (project / "firmware" / SUPPORT_HEADER).write_text(header, encoding="utf-8")
    return (*layers, top.output.layer)


def speed_up_weights(project: Path) -> None:
    """Let the C simulation read each weight header as a table that compiles fast; synthesis sees the plain array.

    The values stand once: only what is in front of them differs.
    """
    for header in sorted((project / "firmware" / "weights").glob("*.h")):
        text = header.read_text(encoding="utf-8")
        plain = r"\g<type> \g<name>[\g<size>] = {"
        table = r"csim::Table<\g<type>, \g<size>> \g<name> = {"
        replacement = f'#ifdef __SYNTHESIS__\n{plain}\n#else\n#include "../{SUPPORT_HEADER}"\n{table}\n#endif\n'
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


def write_driver(project: Path, top: TopFunction) -> None:
    """Write the C++ driver of the C simulation for the project's top function."""
    drain = "while (!outputs.empty())\n        outputs.read();" if top.is_stream else ""
    values = {"INPUT_TYPE": top.input.type_name, "OUTPUT_LAYER": top.output.layer, "OUTPUT_DRAIN": drain}
    (project / DRIVER).write_text(_fill_template(f"csim/{DRIVER}", top, values), encoding="utf-8")


def write_testbench(project: Path, top: TopFunction) -> None:
    """Replace the testbench that hls4ml generates, which compares nothing, by one that does."""
    if top.is_stream:
        element = f"{top.output.type_name}::value_type"
        fill = (
            f"for (size_t i = 0; i < n_inputs; i += {top.input.type_name}::size) {{\n"
            f"            {top.input.type_name} pack;\n"
            f"            for (size_t j = 0; j < {top.input.type_name}::size; j++)\n"
            f"                pack[j] = from_code<{top.input.type_name}::value_type>(input_codes[i + j]);\n"
            "            inputs.write(pack);\n"
            "        }"
        )
        read = (
            f"{element} results[n_outputs];\n"
            f"        for (size_t i = 0; i < n_outputs; i += {top.output.type_name}::size) {{\n"
            f"            {top.output.type_name} pack = outputs.read();\n"
            f"            for (size_t j = 0; j < {top.output.type_name}::size; j++)\n"
            "                results[i + j] = pack[j];\n"
            "        }"
        )
    else:
        element = top.output.type_name
        fill = (
            "for (size_t i = 0; i < n_inputs; i++)\n"
            f"            inputs[i] = from_code<{top.input.type_name}>(input_codes[i]);"
        )
        read = f"{element} *results = outputs;"
    values = {"INPUT_FILL": fill, "OUTPUT_READ": read, "OUTPUT_ELEMENT": element}
    file = project / f"{top.project_name}_test.cpp"
    file.write_text(_fill_template("csim/testbench.cpp", top, values), encoding="utf-8")


def write_golden_vectors(project: Path, input_codes: Codes, output_codes: Codes) -> None:
    """Write what the testbench feeds and expects: codes (n, n_inputs) and (n, n_outputs), an event a line."""
    folder = project / "tb_data"
    folder.mkdir(exist_ok=True)
    np.savetxt(folder / "input_codes.dat", input_codes, fmt="%d")
    np.savetxt(folder / "expected_codes.dat", output_codes, fmt="%d")


def _fill_template(name: str, top: TopFunction, values: Mapping[str, str]) -> str:
    """Put the names and sizes of a top function into a hand-written source."""
    declare = "hls::stream<{0.type_name}> {1};" if top.is_stream else "{0.type_name} {1}[{2}];"
    common = {
        "PROJECT": top.project_name,
        "N_INPUTS": str(top.input.size),
        "N_OUTPUTS": str(top.output.size),
        "INPUT_DECLARATION": declare.format(top.input, "inputs", "n_inputs"),
        "OUTPUT_DECLARATION": declare.format(top.output, "outputs", "n_outputs"),
    }
    text = firmware_source(name).read_text(encoding="utf-8")
    for key, value in {**common, **values}.items():
        text = text.replace(f"@{key}@", value)
    return text
