"""Each stage of a traced pipeline alone, over the ranges of its inputs, against da4ml's interpreter."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import CheckFailed
from fpgaae.files import load_library
from fpgaae.rtl.design import VERILOG_FOLDER
from fpgaae.runs.results.rtl import StageCheck

Words = NDArray[np.uint32]


@dataclass(frozen=True)
class StageStimulus:
    """What a stage is driven with and must give, `model_inp` and `model_out` in words (n, n_words) of 32 bits."""

    module: str
    inputs: Words
    outputs: Words


def stage_library(build: Path, module: str) -> Path:
    """Give the place of the library of a stage."""
    return build / f"{module}.so"


def check_stage(library: Path, project: Path, stimulus: StageStimulus) -> StageCheck:
    """Drive the compiled stage of a project with its stimulus.

    Raises
    ------
    CheckFailed
        If the folder of the sources, where the tables are, can't be entered.
    """
    n = len(stimulus.inputs)
    if not library.is_file():
        missing = f"{stimulus.module}: the project has no such stage"
        return StageCheck(module=stimulus.module, inputs=n, mismatched_inputs=n, failure=missing)
    run_stage = load_library(library).run_stage
    run_stage.restype = ctypes.c_int
    run_stage.argtypes = (
        ctypes.c_char_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64,
    )  # fmt: skip
    inputs = np.ascontiguousarray(stimulus.inputs)
    found = np.empty_like(stimulus.outputs, order="C")
    folder = (project / VERILOG_FOLDER).absolute()
    widths = inputs.shape[1], found.shape[1]
    done = run_stage(str(folder).encode(), widths[0], inputs.ctypes.data, widths[1], found.ctypes.data, n)
    if done < 0:
        wider = f"{stimulus.module}: its ports have other widths than those that were traced"
        return StageCheck(module=stimulus.module, inputs=n, mismatched_inputs=n, failure=wider)
    if not done:
        raise CheckFailed(f"the simulation can't enter {folder}; correct its permissions")
    differs = found ^ stimulus.outputs
    wrong = np.flatnonzero(differs.any(axis=1))
    failure = None
    if len(wrong):
        bit = next(_bits(differs[wrong[0]]))
        failure = f"{stimulus.module}: bit {bit} of its output is wrong for input {wrong[0]}"
    return StageCheck(module=stimulus.module, inputs=n, mismatched_inputs=len(wrong), failure=failure)


def _bits(words: Words) -> Iterator[int]:
    """Give the places of the ones."""
    yield from np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")).tolist()
