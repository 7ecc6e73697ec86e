"""Proofs that a damaged stage computes what the sound one does, whatever lies in the ranges of its inputs.

Yosys writes both stages, side by side behind the same inputs, as an and-inverter graph that says 1 where they differ;
ABC, which comes with Yosys, merges what is equal within and proves that it never does. VHDL is read by GHDL first.
What is proven holds for the stage alone, so for every event; nothing is said where it does not hold (needs da4ml).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from da4ml.cmvm.types import CombLogic, Precision

from fpgaae.errors import CheckFailed
from fpgaae.rtl.design import VERILOG_FOLDER, VHDL_FOLDER, vhdl_sources
from fpgaae.rtl.ghdl import STANDARD
from fpgaae.rtl.tools import GHDL, YOSYS, find_tool, run_logged

_ABC = ("yosys-abc", "berkeley-abc")
_PROOF_TIMEOUT_S = 120
_PROVEN = "UNSATISFIABLE"
_NAMES = ("sound", "damaged")
_SHARED = ("shift_adder", "mux", "negative", "multiplier", "lookup_table")
_READ = "proc; flatten; setundef -undriven -anyseq; opt_clean; memory -nomap; memory_map; opt_clean"
_MERGE = "proc; flatten; opt_clean" + 2 * "; opt_expr; opt_merge; opt_clean"  # what is not damaged is there once
_WRITE = "techmap; opt_clean; aigmap; opt_clean"
_COMMENTS = re.compile(r"/\*.*?\*/", re.DOTALL)
_MITER = """module differ(input [{n_in}:0] model_inp, output differs);
    wire [{n_out}:0] sound_out, damaged_out;
    sound sound_stage(.model_inp(model_inp), .model_out(sound_out));
    damaged damaged_stage(.model_inp(model_inp), .model_out(damaged_out));
    assign differs = (sound_out != damaged_out){within};
endmodule
"""


def proof_of_equality(
    sound: Path, damaged: Path, file: str, stages: Mapping[str, CombLogic], build: Path
) -> str | None:  # fmt: skip
    """Try to prove that a damaged project computes the same as the sound one; give the proof in a sentence, or None.

    Parameters
    ----------
    file
        The source that is damaged: a stage, or a module that stages have in common.
    stages
        The stages by their modules.
    build
        A folder for what is in between; `proof.log` in it holds what the programs say.
    """
    module, is_vhdl = Path(file).stem, file.endswith(".vhd")
    concerned = [module] if module in stages else list(stages) if module in _SHARED else []
    abc = next(filter(None, map(shutil.which, _ABC)), None)
    if not concerned or abc is None or find_tool(YOSYS) is None or (is_vhdl and find_tool(GHDL) is None):
        return None
    build.mkdir(parents=True, exist_ok=True)
    pair = _Pair(sound.absolute(), damaged.absolute(), is_vhdl, build.absolute(), abc)
    try:
        if not all(pair.is_equal(own, stages[own]) for own in concerned):
            return None
    except CheckFailed:  # the log says why; no proof is no verdict
        return None
    what = f"{module} gives" if module in stages else f"each of the {len(stages)} stages gives"
    return f"Yosys and ABC prove that {what} the same for all inputs in its ranges"


@dataclass(frozen=True)
class _Pair:
    """A sound and a damaged project, and what compares them."""

    sound: Path
    damaged: Path
    is_vhdl: bool
    build: Path
    abc: str

    @property
    def log(self) -> Path:
        """What the programs say."""
        return self.build / "proof.log"

    def is_equal(self, module: str, logic: CombLogic) -> bool:
        """Tell whether a stage is proven to be equal."""
        projects = self.sound, self.damaged
        if self.is_vhdl:
            files = [_from_vhdl(own, module, self.build / f"{module}_{i}", self.log) for i, own in enumerate(projects)]
            if len({_COMMENTS.sub("", file.read_text(encoding="utf-8")) for file in files}) == 1:
                return True
            readings = [f"read_verilog {file}" for file in files]
        else:
            readings = [_read_verilog(own, module) for own in projects]
        return self._never_differs(self._graph(module, readings, logic))

    def _graph(self, module: str, readings: list[str], logic: CombLogic) -> Path:
        """Write the graph that says where the stages differ."""
        miter, graph = self.build / f"{module}.v", self.build / f"{module}.aig"
        miter.write_text(_miter(logic), encoding="ascii")
        script = ["design -reset"]
        for name, reading in zip(_NAMES, readings, strict=True):
            script += [reading, f"hierarchy -top {module}", _READ, f"rename {module} {name}", f"design -stash {name}"]
        script += [
            *(f"design -copy-from {name} -as {name} {name}" for name in _NAMES),
            f"read_verilog {miter}", "hierarchy -top differ", _MERGE, _WRITE, f"write_aiger {graph}",
        ]  # fmt: skip
        # The tables are read from the folder that it runs in.
        folder = self.sound / (VHDL_FOLDER if self.is_vhdl else VERILOG_FOLDER)
        run_logged([str(find_tool(YOSYS)), "-q", "-p", "; ".join(script)], folder, self.log, f"reading {module}")
        return graph

    def _never_differs(self, graph: Path) -> bool:
        command = [self.abc, "-c", f"read {graph}; strash; fraig; iprove"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False, timeout=_PROOF_TIMEOUT_S,
                cwd=self.build,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return False
        with self.log.open("a", encoding="utf-8") as stream:
            stream.write(done.stdout)
        return not done.returncode and any(line.startswith(_PROVEN) for line in done.stdout.splitlines())


def _read_verilog(project: Path, module: str) -> str:
    folder = project / VERILOG_FOLDER
    shared = " ".join(str(folder / f"{name}.v") for name in _SHARED if (folder / f"{name}.v").is_file())
    return f"read_verilog -defer {shared} {folder / f'{module}.v'}"


def _from_vhdl(project: Path, module: str, library: Path, log: Path) -> Path:
    """Let GHDL write a stage in Verilog."""
    folder, ghdl = project / VHDL_FOLDER, str(find_tool(GHDL))
    sources = [str(source.absolute()) for source in vhdl_sources(project) if source.stem in {*_SHARED, module}]
    library.mkdir(exist_ok=True)
    options = (STANDARD, f"--workdir={library}")
    run_logged([ghdl, "-a", *options, *sources], folder, log, f"analysing {module}")
    command = [ghdl, "synth", *options, "--out=verilog", module]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise CheckFailed(f"GHDL does not write {module} in Verilog: {done.stderr[-200:]}")
    target = library / f"{module}.v"
    target.write_text(done.stdout, encoding="utf-8")
    return target


def _miter(logic: CombLogic) -> str:
    """Write the module that says where two stages differ, within the ranges of the inputs."""
    n_in, n_out = (max(sum(sum(Precision.from_qint(own)) for own in of), 1) for of in (logic.inp_qint, logic.out_qint))
    within = "".join(f" && {condition}" for condition in _ranges(logic))
    return _MITER.format(n_in=n_in - 1, n_out=n_out - 1, within=within)


def _ranges(logic: CombLogic) -> Iterator[str]:
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
