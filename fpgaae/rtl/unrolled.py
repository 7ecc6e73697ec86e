"""The block with its registers followed back over the clocks, against the stages in a row on one event's words.

Where the registers are more than one behind each stage, an output may hold what other events left. For a proof, what a
register kept of its own value may be anything; for a search, it is what some events before left there (needs da4ml).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from da4ml.cmvm.types import Pipeline, QInterval

from fpgaae.errors import CheckFailed
from fpgaae.rtl.design import Design
from fpgaae.rtl.netlist import PORTS, Place, read_gates
from fpgaae.rtl.pipeline import stage_ports, stages_by_module
from fpgaae.rtl.register_proof import bits_of_ports, output_bits
from fpgaae.rtl.stage_proof import ROW, Ends, StageProver

_EVENTS_BEFORE = 2
_REGISTER = "$_DFF_P_"
_GATES = {
    "$_BUF_": "{A}", "$_NOT_": "~{A}", "$_AND_": "{A} & {B}", "$_OR_": "{A} | {B}", "$_XOR_": "{A} ^ {B}",
    "$_NAND_": "~({A} & {B})", "$_NOR_": "~({A} | {B})", "$_XNOR_": "~({A} ^ {B})", "$_ANDNOT_": "{A} & ~{B}",
    "$_ORNOT_": "{A} | ~{B}", "$_MUX_": "{S} ? {B} : {A}",
}  # fmt: skip
_BIT = QInterval(0.0, 1.0, 1.0)


class UnrolledProof(NamedTuple):
    """What became of the block over the clocks.

    Parameters
    ----------
    events
        Events that go in one behind the other, one of which comes out wrong: each the bits that the first stage gets,
        as a number. None where none were found.
    """

    equal: bool
    events: list[int] | None


def compare_unrolled(prover: StageProver, project: Path, pipeline: Pipeline, build: Path) -> UnrolledProof:
    """Prove that each output is that of its event's own words, whatever is kept of others, or find events.

    Raises
    ------
    ToolMissing
        If there is no Yosys.
    CheckFailed
        If what is around the stages can't be read, or is more than gates, and registers at the rising edge of clk.
    """
    design = Design.load(project)
    module = read_gates(project, design.name, stage_ports(pipeline), build / "gates")
    sound_outputs = _sound_outputs(design, pipeline)
    n_bits = stage_ports(pipeline)[0][0]
    for n_before in (_EVENTS_BEFORE, None):  # a search is fast where there is something to be found
        clocks = _Clocks(module, pipeline, design, n_before)
        try:
            own = clocks.outputs()
        except RecursionError:
            raise CheckFailed("the gates around the stages are too deep to be followed") from None
        ages = clocks.ages
        ends = Ends([*pipeline.solutions[0].inp_qint] * len(ages) + [_BIT] * clocks.n_free, [_BIT] * len(own))
        head = f"module {ROW}(input [{max(clocks.n_inputs, 1) - 1}:0] model_inp, output [{len(own) - 1}:0] model_out);"
        row = [*_chain(design, pipeline, n_bits)]
        texts = [
            "\n".join([head, *lines, f"    assign model_out = {_joined(bits)};", "endmodule", ""])
            for lines, bits in ((clocks.lines, own), (row, sound_outputs))
        ]
        proves = n_before is None
        folder = build / f"unrolled_{n_before}"
        found = prover.compare_written(project, texts[0], texts[1], ends, folder, proves=proves)
        if found.bits is not None and not proves:
            slices = {age: found.bits >> place * n_bits & (1 << n_bits) - 1 for place, age in enumerate(ages)}
            return UnrolledProof(False, [slices.get(age, 0) for age in range(max(ages), min(ages) - 1, -1)])
    return UnrolledProof(found.equal, None)


def _chain(design: Design, pipeline: Pipeline, n_bits: int) -> list[str]:
    """Put the stages in a row behind the first event."""
    lines, given = [], f"model_inp[{n_bits - 1}:0]"
    for module, (_, n_out) in zip(stages_by_module(design.name, pipeline), stage_ports(pipeline), strict=True):
        lines += [f"    wire [{n_out - 1}:0] of_{module};", f"    {module} {module}_here (.model_inp({given}), "]
        lines[-1] += f".model_out(of_{module}));"
        given = f"of_{module}"
    return lines


def _sound_outputs(design: Design, pipeline: Pipeline) -> list[str]:
    last = list(stages_by_module(design.name, pipeline))[-1]
    bits = [own[0].source for own in output_bits(design.results, pipeline.solutions[-1], last)]
    return [f"of_{bit.of}[{bit.bit}]" if isinstance(bit, Place) else f"1'b{bit}" for bit in bits]


def _joined(bits: list[str]) -> str:
    return f"{{{', '.join(reversed(bits))}}}"


class _Clocks:
    """Writes what each bit is, so many clocks before the outputs.

    Parameters
    ----------
    module
        What is around the stages, as `read_gates` gives it.
    n_before
        How many events more are followed where a register keeps what it had: zero stands in front of them. None: what
        it kept is anything.
    """

    def __init__(self, module: Mapping[str, Any], pipeline: Pipeline, design: Design, n_before: int | None) -> None:
        self.lines: list[str] = []
        self.ages = [design.latency_cycles]  # of the events, in the order in which they stand on the input
        self._oldest = None if n_before is None else design.latency_cycles + n_before
        self._pipeline = pipeline
        self._n_bits = stage_ports(pipeline)[0][0]
        self._free: dict[tuple[int, int], str] = {}
        self._known: dict[tuple[int, int], str] = {}
        self._open: set[tuple[int, int]] = set()  # what is being followed: a bit, and its age
        self._registers: set[int] = set()  # those whose value is being followed
        self._stages: dict[str, list[int | str]] = {}
        self._placed: set[tuple[str, int]] = set()
        self._drivers: dict[int, Place | Mapping[str, Any]] = {}
        taken = {port_bit: place for place, port_bit in enumerate(bits_of_ports(design, pipeline.solutions[0]))}
        self._taken = taken
        ports = module["ports"]
        self._clock = ports["clk"]["bits"]
        for bit, number in enumerate(ports[PORTS]["bits"]):
            self._drivers[number] = Place(PORTS, bit)
        for label, cell in module["cells"].items():
            self._add(label, cell, set(stages_by_module(design.name, pipeline)))
        self._outputs = [bit for port in design.output_bits for bit in ports[port]["bits"]]

    def outputs(self) -> list[str]:
        """Give each bit of the results, the lowest first; `lines` then hold what they need."""
        found = [self._bit(bit, 0) for bit in self._outputs]
        for place, name in enumerate(self._free.values()):
            self.lines.insert(0, f"    wire {name} = model_inp[{len(self.ages) * self._n_bits + place}];")
        return found

    @property
    def n_free(self) -> int:
        """How many bits may be anything."""
        return len(self._free)

    @property
    def n_inputs(self) -> int:
        """Bits of the input: the events, then what may be anything."""
        return len(self.ages) * self._n_bits + self.n_free

    def _add(self, label: str, cell: Mapping[str, Any], stages: set[str]) -> None:
        kind, wires = cell["type"], cell["connections"]
        if kind in stages:
            self._stages[kind] = wires["model_inp"]
            for bit, number in enumerate(wires["model_out"]):
                self._drivers[number] = Place(kind, bit)
        elif kind in _GATES or (kind == _REGISTER and wires["C"] == self._clock):
            self._drivers[wires["Q" if kind == _REGISTER else "Y"][0]] = cell
        else:
            raise CheckFailed(f"the block is more than gates and registers: {label} is a {kind}")

    def _bit(self, bit: int | str, age: int) -> str:
        if not isinstance(bit, int):
            return self._anything(-1, len(self._free)) if bit in {"x", "z"} else f"1'b{bit}"
        at = bit, age
        if at not in self._known:
            if at in self._open:
                raise CheckFailed("the block has a loop without a register")
            self._open.add(at)
            self._known[at] = self._followed(bit, age)
            self._open.discard(at)
        return self._known[at]

    def _followed(self, bit: int, age: int) -> str:
        driver = self._drivers.get(bit)
        if driver is None:
            return self._anything(bit, age)
        if isinstance(driver, Place):
            return self._port(driver.bit, age) if driver.of == PORTS else self._stage(driver, age)
        wires = driver["connections"]
        if driver["type"] == _REGISTER:
            return self._before(bit, wires["D"][0], age)
        parts = {name: self._bit(of[0], age) for name, of in wires.items() if name != "Y"}
        name = f"bit_{bit}_{age}"
        self.lines.append(f"    wire {name} = {_GATES[driver['type']].format(**parts)};")
        return name

    def _before(self, register: int, taken: int | str, age: int) -> str:
        """Give what a register took a clock earlier."""
        if self._oldest is None:
            if register in self._registers:
                return self._anything(register, age)
        elif age + 1 > self._oldest:
            return "1'b0"
        is_new = register not in self._registers
        self._registers.add(register)
        found = self._bit(taken, age + 1)
        if is_new:
            self._registers.discard(register)
        return found

    def _anything(self, bit: int, age: int) -> str:
        return self._free.setdefault((bit, age), f"free_{len(self._free)}")

    def _port(self, bit: int, age: int) -> str:
        if bit not in self._taken:
            return self._anything(-2 - bit, age)
        if age not in self.ages:
            self.ages.append(age)
        return f"model_inp[{self.ages.index(age) * self._n_bits + self._taken[bit]}]"

    def _stage(self, place: Place, age: int) -> str:
        name = f"of_{place.of}_{age}"
        if (place.of, age) not in self._placed:
            self._placed.add((place.of, age))
            inputs = [self._bit(bit, age) for bit in self._stages[place.of]]
            n_out = stage_ports(self._pipeline)[int(place.of.rpartition("stage")[2])][1]
            self.lines.append(f"    wire [{n_out - 1}:0] {name};")
            self.lines.append(f"    {place.of} at_{name} (.model_inp({_joined(inputs)}), .model_out({name}));")
        return f"{name}[{place.bit}]"
