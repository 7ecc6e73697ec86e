"""Stages of a traced pipeline alone in GHDL: few inputs, which reach as much as the many that Verilog gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import CheckFailed
from fpgaae.rtl.design import VHDL_FOLDER, vhdl_sources
from fpgaae.rtl.ghdl import STANDARD, WITHOUT_METAVALUE_WARNINGS
from fpgaae.rtl.stage_check import StageBits, StageStimulus
from fpgaae.rtl.templates import wrapper_text
from fpgaae.rtl.tools import GHDL, require_tool, run_logged
from fpgaae.runs.results.rtl import StageCheck

Bits = NDArray[np.uint8]
_ZERO = ord("0")


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
    ghdl, build = require_tool(GHDL), build.absolute()
    build.mkdir(parents=True, exist_ok=True)
    folder, log = project / VHDL_FOLDER, build / "ghdl.log"  # the tables are read from the folder that it runs in
    driven = [(own.module, own.few) for own in stimuli if own.few is not None]
    sources = [str(source.absolute()) for source in vhdl_sources(project)]
    benches = [str(_write_bench(module, few, build)) for module, few in driven]
    options = (STANDARD, f"--workdir={build}")
    run_logged([ghdl, "-a", *options, *sources, *benches], folder, log, f"analysing the VHDL of {project}")
    for module, few in driven:
        inputs, results = build / f"{module}.inputs", build / f"{module}.results"
        inputs.write_bytes(_lines(few.inputs))
        command = [
            ghdl, "--elab-run", *options, f"{module}_bench", f"-gINPUTS={inputs}", f"-gRESULTS={results}",
            WITHOUT_METAVALUE_WARNINGS,
        ]  # fmt: skip
        run_logged(command, folder, log, f"simulating the VHDL of {module}")
        yield _checked(module, few, results.read_bytes())


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
