"""The registers and ports of the VHDL in GHDL, with words in the place of what the stages give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import CheckFailed
from fpgaae.rtl.design import VHDL_FOLDER, Design
from fpgaae.rtl.ghdl import Ghdl
from fpgaae.rtl.register_check import RegisterStimulus
from fpgaae.rtl.templates import port_values, wrapper_text
from fpgaae.runs.results.rtl import RegisterCheck

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


def check_vhdl_registers(
    project: Path, ports: Sequence[tuple[int, int]], stimulus: RegisterStimulus, build: Path
) -> RegisterCheck:
    """Clock the block of the VHDL with the first words of the stimulus in the place of what its stages give.

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
    bench.write_text(wrapper_text("register_bench.vhd", port_values(design)), encoding="utf-8")
    first = stimulus.first()
    inputs.write_bytes(_lines(first.given))
    sources = [str(stages), *(str(folder / f"{name}_{part}.vhd") for part in ("core", "trigger")), str(bench)]
    ghdl.analyse(sources)
    files = {"INPUTS": inputs, "RESULTS": results}
    ghdl.simulate(f"{name}_register_bench", files, f"the registers of the VHDL of {project}")
    return _checked(f"{name}_trigger", first.seen, results.read_bytes())


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


def _lines(bits: Bits) -> bytes:
    """Write a line a row, the lowest bit at its end."""
    rows = np.full((len(bits), bits.shape[1] + 1), ord("\n"), dtype=np.uint8)
    rows[:, :-1] = bits[:, ::-1] + _ZERO
    return rows.tobytes()


def _checked(module: str, expected: Bits, results: bytes) -> RegisterCheck:
    """Compare lines of bits; whatever is neither 0 nor 1 is wrong."""
    n, width = expected.shape
    if len(results) != n * (width + 1):
        raise CheckFailed(f"the VHDL of {module} gave {results.count(10)} results for {n} inputs; report this")
    found = np.frombuffer(results, dtype=np.uint8).reshape(n, width + 1)[:, -2::-1] - _ZERO
    wrong = int((found != expected).any(axis=1).sum())
    failure = f"{module} (VHDL): its registers or ports do not carry what the stages give" if wrong else None
    return RegisterCheck(module=module, inputs=n, mismatched_inputs=wrong, failure=failure)
