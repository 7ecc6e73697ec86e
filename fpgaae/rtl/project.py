"""A traced trigger block as a folder of Verilog and VHDL (needs da4ml).

verilog/   NAME_core*.v  the traced logic, a file each stage of the pipeline; what it instantiates; its tables
           NAME_trigger.v, NAME_valid.v, NAME_axis.v  the block with plain ports, a valid bit, AXI4-Streams
models/    models of the primitives that are instantiated, for simulations; synthesis knows them
vhdl/      the same core in VHDL, and NAME_trigger.vhd
design.json  ports, stages and what da4ml estimates
NOTICE.txt  whose modules these are, and under which licence
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from da4ml.cmvm.types import CombLogic, Pipeline
from da4ml.codegen import VerilogModel, VHDLModel

from fpgaae.config.experiment import Firmware
from fpgaae.files import write_json
from fpgaae.fixedpoint import FixedPointType
from fpgaae.rtl.design import (
    CELLS,
    DESIGN_FILE,
    MODELS_FOLDER,
    THREE_INPUT_ADDER,
    VERILOG_FOLDER,
    VHDL_FOLDER,
    Design,
)
from fpgaae.rtl.pipeline import stages_by_module
from fpgaae.rtl.schedule import cut
from fpgaae.rtl.templates import firmware_rtl, port_values, wrapper_text
from fpgaae.rtl.three_input import pairs_of, with_three_inputs
from fpgaae.rtl.trace import Traced

LOOKUP_TABLE = "lookup_table.v"
NOTICE = "NOTICE.txt"
_NS_A_UNIT = 1.0  # what da4ml counts as one unit of delay, an adder, takes about a nanosecond in UltraScale+
# Parts whose carry chain is CARRY8, by their names: Virtex, Kintex, Zynq, Artix, Alveo and Kria of UltraScale and
# UltraScale+ (AMD DS890), also automotive and defence ones.
_ULTRASCALE = re.compile(r"x[acq](?:vu|ku|zu|au|u\d|k2\d)", re.IGNORECASE)
_NEWER_PRAGMA = re.compile(r"^.*verilator lint_o(?:n|ff) WIDTH(?:TRUNC|EXPAND).*\n", re.MULTILINE)


class _Slice(NamedTuple):
    """Where a value lies on a packed port, and the zeros below its lowest bit."""

    low: int
    bits: int
    zeros: int
    signed: bool


@dataclass(frozen=True)
class Pipelined:
    """A traced block cut into stages."""

    traced: Traced
    pipeline: Pipeline


def cut_into_stages(traced: Traced, clock_ns: float, *, three_inputs: bool) -> Pipelined:
    """Put registers so that no stage is deeper than a clock period, and as evenly as that number of stages allows.

    Parameters
    ----------
    three_inputs
        Whether sums of sums become adders of three values, where that costs no stage.
    """
    return Pipelined(traced, cut(traced.logic, max(clock_ns / _NS_A_UNIT, 1.0), three_inputs=three_inputs))


def write_rtl(block: Pipelined, firmware: Firmware, folder: Path, ports: Sequence[str] = ()) -> Design:
    """Write the project and describe it.

    Parameters
    ----------
    ports
        What the bits of `objects` are, a line each, where words are declared.
    """
    name = firmware.project_name
    for kind, flavour, suffix in ((VerilogModel, VERILOG_FOLDER, "v"), (VHDLModel, VHDL_FOLDER, "vhd")):
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            model = kind(
                block.pipeline, f"{name}_core", scratch, print_latency=False, part_name=firmware.part,
                clock_period=firmware.clock_ns,
            )  # fmt: skip
            model.write()
            _take_sources(Path(scratch) / "src", folder / flavour, suffix)
    has_primitives = _ULTRASCALE.match(firmware.part) is not None
    _write_adders(stages_by_module(name, block.pipeline), folder, has_primitives)
    design = describe(block, name)
    shutil.copyfile(firmware_rtl(LOOKUP_TABLE), folder / VERILOG_FOLDER / LOOKUP_TABLE)
    shutil.copyfile(firmware_rtl(NOTICE), folder / NOTICE)
    values = _placeholders(block, design) | {"PORT_TABLE": "".join(f"\n//   {line}" for line in ports)}
    for template in ("trigger.v", "valid.v", "axis.v", "trigger.vhd"):
        flavour = VHDL_FOLDER if template.endswith(".vhd") else VERILOG_FOLDER
        (folder / flavour / f"{name}_{template}").write_text(wrapper_text(template, values), encoding="utf-8")
    write_json(folder / DESIGN_FILE, design.to_json())
    return design


def _write_adders(stages: Mapping[str, CombLogic], folder: Path, has_primitives: bool) -> None:
    """Put adders of three values into the stages that have such; the VHDL keeps its adders of two."""
    for module, logic in stages.items():
        file = folder / VERILOG_FOLDER / f"{module}.v"
        file.write_text(with_three_inputs(file.read_text(encoding="utf-8"), logic), encoding="utf-8")
    if any(map(pairs_of, stages.values())):
        text = wrapper_text(f"{THREE_INPUT_ADDER}.v", {"HAS_PRIMITIVES": int(has_primitives)})
        (folder / VERILOG_FOLDER / f"{THREE_INPUT_ADDER}.v").write_text(text, encoding="utf-8")
        if has_primitives:
            (folder / MODELS_FOLDER).mkdir()
            shutil.copyfile(firmware_rtl(CELLS), folder / MODELS_FOLDER / CELLS)


def _take_sources(source: Path, target: Path, suffix: str) -> None:
    """Keep the core, its tables and what it instantiates; da4ml's own wrapper and scripts stay behind."""
    target.mkdir()
    for file in sorted(source.rglob("*")):
        if file.suffix == f".{suffix}" and not file.stem.endswith("_wrapper"):
            text = _NEWER_PRAGMA.sub("", file.read_text(encoding="utf-8"))  # Verilator 5.006 stops at these
            (target / file.name).write_text(text, encoding="utf-8")
        elif file.suffix == ".mem":
            text = file.read_text(encoding="utf-8").rstrip(
                "\n"
            )  # Verilator 5.006 does not read a last line without end
            (target / file.name).write_text(f"{text}\n", encoding="utf-8")


def describe(block: Pipelined, name: str) -> Design:
    """Say what a block has for ports and stages, and what da4ml expects it to cost."""
    pipeline = block.pipeline
    return Design(
        name=name,
        inputs=block.traced.inputs,
        score=block.traced.score,
        n_thresholds=block.traced.n_thresholds,
        latents=block.traced.latents,
        n_latents=block.traced.n_latents,
        stages=len(pipeline.solutions),
        latency_cycles=len(pipeline.solutions) + 1,  # the registers before, between and behind the stages
        estimated_lut=round(pipeline.cost),
        estimated_ff=int(pipeline.reg_bits),
    )


def _slices(kifs: np.ndarray[Any, Any]) -> Iterator[_Slice]:
    """Say where the values of a packed port lie, from the sign, integer and fraction bits of each."""
    widths = [int(width) for width in kifs.sum(axis=0)]
    for end, width, sign, fraction in zip(accumulate(widths), widths, kifs[0], kifs[2], strict=True):
        yield _Slice(end - width, width, max(-int(fraction), 0), bool(sign))


def _placeholders(block: Pipelined, design: Design) -> dict[str, object]:
    core_inputs = list(_slices(np.asarray(block.pipeline.solutions[0].inp_kifs)))
    core_outputs = list(_slices(np.asarray(block.pipeline.solutions[-1].out_kifs)))
    return port_values(design) | {
        "DEPTH_BITS": (design.latency_cycles + 1).bit_length(),
        "CORE_INPUT_BITS": max(core_inputs[-1].low + core_inputs[-1].bits, 1),
        "CORE_OUTPUT_BITS": max(core_outputs[-1].low + core_outputs[-1].bits, 1),
        "CONNECTIONS": "\n".join(_connections(design, core_inputs, core_outputs)),
        "VHDL_CONNECTIONS": "\n".join(_vhdl_connections(design, core_inputs, core_outputs)),
    }


def _connections(design: Design, inputs: list[_Slice], outputs: list[_Slice]) -> Iterator[str]:
    """Connect the core's packed ports; what the core does not use has no bits there."""
    low = 0
    for kind, port in zip(design.inputs, inputs, strict=True):
        if port.bits:
            yield f"    assign core_input[{port.low}+:{port.bits}] = objects[{low + port.zeros}+:{port.bits}];"
        low += kind.width
    for place, (kind, port) in enumerate(zip(design.results, outputs, strict=True)):
        yield f"    assign {_target(design, place)} = {_padded('core_output', port, kind)};"


def _target(design: Design, place: int) -> str:
    """Name the bits of the ports that hold one of the results."""
    decision, latent = place - 1, place - 1 - design.n_thresholds
    if latent < 0:
        return f"accept[{decision}]" if place else "score"
    width = design.results[place].width
    return f"latents[{latent * width}+:{width}]"


def _padded(port: str, where: _Slice, kind: FixedPointType) -> str:
    """Write a part of a port as a code of a type: zeros below it, and above it zeros or its sign.

    Where it has more bits than the type, its highest are those of a sign that no event sets.
    """
    width, bits = kind.width, min(where.bits, kind.width - where.zeros)
    if not bits:
        return f"{width}'b0"
    above = width - bits - where.zeros
    fill = f"{{{above}{{{port}[{where.low + bits - 1}]}}}}" if where.signed and kind.signed else f"{above}'b0"
    parts = [fill] * bool(above) + [f"{port}[{where.low}+:{bits}]"] + [f"{where.zeros}'b0"] * bool(where.zeros)
    return f"{{{', '.join(parts)}}}" if len(parts) > 1 else parts[0]


def _vhdl_connections(design: Design, inputs: list[_Slice], outputs: list[_Slice]) -> Iterator[str]:
    """Write `_connections` in VHDL."""
    low = 0
    for kind, port in zip(design.inputs, inputs, strict=True):
        if port.bits:
            source = _vhdl_bits("objects", low + port.zeros, port.bits)
            yield f"    {_vhdl_bits('core_input', port.low, port.bits)} <= {source};"
        low += kind.width
    for place, (kind, port) in enumerate(zip(design.results, outputs, strict=True)):
        yield f"    {_vhdl_target(design, place)} <= {_vhdl_padded('core_output', port, kind)};"


def _vhdl_target(design: Design, place: int) -> str:
    """Write `_target` in VHDL."""
    decision, latent = place - 1, place - 1 - design.n_thresholds
    if latent < 0:
        return _vhdl_bits("accept", decision, 1) if place else "score"
    width = design.results[place].width
    return _vhdl_bits("latents", latent * width, width)


def _vhdl_bits(name: str, low: int, bits: int) -> str:
    return f"{name}({low + bits - 1} downto {low})"


def _vhdl_padded(port: str, where: _Slice, kind: FixedPointType) -> str:
    """Write `_padded` in VHDL."""
    width, bits = kind.width, min(where.bits, kind.width - where.zeros)
    if not bits:
        return f'"{"0" * width}"'
    n_above, sign = width - bits - where.zeros, f"{port}({where.low + bits - 1})"
    fill = f"({n_above - 1} downto 0 => {sign})" if where.signed and kind.signed else f'"{"0" * n_above}"'
    above = f"{fill} & " if n_above > 0 else ""
    below = f' & "{"0" * where.zeros}"' if where.zeros else ""
    return f"{above}{_vhdl_bits(port, where.low, bits)}{below}"
