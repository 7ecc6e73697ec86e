"""The block with registers in the simulated Verilog: thresholds loaded over AXI4-Lite, set after set, behind a reset.

`NAME_registers.v` is what `export --ip` writes around the traced block, whose own decisions, those with the trained
thresholds, it does not use.
"""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes, FixedPointType
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.loaded_thresholds import Loads
from fpgaae.rtl.design import Design, simulated_sources
from fpgaae.rtl.registers import registers_text, threshold_writes
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.rtl.verilator import ProjectSimulation, as_sums, compile_model, plain_folder
from fpgaae.runs.results.rtl import RegisterLoads

_LIBRARY = "loads.so"
_NO_HASH = "0" * 64  # which decides nothing; a package has that of its network
_PATIENCE = 64  # clocks, beside the latency
_MOST_WORD_BITS = 32


class LoadedRegisters(ProjectSimulation):
    """A compiled block with registers, behind a reset: the trained thresholds are in force."""

    def __init__(self, library: Path, project: Path) -> None:
        self._design = Design.load(project)
        super().__init__(library, project, "loads")
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        self._library.loads_write.restype = self._library.loads_run.restype = number
        self._library.loads_write.argtypes = (pointer, pointer, number, number)
        self._library.loads_run.argtypes = (pointer, pointer, number, number, number, pointer)

    def load(self, thresholds: Sequence[int]) -> None:
        """Put thresholds in force.

        Raises
        ------
        CheckFailed
            If a write is not taken.
        """
        writes = np.array(threshold_writes(thresholds, self._design.score.width), dtype=np.uint32)
        taken = int(self._library.loads_write(self._handle, writes.ctypes.data, len(writes), _PATIENCE))
        if taken != len(writes):
            raise CheckFailed(f"the registers do not take write {taken} of {len(writes)} within {_PATIENCE} clocks")

    def run(self, words: Codes) -> tuple[Codes, Codes]:
        """Send events, (n, n_features) words of the ports; give scores (n,) and decisions (n, n_thresholds).

        Raises
        ------
        CheckFailed
            If fewer or more results came.
        """
        packed = _packed(words, self._design.inputs)
        rows = np.zeros((len(words), 2), dtype=np.int64)
        patience = self._design.latency_cycles + _PATIENCE
        found = int(
            self._library.loads_run(
                self._handle, packed.ctypes.data, len(words), packed.shape[1], patience, rows.ctypes.data
            )
        )
        if found != len(words):
            raise CheckFailed(f"the block with registers gave {found} results for {len(words)} events")
        return rows[:, 0], rows[:, 1:] >> np.arange(self._design.n_thresholds) & 1


def check_loads(
    project: Path, trigger: GoldenTrigger, loads: Loads, scratch: Path, runtime: Sequence[str]
) -> RegisterLoads:  # fmt: skip
    """Simulate the block with its registers, and compare scores and decisions with those of each set of thresholds.

    The first set, the trained one, is what a reset puts in force; the others are loaded.

    Raises
    ------
    CheckFailed
        If the sources are not Verilog that Verilator takes.
    """
    library = compile_loads(project, registers_text(Design.load(project), trigger, _NO_HASH), scratch, runtime)
    return compare_loads(library, project, loads)


def compile_loads(project: Path, registers: str, scratch: Path, runtime: Sequence[str]) -> Path:
    """Verilate the block with the text of its registers, and compile it with its driver; give the library."""
    scratch.mkdir(parents=True)
    name = Design.load(project).name
    with plain_folder(scratch) as folder:
        file = folder / f"{name}_registers.v"
        file.write_text(registers, encoding="utf-8")
        needed = [source for source in simulated_sources(project) if not source.stem.endswith("_axis")]
        sources = [file, *as_sums([Path(shutil.copy(source, folder)) for source in needed], folder)]
        made = compile_model(f"{name}_registers", sources, firmware_rtl("loads_driver.cpp"), folder, runtime=runtime)
        return Path(shutil.copy(made, scratch / _LIBRARY))


def compare_loads(library: Path, project: Path, loads: Loads) -> RegisterLoads:
    """Run the events behind each set, until one differs."""
    failure = None
    wrong = n_sets = 0
    with LoadedRegisters(library, project) as block:
        for codes, accept in zip(loads.sets.tolist(), loads.accept, strict=True):
            try:
                if n_sets:
                    block.load(codes)
                scores, found = block.run(loads.words)
            except CheckFailed as error:
                failure = str(error)
                break
            n_sets += 1
            differs = (scores != loads.scores) | (found != accept).any(axis=1)
            wrong += int(differs.sum())
            if failure is None and wrong:
                event = int(np.flatnonzero(differs)[0])
                failure = (
                    f"with the thresholds {', '.join(f'{code:,}' for code in codes)}, event {event} gives the score "
                    f"{scores[event]} and decisions {found[event].tolist()} instead of {loads.scores[event]} and "
                    f"{accept[event].tolist()}"
                )
    return RegisterLoads(
        passed=failure is None, failure=failure, sets=n_sets, events=len(loads.words), mismatched_events=wrong
    )


def _packed(words: Codes, inputs: Sequence[FixedPointType]) -> NDArray[np.uint32]:
    """Put the words of each event into 32 bits each, the first one lowest, with zeros up to 64 bits."""
    bits = [words[:, place, None] >> np.arange(kind.width) & 1 for place, kind in enumerate(inputs)]
    rows = np.concatenate(bits, axis=1).astype(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % (2 * _MOST_WORD_BITS))))
    return np.ascontiguousarray(np.packbits(rows, axis=1, bitorder="little")).view(np.uint32)
