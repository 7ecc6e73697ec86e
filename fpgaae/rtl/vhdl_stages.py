"""Stages of a traced pipeline alone in GHDL: few inputs, which reach as much as the many that Verilog gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import CheckFailed
from fpgaae.rtl.design import VHDL_FOLDER, Design, vhdl_sources
from fpgaae.rtl.ghdl import Ghdl
from fpgaae.rtl.register_check import RegisterStimulus
from fpgaae.rtl.stage_check import StageBits, StageStimulus
from fpgaae.rtl.templates import wrapper_text
from fpgaae.runs.results.rtl import StageCheck

Bits = NDArray[np.uint8]
_ZERO = ord("0")
_WORDS = """library ieee; use ieee.std_logic_1164.all;
package register_words is
    signal given : std_logic_vector({n_given} downto 0);
    signal seen  : std_logic_vector({n_seen} downto 0);
end package register_words;
"""
_STAND_IN = """library ieee; use ieee.std_logic_1164.all;
entity {name} is port (
    model_inp : in std_logic_vector({n_in} downto 0); model_out : out std_logic_vector({n_out} downto 0)
); end entity {name};
architecture rtl of {name} is begin
    model_out <= work.register_words.given({high} downto {low});
    {seen}
end architecture rtl;
"""


def check_vhdl_stages(project: Path, stimuli: Sequence[StageStimulus], build: Path) -> Iterator[StageCheck]:
    """Drive stages of the VHDL with the few inputs of their stimuli, one stage after the other.

    Parameters
    ----------
    build
        A folder for what is in between; `ghdl.log` in it holds what GHDL says.

    Raises
    ------
    ToolMissing
        If there is no GHDL.
    CheckFailed
        If the sources are not VHDL that GHDL takes, or a stage has other ports than those that were traced.
    """
    ghdl, build = Ghdl(project, build), build.absolute()
    build.mkdir(parents=True, exist_ok=True)
    driven = [(own.module, own.few) for own in stimuli if own.few is not None]
    sources = [str(source.absolute()) for source in vhdl_sources(project)]
    benches = [str(_write_bench(module, few, build)) for module, few in driven]
    ghdl.analyse([*sources, *benches])
    for module, few in driven:
        inputs, results = build / f"{module}.inputs", build / f"{module}.results"
        inputs.write_bytes(_lines(few.inputs))
        ghdl.simulate(f"{module}_bench", {"INPUTS": inputs, "RESULTS": results}, f"the VHDL of {module}")
        yield _checked(module, few, results.read_bytes())


def check_vhdl_registers(
    project: Path, ports: Sequence[tuple[int, int]], stimulus: RegisterStimulus, build: Path
) -> StageCheck:
    """Clock the block of the VHDL with words in the place of what its stages give.

    Parameters
    ----------
    ports
        The bits of the inputs and outputs of each stage.

    Raises
    ------
    ToolMissing
        If there is no GHDL.
    CheckFailed
        If the sources are not VHDL that GHDL takes.
    """
    ghdl, build, design = Ghdl(project, build), build.absolute(), Design.load(project)
    build.mkdir(parents=True, exist_ok=True)
    folder, name = project.absolute() / VHDL_FOLDER, design.name
    inputs, results, stages, bench = (build / file for file in ("inputs", "results", "stages.vhd", "bench.vhd"))
    stages.write_text(_stand_ins(name, ports), encoding="ascii")
    values = {
        "PROJECT": name, "INPUT_BITS": design.input_bits, "SCORE_BITS": design.score.width,
        "N_ACCEPT": design.n_thresholds,
    }  # fmt: skip
    bench.write_text(wrapper_text("register_bench.vhd", values), encoding="utf-8")
    bits = stimulus.bits or StageBits(np.zeros((0, 0), np.uint8), np.zeros((0, 0), np.uint8))
    inputs.write_bytes(_lines(bits.inputs))
    sources = [str(stages), *(str(folder / f"{name}_{part}.vhd") for part in ("core", "trigger")), str(bench)]
    ghdl.analyse(sources)
    files = {"INPUTS": inputs, "RESULTS": results}
    ghdl.simulate(f"{name}_register_bench", files, f"the registers of the VHDL of {project}")
    checked = _checked(f"{name}_trigger", bits, results.read_bytes())
    if checked.failure is None:
        return checked
    failure = f"{name}_trigger (VHDL): its registers or ports do not carry what the stages give"
    return replace(checked, failure=failure)


def _stand_ins(name: str, ports: Sequence[tuple[int, int]]) -> str:
    """Write the words that all see, and stages that put them out."""
    n_given, n_seen = sum(n_out for _, n_out in ports), sum(n_in for n_in, _ in ports[1:])
    parts = [_WORDS.format(n_given=n_given - 1, n_seen=n_seen - 1)]
    low_in = low_out = 0
    for stage, (n_in, n_out) in enumerate(ports):
        seen = f"work.register_words.seen({low_in + n_in - 1} downto {low_in}) <= model_inp;" if stage else ""
        parts.append(
            _STAND_IN.format(
                name=f"{name}_core_stage{stage}", n_in=n_in - 1, n_out=n_out - 1, high=low_out + n_out - 1, low=low_out,
                seen=seen,
            )
        )  # fmt: skip
        low_in, low_out = low_in + (n_in if stage else 0), low_out + n_out
    return "".join(parts)


def _write_bench(module: str, few: StageBits, build: Path) -> Path:
    values = {"STAGE": module, "INPUT_BITS": few.inputs.shape[1], "OUTPUT_BITS": few.outputs.shape[1]}
    bench = build / f"{module}_bench.vhd"
    bench.write_text(wrapper_text("stage_bench.vhd", values), encoding="utf-8")
    return bench


def _lines(bits: Bits) -> bytes:
    """Write a line a row, the lowest bit at its end."""
    rows = np.full((len(bits), bits.shape[1] + 1), ord("\n"), dtype=np.uint8)
    rows[:, :-1] = bits[:, ::-1] + _ZERO
    return rows.tobytes()


def _checked(module: str, few: StageBits, results: bytes) -> StageCheck:
    """Compare lines of bits; whatever is neither 0 nor 1 is wrong."""
    n, width = few.outputs.shape
    if len(results) != n * (width + 1):
        raise CheckFailed(f"the VHDL of {module} gave {results.count(10)} results for {n} inputs; report this")
    found = np.frombuffer(results, dtype=np.uint8).reshape(n, width + 1)[:, -2::-1] - _ZERO
    wrong = np.argwhere(found != few.outputs)
    failure = None
    if len(wrong):
        failure = f"{module} (VHDL): bit {wrong[0, 1]} of its output is wrong for input {wrong[0, 0]}"
    return StageCheck(
        module=module, inputs=n, mismatched_inputs=len(np.unique(wrong[:, 0])), failure=failure
    )  # fmt: skip
