"""The trigger block around the network: C++ of its ports, its scaling, its thresholds, and its golden vectors.

Nothing here imports hls4ml; the hand-written parts stand in `firmware/hls/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.config.data import Hardware
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import QUANTITIES, HardwareFeature
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.cell_lines import CELLS_HEADER, cell_values, table_lines
from fpgaae.hls.network_ports import port_names, port_values
from fpgaae.hls.port_table import input_ports, port_lines
from fpgaae.hls.project import EXPECTED_FILE, STIMULUS_FILE, VECTORS_FOLDER, TopFunction, fill_template, indented
from fpgaae.hls.word_lines import WORDS_HEADER, code_lines

FRONT_END_HEADER = "fpgaae_front_end.h"
THRESHOLDS_HEADER = "thresholds.h"
README = "README.md"
_TABLE_HEAD = "Ports, as the config declares them (a word that is not sent has an answer, too):"


class Element(NamedTuple):
    """One word that enters the block: `expression` names it in C++, and is empty where it has no port."""

    feature: Feature
    expression: str


class Port(NamedTuple):
    """An array that enters the block: of `<name>_object` for one kind of object, or of plain integers."""

    name: str
    size: int
    type_name: str
    fields: tuple[tuple[str, str], ...] = ()  # C++ type and name of an object's; a property of 0 bits has none

    @property
    def declaration(self) -> str:
        """Give the port as an argument."""
        return f"{self.type_name} {self.name}[{self.size}]"

    @property
    def struct(self) -> str:
        """Give the definition of its type, empty where there is nothing to define."""
        fields = "".join(f"    {of} {name};\n" for of, name in self.fields)
        return f"struct {self.type_name} {{\n{fields}}};\n" if fields else ""


class TriggerBlock:
    """What stands around a network: objects in front of it, thresholds behind it.

    Parameters
    ----------
    top
        The network's top function.
    hardware
        The kinds of objects, or the array; their order and properties are those of the features.
    trigger
        Features, network and thresholds.

    Raises
    ------
    InputError
        If an input has the name of a port of the network.
    """

    def __init__(self, top: TopFunction, hardware: Hardware, trigger: GoldenTrigger) -> None:
        self.accept, self.cell = trigger.accept, trigger.network.cell
        self.top = top._replace(n_loaded_thresholds=self.accept.size if self.accept.reloadable else 0)
        self.elements = tuple(_elements(hardware, trigger.features))
        self.ports = tuple(_ports(hardware, trigger.features))
        self.port_table = tuple(port_lines(input_ports(hardware)))  # empty where no words are declared
        if clash := port_names(self.top) & {port.name for port in self.ports}:
            raise InputError(f"data.hardware calls an input `{min(clash)}`, as a port of the network; rename it")

    def write(self, project: Path) -> None:
        """Write the block's sources into a project."""
        firmware = project / "firmware"
        name = self.top.project_name
        values = self.values()
        header = fill_template(f"hls/{FRONT_END_HEADER}", {})
        (firmware / FRONT_END_HEADER).write_text(header, encoding="utf-8")
        if self.port_table:
            words = fill_template(f"hls/{WORDS_HEADER}", {})
            (firmware / WORDS_HEADER).write_text(words, encoding="utf-8")
            page = fill_template("hls/ports.md", {"PROJECT": name, "PORTS": _as_rows(self.port_table)})
            (project / README).write_text(page, encoding="utf-8")
        if self.cell is not None:
            (firmware / CELLS_HEADER).write_text(fill_template(f"hls/{CELLS_HEADER}", {}), encoding="utf-8")
        for suffix in ("h", "cpp"):
            text = fill_template(f"hls/trigger.{suffix}", values)
            (firmware / f"{name}_trigger.{suffix}").write_text(text, encoding="utf-8")
        (firmware / THRESHOLDS_HEADER).write_text(self._thresholds(), encoding="utf-8")

    def values(self) -> dict[str, str]:
        """Give what the templates leave open."""
        top = self.top
        ports, names = (
            ",\n    ".join(port.declaration for port in self.ports),
            ", ".join(port.name for port in self.ports),
        )
        return (
            port_values(top)
            | cell_values(self.cell, self._hardware, self._codes(), ports, names)
            | {
                "PROJECT": top.project_name,
                "GUARD": top.project_name.upper(),
                "OBJECTS_ARE": "words" if self.port_table else "hardware integers",
                "PORT_TABLE": "".join(f"//   {line}\n" for line in self.port_table and (_TABLE_HEAD, *self.port_table)),
                "WORDS_HEADER": f'\n#include "{WORDS_HEADER}"' if self.port_table else "",
                "STRUCTS": "\n".join(filter(None, (port.struct for port in self.ports))),
                "SCORE_TYPE": f"{top.output.type_name}::value_type" if top.is_stream else top.output.type_name,
                "PORTS": ports,
                "PORT_NAMES": names,
                "PARTITIONS": "\n".join(
                    f"    #pragma HLS ARRAY_PARTITION variable={port.name} complete dim=0" for port in self.ports
                ),
                "SCHEDULE": "DATAFLOW" if top.is_dataflow else "PIPELINE II=1",
                "NETWORK_INPUT": _argument(top.input.type_name, "features", top.input.size, top.is_stream),
                "NETWORK_OUTPUT": _argument(top.output.type_name, "outputs", top.output.size, top.is_stream),
                "LOCAL_INPUT": _local(top.input.type_name, "features", top.input.size, top.is_stream),
                "LOCAL_OUTPUT": _local(top.output.type_name, "outputs", top.output.size, top.is_stream),
                "SCALE": indented("\n".join(self._scale()), 4),
                "READ_SCORE": indented(read_score(top), 4),
            }
        )

    def fill_ports(self, source: str) -> str:
        """Give C++ that declares the ports and fills them from an array of codes called `source`.

        An array in the order of the features has a place for each of them, one in the order of the ports' elements
        leaves out those of 0 bits: `{feature}` or `{element}` stands for the place.
        """
        lines = [f"{port.declaration};" for port in self.ports]
        element = 0
        for index, (_, expression) in enumerate(self.elements):
            if expression:
                lines.append(f"{expression} = {source.format(feature=index, element=element)};")
                element += 1
        return "\n".join(lines)

    @property
    def n_elements(self) -> int:
        """Count the integers that the ports hold."""
        return sum(bool(expression) for _, expression in self.elements)

    @property
    def _hardware(self) -> list[HardwareFeature]:
        return [element.feature.hardware for element in self.elements]

    def _codes(self) -> list[str]:
        """Give C++ of the hardware integer of each feature."""
        return code_lines(self._hardware, [element.expression for element in self.elements])

    def _scale(self) -> Iterator[str]:
        """Give the lines that compute the network's inputs; in a stream, pack by pack."""
        top = self.top
        scaled = [_scaled(element.feature, code) for element, code in zip(self.elements, self._codes(), strict=True)]
        if not top.is_stream:
            for index, expression in enumerate(scaled):
                yield f"features[{index}] = {expression};"
            return
        pack = top.input.pack_size
        yield f"{top.input.type_name} pack;"
        for index, expression in enumerate(scaled):
            yield f"pack[{index % pack}] = {expression};"
            if index % pack == pack - 1:
                yield "features.write(pack);"

    def _thresholds(self) -> str:
        width = self.top.score_width
        if self.accept.reloadable:
            table = ""  # they are a port
        elif self.cell is None:
            codes = ", ".join(map(str, self.accept.thresholds.tolist()))
            table = f"static const ap_uint<{width}> thresholds[n_thresholds] = {{{codes}}};\n"
        else:
            table = table_lines(self.cell, self.accept, self._hardware, width)
        guard = f"{self.top.project_name.upper()}_THRESHOLDS_H_"
        return (
            "// Codes of the score, in units of its LSB; an event is accepted above, not at, a threshold.\n"
            f'#ifndef {guard}\n#define {guard}\n\n#include "ap_int.h"\n\n'
            f"static const unsigned n_thresholds = {self.accept.size};\n{table}\n#endif\n"
        )


def read_score(top: TopFunction) -> str:
    """Give C++ that reads the score from `outputs` into `result`."""
    if top.is_stream:
        return f"{top.output.type_name} pack = outputs.read();\nscore_t result = pack[0];"
    return "score_t result = outputs[0];"


def write_golden_vectors(
    project: Path,
    block: TriggerBlock,
    words: Codes,
    score_codes: Codes,
    accept: Codes,
    latents: Codes | None = None,
) -> None:
    """Write what the testbench feeds and expects, hexadecimal, an event a line.

    Parameters
    ----------
    words
        (n_events, n_features) what enters the ports.
    score_codes
        (n_events,) codes of the score.
    accept
        (n_events, n_thresholds) decisions, 0 or 1.
    latents
        (n_events, n_latents) codes in two's complement, where they are a port.
    """
    folder = project / VECTORS_FOLDER
    folder.mkdir(exist_ok=True)
    ports = [index for index, element in enumerate(block.elements) if element.expression]
    bits = np.array([block.elements[index].feature.hardware.port.bits for index in ports], dtype=np.int64)
    stimulus = words[:, ports] & ((1 << bits) - 1)
    accepted = (accept << np.arange(accept.shape[1])).sum(axis=1)
    np.savetxt(folder / STIMULUS_FILE, stimulus, fmt="%x")
    columns = [score_codes[:, None], accepted[:, None], *([] if latents is None else [latents])]
    np.savetxt(folder / EXPECTED_FILE, np.concatenate(columns, axis=1), fmt="%x")


def _ports(hardware: Hardware, features: FeatureMap) -> Iterator[Port]:
    if hardware.array is not None:
        array = hardware.array
        yield Port(array.name, array.n_cells - len(set(array.absent)), _integer(array.bits, signed=array.signed))
    first = 0
    for kind in hardware.objects:
        slot = [features.features[first + place].hardware for place in range(len(QUANTITIES))]
        fields = tuple((_integer(of.port.bits, signed=of.port.signed), of.quantity) for of in slot if of.bits)
        yield Port(kind.name, kind.slots, f"{kind.name}_object", fields)
        first += kind.slots * len(QUANTITIES)


def _as_rows(port_table: Sequence[str]) -> str:
    return "\n".join("| `{}` | {} |".format(*line.split(": ", 1)) for line in port_table)


def _integer(bits: int, *, signed: bool) -> str:
    return f"ap_{'' if signed else 'u'}int<{bits}>"


def _elements(hardware: Hardware, features: FeatureMap) -> Iterator[Element]:
    if hardware.array is not None:
        place = count()
        for feature in features.features:
            yield Element(feature, f"{hardware.array.name}[{next(place)}]" if feature.hardware.bits else "")
    index = iter(features.features)
    for kind in hardware.objects:
        for slot in range(kind.slots):
            for quantity in QUANTITIES:
                feature = next(index)
                yield Element(feature, f"{kind.name}[{slot}].{quantity}" if feature.hardware.bits else "")


def _scaled(feature: Feature, expression: str) -> str:
    code = expression or "ap_uint<1>(0)"
    return f"fpgaae::scale<{feature.shift}>({code}, {feature.offset})"


def _argument(type_name: str, name: str, size: int, is_stream: bool) -> str:
    return f"hls::stream<{type_name}> &{name}" if is_stream else f"{type_name} {name}[{size}]"


def _local(type_name: str, name: str, size: int, is_stream: bool) -> str:
    if is_stream:
        return f'hls::stream<{type_name}> {name}("{name}");'
    return f"{type_name} {name}[{size}];\n    #pragma HLS ARRAY_PARTITION variable={name} complete dim=0"
