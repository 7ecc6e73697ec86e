"""Proofs that the stages of a written project compute what was traced, whatever lies in the ranges of their inputs.

Yosys reads a stage of the Verilog, or what GHDL makes of one of the VHDL, and writes it as gates; ABC, which comes with
Yosys, proves that they equal the and-inverter graph that `fpgaae.rtl.logic_graph` makes of da4ml's operations, or gives
an input for which they do not. Both put out zeros where an input leaves its range (needs da4ml).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from da4ml.cmvm.types import CombLogic, Precision, QInterval

from fpgaae.errors import CheckFailed, ToolMissing
from fpgaae.processes import ProgramHangs, run_program
from fpgaae.rtl.design import CELLS, THREE_INPUT_ADDER, VERILOG_FOLDER, VHDL_FOLDER, vhdl_sources
from fpgaae.rtl.ghdl import STANDARD
from fpgaae.rtl.logic_graph import write_stage, write_stages
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.rtl.tools import GHDL, YOSYS, find_tool, require_tool, run_logged
from fpgaae.runs.results.rtl import StageProof

SHARED_MODULES = ("shift_adder", THREE_INPUT_ADDER, "mux", "negative", "multiplier", "lookup_table")
VERILOG, VHDL = "Verilog", "VHDL"
_ABC = ("yosys-abc", "berkeley-abc")
_PROOF_TIMEOUT_S = 300
_ROW_TIMEOUT_S = 60
_CONFLICTS = 10**7  # of the solver, more than it comes to in that time
_READ = "proc; flatten; setundef -undriven -anyseq; memory -nomap; memory_map"
_WRITE = "simplemap; techmap"
_EQUAL, _DIFFERENT = "Networks are equivalent", "Networks are NOT EQUIVALENT"
_OUTPUT, _INPUT = re.compile(r"Output po0*(\d+): "), re.compile(r"pi0*(\d+)(?:@0)?=1")
_TAIL_LINES = 3
ROW = "stages_in_a_row"
_GRAPH = ".aig"
_UNDEFINED = "$undef"
_RANGED = """module ranged(input [{n_in}:0] model_inp, output [{n_out}:0] model_out);
    wire [{n_out}:0] given;
    {module} stage(.model_inp(model_inp), .model_out(given));
    assign model_out = {within} ? given : {{{width}{{1'b0}}}};
endmodule
"""


def abc_program() -> str | None:
    """Give the path of ABC, or None where it or Yosys is missing."""
    return next(filter(None, map(shutil.which, _ABC)), None) if find_tool(YOSYS) else None


def require_abc() -> str:
    """Give the path of ABC.

    Raises
    ------
    ToolMissing
        If it or Yosys is missing.
    """
    require_tool(YOSYS)
    abc = abc_program()
    if abc is None:
        raise ToolMissing(
            f"{_ABC[0]}, which comes with Yosys, is not on the PATH: apt-get install yosys (Debian, Ubuntu)"
        )
    return abc


class BlockProof(NamedTuple):
    """What became of all stages one behind the other.

    Parameters
    ----------
    bits
        The input of the first stage for which they differ, as a number; None where none was found.
    """

    equal: bool
    bits: int | None


class Ends(NamedTuple):
    """The ranges at the ends of a row of stages."""

    inp_qint: Sequence[QInterval]
    out_qint: Sequence[QInterval]


class StageProver:
    """Proves the stages of written projects of one pipeline.

    Parameters
    ----------
    stages
        What was traced, by module.
    abc
        The path of ABC.
    build
        A folder for the graphs of what was traced.
    """

    def __init__(self, stages: Mapping[str, CombLogic], abc: str, build: Path) -> None:
        self.stages = stages
        self._abc = abc
        self._build = build.absolute()
        self._build.mkdir(parents=True, exist_ok=True)

    def prove(self, project: Path, language: str, build: Path, modules: Iterable[str]) -> Iterator[StageProof]:
        """Prove stages of a project, as many at once as there are cores.

        Parameters
        ----------
        language
            `VERILOG`, or `VHDL`, which takes GHDL.
        build
            A folder for what is in between; `<module>.log` in it holds what the programs say.
        """
        build = build.absolute()
        build.mkdir(parents=True, exist_ok=True)
        wanted = list(modules)
        for module in wanted:
            if not self._traced(module, language).exists():
                joins_sums = language == VERILOG  # the VHDL has adders of two values alone
                write_stage(self.stages[module], self._traced(module, language), joins_sums=joins_sums)
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            yield from pool.map(lambda module: self._proof(project.absolute(), language, build, module), wanted)
        finally:  # whoever asks for no more of them waits for none that is not begun
            pool.shutdown(cancel_futures=True)

    def prove_block(self, project: Path, build: Path) -> BlockProof:
        """Prove all stages of the Verilog one behind the other, without the registers between them."""
        build = build.absolute()
        build.mkdir(parents=True, exist_ok=True)
        traced = self._build / "block.aig"
        write_stages(list(self.stages.values()), traced, joins_sums=True)
        own = self._row(project, list(self.stages), build)
        try:
            return self._decided(traced, own, build)
        except (CheckFailed, ProgramHangs):
            return BlockProof(False, None)

    def compare_rows(self, project: Path, other: Path, modules: Sequence[str], build: Path) -> BlockProof:
        """Compare stages in a row of two projects, whatever is in the ranges of the first: most gates are the same.

        Parameters
        ----------
        modules
            The stages, one behind the other; `bits` are those of the first.
        """
        own, sound = (self._row(of, modules, build / name) for of, name in ((project, "own"), (other, "sound")))
        try:
            return self._decided(sound.gates(), own, build, _ROW_TIMEOUT_S)
        except (CheckFailed, ProgramHangs):
            return BlockProof(False, None)

    def compare_written(
        self, project: Path, own: str, sound: str, ends: Ends, build: Path, *, proves: bool = True
    ) -> BlockProof:  # fmt: skip
        """Compare two modules called `ROW` that are made of the stages of one project, or only search a difference."""
        both = []
        for name, text in (("sound", sound), ("own", own)):
            folder = build.absolute() / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{ROW}.v").write_text(text, encoding="ascii")
            both.append(_Written(project.absolute(), VERILOG, ROW, ends, folder, tuple(self.stages)))
        try:
            if proves:
                return self._decided(both[0].gates(), both[1], build)
            of = both[0].gates(), both[1], both[1].gates()
            return BlockProof(False, self._input_that_differs(*of, build, _ROW_TIMEOUT_S))
        except (CheckFailed, ProgramHangs):
            return BlockProof(False, None)

    def _row(self, project: Path, modules: Sequence[str], build: Path) -> _Written:
        build = build.absolute()
        build.mkdir(parents=True, exist_ok=True)
        stages = {module: self.stages[module] for module in modules}
        ends = Ends(stages[modules[0]].inp_qint, stages[modules[-1]].out_qint)
        (build / f"{ROW}.v").write_text(_chained(stages), encoding="ascii")
        return _Written(project.absolute(), VERILOG, ROW, ends, build, tuple(stages))

    def _decided(self, traced: Path, own: _Written, build: Path, limit_s: int = _PROOF_TIMEOUT_S) -> BlockProof:
        """Compare a row of stages with what it should be."""
        said, gates = self._compare(traced, own.gates(), build, limit_s)
        own.log_output(said)
        if _DIFFERENT not in said:
            return BlockProof(_EQUAL in said, None)
        bits = self._input_that_differs(traced, own, gates, build, limit_s)
        return BlockProof(False, _bits_of(said) if bits is None else bits)

    def _input_that_differs(self, traced: Path, own: _Written, gates: Path, build: Path, limit_s: int) -> int | None:
        """Search all bits of an input; a comparison gives those alone that one output of one graph reads."""
        both, found = " ".join(f'"{file.with_suffix(_GRAPH)}"' for file in (traced, gates)), build / "differs.txt"
        found.unlink(missing_ok=True)
        command = [
            self._abc,
            "-c",
            f'{self._as_graph(traced)}{self._as_graph(gates)}miter {both}; strash; iprove; write_cex -n "{found}"',
        ]
        try:
            own.log_output(run_program(command, "ABC", folder=build, limit_s=limit_s).stdout)
        except ProgramHangs:
            return None
        return _bits_of(found.read_text(encoding="utf-8")) if found.is_file() else None

    def _as_graph(self, gates: Path) -> str:
        """Give the command by which ABC writes gates as a graph."""
        graph = gates.with_suffix(_GRAPH)
        return "" if graph == gates else f'read_blif "{gates}"; strash; write_aiger "{graph}"; '

    def _compare(
        self, traced: Path, gates: Path, build: Path, limit_s: int = _PROOF_TIMEOUT_S
    ) -> tuple[str, Path]:  # fmt: skip
        """Let ABC compare two graphs; where something is undefined in the second, it may be 0 as well as 1.

        Returns
        -------
        What it says, and of which of the two second graphs.
        """
        done = self._compare_once(traced, gates, build, limit_s)
        text = gates.read_text(encoding="utf-8")
        if _EQUAL in done and text.count(_UNDEFINED) > 1:
            ones = gates.with_name(f"{gates.stem}_ones.blif")  # ABC reads what is undefined as 0
            ones.write_text(text.replace(_UNDEFINED, f"{_UNDEFINED}\n1", 1), encoding="utf-8")
            return self._compare_once(traced, ones, build, limit_s), ones
        return done, gates

    def _compare_once(self, traced: Path, gates: Path, build: Path, limit_s: int) -> str:
        """Let ABC compare two graphs: by its newer engine, which is ten times as fast, then by one that says where."""
        graphs = [file.with_suffix(_GRAPH) for file in (traced, gates)]
        written = self._as_graph(traced) + self._as_graph(gates)
        command = f'{written}&cec -y -T {limit_s} "{graphs[0]}" "{graphs[1]}"'
        done = run_program([self._abc, "-c", command], "ABC", folder=build, limit_s=2 * limit_s).stdout
        if _EQUAL in done:
            return done
        command = f'cec -n -T {limit_s} -C {_CONFLICTS} "{traced}" "{gates}"'
        return run_program([self._abc, "-c", command], "ABC", folder=build, limit_s=2 * limit_s).stdout

    def concerned(self, file: str) -> list[str]:
        """Give the modules of the stages that hold a source file: itself, or all where stages have it in common."""
        name = Path(file).stem
        return [name] if name in self.stages else list(self.stages) if name in SHARED_MODULES else []

    def _traced(self, module: str, language: str) -> Path:
        return self._build / f"{module}_{language}{_GRAPH}"

    def _proof(self, project: Path, language: str, build: Path, module: str) -> StageProof:
        own = _Written(project, language, module, self.stages[module], build)
        try:
            gates = own.gates()
        except CheckFailed as error:
            return StageProof(module=module, proven=False, failure=f"{own.name} can't be read: {_last_line(error)}")
        try:
            done, _ = self._compare(self._traced(module, language), gates, build)
        except ProgramHangs:
            return StageProof(module=module, proven=False, failure=f"{own.name}: ABC does not end")
        own.log_output(done)
        if _EQUAL in done:
            return StageProof(module=module, proven=True, failure=None)
        return StageProof(module=module, proven=False, failure=f"{own.name}: {_difference(done)}")


def _bits_of(said: str) -> int:
    """Read the input that ABC gives as a number."""
    return sum(1 << int(bit) for bit in _INPUT.findall(said))


def _difference(said: str) -> str:
    """Give what ABC says of two graphs that it does not find equal."""
    if _DIFFERENT not in said:
        last = " ".join(said.split("\n")[-_TAIL_LINES:]).strip()
        return f"ABC finds neither a proof nor a difference ({last})"
    output = _OUTPUT.search(said)
    code = _bits_of(said)
    place = f"bit {output[1]} of its output" if output else "its output"
    return f"{place} is not what was traced for model_inp = {code:#x}"


@dataclass(frozen=True)
class _Written:
    """A stage of a written project."""

    project: Path
    language: str
    module: str
    logic: CombLogic | Ends
    build: Path
    chained: tuple[str, ...] = ()  # the stages that it is made of, if it is no stage itself

    @property
    def name(self) -> str:
        """What it is called in sentences."""
        return self.module if self.language == VERILOG else f"{self.module} (VHDL)"

    @property
    def log(self) -> Path:
        """What the programs say."""
        return self.build / f"{self.module}.log"

    def log_output(self, text: str) -> None:
        """Add to the log."""
        with self.log.open("a", encoding="utf-8") as stream:
            stream.write(text)

    def gates(self) -> Path:
        """Let Yosys write it as gates.

        Raises
        ------
        CheckFailed
            If it can't be read.
        """
        ranged, gates = self.build / f"{self.module}_ranged.v", self.build / f"{self.module}_written.blif"
        ranged.write_text(_ranged(self.module, self.logic), encoding="ascii")
        reading = self._read_verilog() if self.language == VERILOG else f'read_verilog "{self._from_vhdl()}"'
        script = [
            reading, f'read_verilog "{ranged}"', "hierarchy -check -top ranged", _READ,
            f'techmap -map "{firmware_rtl("ripple_adders.v")}"', _WRITE, f'write_blif "{gates}"',
        ]  # fmt: skip
        # The tables are read from the folder that it runs in.
        folder = self.project / (VERILOG_FOLDER if self.language == VERILOG else VHDL_FOLDER)
        yosys = str(find_tool(YOSYS))
        run_logged([yosys, "-q", "-p", "; ".join(script)], folder, self.log, f"reading {self.name}")
        return gates

    def _read_verilog(self) -> str:
        folder = self.project / VERILOG_FOLDER
        files = [folder / f"{name}.v" for name in (*SHARED_MODULES, *(self.chained or (self.module,)))]
        files += [firmware_rtl(CELLS), *([self.build / f"{self.module}.v"] if self.chained else [])]
        return "read_verilog -defer " + " ".join(f'"{file}"' for file in files if file.is_file())

    def _from_vhdl(self) -> Path:
        """Let GHDL write it in Verilog."""
        folder, ghdl = self.project / VHDL_FOLDER, str(find_tool(GHDL))
        names = {*SHARED_MODULES, self.module}
        sources = [str(source.absolute()) for source in vhdl_sources(self.project) if source.stem in names]
        library = self.build / f"{self.module}_ghdl"
        library.mkdir(exist_ok=True)
        options = (STANDARD, f"--workdir={library}")
        run_logged([ghdl, "-a", *options, *sources], folder, self.log, f"analysing {self.name}")
        command = [ghdl, "synth", *options, "--out=verilog", self.module]
        done = run_program(command, f"writing {self.name} in Verilog", folder=folder)
        self.log_output(done.stderr)
        if done.returncode:
            raise CheckFailed(f"GHDL does not write {self.module} in Verilog: {done.stderr[-200:]}")
        target = library / f"{self.module}.v"
        target.write_text(done.stdout, encoding="utf-8")
        return target


def _last_line(error: CheckFailed) -> str:
    return str(error).strip().splitlines()[-1]


def _ranged(module: str, logic: CombLogic | Ends) -> str:
    """Write a module around a stage that puts out zeros where an input leaves its range."""
    n_in, n_out = (max(sum(sum(Precision.from_qint(own)) for own in of), 1) for of in (logic.inp_qint, logic.out_qint))
    within = " && ".join(_ranges(logic)) or "1'b1"
    return _RANGED.format(module=module, n_in=n_in - 1, n_out=n_out - 1, within=f"({within})", width=n_out)


def _chained(stages: Mapping[str, CombLogic]) -> str:
    """Write a module of stages one behind the other."""
    lines, given = [], "model_inp"
    for module, logic in stages.items():
        width = max(sum(sum(Precision.from_qint(own)) for own in logic.out_qint), 1)
        lines.append(f"    wire [{width - 1}:0] of_{module};")
        lines.append(f"    {module} {module}_here (.model_inp({given}), .model_out(of_{module}));")
        given = f"of_{module}"
    first, last = next(iter(stages.values())), list(stages.values())[-1]
    n_in, n_out = (max(sum(sum(Precision.from_qint(own)) for own in of), 1) for of in (first.inp_qint, last.out_qint))
    head = f"module {ROW}(input [{n_in - 1}:0] model_inp, output [{n_out - 1}:0] model_out);"
    return "\n".join([head, *lines, f"    assign model_out = {given};", "endmodule", ""])


def _ranges(logic: CombLogic | Ends) -> Iterator[str]:
    """Give a condition for each end of a range that its bits could go beyond."""
    low = 0
    for interval in logic.inp_qint:
        is_signed, width = Precision.from_qint(interval)[0], sum(Precision.from_qint(interval))
        if not width:
            continue
        smallest, largest = (round(end / interval.step) for end in interval[:2])
        port = f"model_inp[{low}+:{width}]"
        code = f"$signed({port})" if is_signed else f"$signed({{1'b0, {port}}})"
        if smallest > (-(2 ** (width - 1)) if is_signed else 0):
            yield f"{code} >= {_constant(smallest, width)}"
        if largest < 2 ** (width - is_signed) - 1:
            yield f"{code} <= {_constant(largest, width)}"
        low += width


def _constant(code: int, width: int) -> str:
    return f"{'-' * (code < 0)}{width + 2}'sd{abs(code)}"
