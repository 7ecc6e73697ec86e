"""The registers and ports around the stages, bit by bit: latency, an event a clock, and no event mixed with another.

Where every bit that a stage gets is the one that the stage before gave one clock earlier, whatever it is, all bits of a
result are of one event (needs da4ml).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from da4ml.cmvm.types import CombLogic, Pipeline

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import FixedPointType
from fpgaae.rtl.design import Design
from fpgaae.rtl.netlist import PORTS, Around, Bit, Place, read_around
from fpgaae.rtl.pipeline import stage_ports, stages_by_module


def registers_differ(
    project: Path, pipeline: Pipeline, outputs: Sequence[FixedPointType], build: Path
) -> str | None:  # fmt: skip
    """Say which bit of a stage or of an output comes from elsewhere, or at another time; None: none.

    Parameters
    ----------
    outputs
        The types of the model's score, decisions and latents of a port: where one is never negative, the bits above
        what the last stage gives may be zeros.

    Raises
    ------
    ToolMissing
        If there is no Yosys.
    """
    design = Design.load(project)
    if design.latency_cycles != len(pipeline.solutions) + 1:
        return f"design.json states a latency of {design.latency_cycles} clocks for {len(pipeline.solutions)} stages"
    try:
        around = read_around(project, design.name, stage_ports(pipeline), build)
    except CheckFailed as error:
        return str(error).strip().splitlines()[-1]
    return next(_differences(around, design, pipeline, outputs), None)


def _differences(
    around: Around, design: Design, pipeline: Pipeline, outputs: Sequence[FixedPointType]
) -> Iterator[str]:  # fmt: skip
    modules = list(stages_by_module(design.name, pipeline))
    before = [Place(PORTS, bit) for bit in bits_of_ports(design, pipeline.solutions[0])]
    for module in modules:
        yield from _compare(f"the input of {module}", around.stages[module], [[Bit(place, 1)] for place in before])
        before = [Place(module, bit) for bit in range(_outputs_of(pipeline, modules.index(module)))]
    expected = iter(list(output_bits(outputs, pipeline.solutions[-1], modules[-1])))
    for port, bits in design.output_bits.items():
        yield from _compare(port, around.outputs.get(port, []), list(islice(expected, bits)))
    if next(expected, None) is not None:
        yield "design.json states fewer bits of results than the model has"


def _compare(what: str, found: list[Bit], expected: list[list[Bit]]) -> Iterator[str]:
    if len(found) != len(expected):
        yield f"{what} has {len(found)} bits where {len(expected)} are right"
        return
    for bit, (own, right) in enumerate(zip(found, expected, strict=True)):
        same_constant = isinstance(own.source, str) and any(own.source == other.source for other in right)
        if own not in right and not same_constant:
            yield f"bit {bit} of {what} is {own} where {right[0]} is right"


def _outputs_of(pipeline: Pipeline, stage: int) -> int:
    return stage_ports(pipeline)[stage][1]


def bits_of_ports(design: Design, first: CombLogic) -> Iterator[int]:
    """Give the bit of the ports that each bit of the first stage is: of each feature those that the logic takes."""
    low = 0
    for kind, (is_signed, integers, fraction) in zip(design.inputs, np.asarray(first.inp_kifs).T.tolist(), strict=True):
        zeros = max(-fraction, 0)
        yield from range(low + zeros, low + zeros + is_signed + integers + fraction)
        low += kind.width


def output_bits(outputs: Sequence[FixedPointType], last: CombLogic, module: str) -> Iterator[list[Bit]]:
    """Give what each bit of the results, the first in the lowest bits, may be; of each the right one first."""
    low, zero = 0, Bit("0", 0)
    for kind, (is_signed, integers, fraction) in zip(outputs, np.asarray(last.out_kifs).T.tolist(), strict=True):
        width, zeros = is_signed + integers + fraction, max(-fraction, 0)
        own = [Bit(Place(module, low + bit), 1) for bit in range(width)]
        above = [own[-1]] if is_signed and width else [zero]
        if is_signed and not kind.signed:
            above.append(zero)
        yield from ([[zero]] * zeros + [[bit] for bit in own] + [above] * kind.width)[: kind.width]
        low += width
