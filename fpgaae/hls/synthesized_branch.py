"""The branch of a written project that is synthesized, compiled without taps and compared with the golden codes.

The C simulation sees another branch of the sources: taps, and weights as tables that compile fast. What only a
synthesizer would see is compiled here once more, as fast as a compiler goes, and runs a few events of every origin.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.features import FeatureMap
from fpgaae.doctor import require_compiler
from fpgaae.errors import CheckFailed
from fpgaae.files import load_library
from fpgaae.fixedpoint import Codes, Tensor, values_of
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.csim_library import INCLUDES, LATE_COLLECTION, TAIL_LINES, probe, run_compiler
from fpgaae.hls.project import CSIM_MACRO, SYNTHESIS_DRIVER, WeightPort, port_codes
from fpgaae.hls.stimulus import Source, Stimuli
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.csim import SynthesizedBranch
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import StageRun

EVENTS_AN_ORIGIN = 100
_LOG = "compile_synthesized.log"
# An array of objects is a clean-up for every element where exceptions may fly: most of the time of the compiler.
_FLAGS = ("-O0", "-fno-exceptions", "-std=c++17", "-fPIC", "-fno-gnu-unique", "-w", LATE_COLLECTION)
_PLAIN = re.compile(r"^(?P<type>\w+) (?P<name>\w+)\[(?P<size>\w+)\] = \{", re.MULTILINE)
_TABLE = re.compile(r"^csim::Table<(?P<type>\w+), (?P<size>\w+)> (?P<name>\w+) = \{", re.MULTILINE)


def compile_synthesized(project: Path, project_name: str, build: Path, *, optimized: bool = False) -> Path:
    """Compile the branch that is synthesized, with its driver, into a shared library in `build`.

    Parameters
    ----------
    optimized
        So that sources which compute the same are more often compiled to the same code.

    Raises
    ------
    ToolMissing
        If there is no g++.
    CheckFailed
        If the driver is missing, or the branch does not compile.
    """
    if not (project / SYNTHESIS_DRIVER).is_file():
        raise CheckFailed(f"{project / SYNTHESIS_DRIVER} is missing; run the stage `convert` with --force")
    build = build.absolute()
    library = build / f"{project_name}_synthesized.so"
    flags = (*_FLAGS, "-O1") if optimized else _FLAGS  # the last one counts
    command = [str(require_compiler()), *flags, *INCLUDES, "-shared", SYNTHESIS_DRIVER, "-o", str(library)]
    code, output = run_compiler(command, project)
    (build / _LOG).write_text(output, encoding="utf-8")
    if code:
        lines = output.splitlines()
        # What a compiler says last are pages of candidates.
        first = next((i for i, line in enumerate(lines) if "error:" in line), 0)
        said = "\n".join(lines[first : first + TAIL_LINES])
        raise CheckFailed(
            f"the branch of {project} that is synthesized (without {CSIM_MACRO}) does not compile; correct its "
            f"sources{_suspects(project)}. The compiler's first error:\n{said}"
        )
    return library


class SynthesizedLibrary:
    """The compiled branch in this process."""

    def __init__(self, library: Path) -> None:
        self._library = load_library(library)
        self._library.synthesis_load_weights.restype = self._library.synthesis_results.restype = ctypes.c_int64
        self._library.synthesis_decisions.restype = ctypes.c_int64
        self._library.synthesis_load_weights.argtypes = (ctypes.c_void_p,)
        self._library.synthesis_run.restype = self._library.synthesis_decide.restype = None
        self._library.synthesis_decide.argtypes = (
            ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p,
        )  # fmt: skip
        self._library.synthesis_run.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)

    def load_weights(self, codes: Codes) -> None:
        """Load the weights that are ports, the codes of all ports one behind the other."""
        self._library.synthesis_load_weights(np.ascontiguousarray(codes, dtype=np.int64).ctypes.data)

    def load_thresholds(self, codes: Codes) -> None:
        """Load the thresholds that are a port, (n_thresholds,) codes of the score."""
        self._library.synthesis_load_thresholds.restype = ctypes.c_int64
        self._library.synthesis_load_thresholds.argtypes = (ctypes.c_void_p,)
        self._library.synthesis_load_thresholds(np.ascontiguousarray(codes, dtype=np.int64).ctypes.data)

    def load_trained(self, trigger: GoldenTrigger, ports: Sequence[WeightPort]) -> None:
        """Load the weights and thresholds of a network that are ports."""
        self.load_weights(port_codes(ports, trigger.network))
        if trigger.accept.reloadable:
            self.load_thresholds(trigger.thresholds)

    def run(self, hardware: Codes) -> NDArray[np.float64]:
        """Give the score's value, the decisions and the values of the latents of hardware integers, an event a row."""
        hardware = np.ascontiguousarray(hardware, dtype=np.int64)
        results = np.empty((len(hardware), int(self._library.synthesis_results())), dtype=np.float64)
        self._library.synthesis_run(hardware.ctypes.data, len(hardware), results.ctypes.data)
        return results

    def decide(self, scores: Codes, cells: Codes) -> NDArray[np.float64]:
        """Give the score's value and the decisions (n, 1 + n_thresholds) of codes in cells, (n, 1) each."""
        given = [np.ascontiguousarray(codes, dtype=np.int64) for codes in (scores, cells)]
        results = np.empty((len(scores), int(self._library.synthesis_decisions())), dtype=np.float64)
        self._library.synthesis_decide(*(codes.ctypes.data for codes in given), len(scores), results.ctypes.data)
        return results


def compare_synthesized(run: StageRun, library: Path, project: Path) -> SynthesizedBranch:
    """Run the first events of every origin as hardware integers, and all at the edges, and compare the golden codes.

    The decision alone is given codes of the score at every threshold and on both sides of it, too.

    Raises
    ------
    CheckFailed
        If the compiled branch crashes.
    """
    probe(library, "synthesis_probe")
    trigger = GoldenTrigger.load(run.upstream("convert"), FeatureMap.of(run.result(DataResult)))
    opened = SynthesizedLibrary(library)
    ports = tuple(WeightPort.of(port) for port in run.result(ConvertResult).weight_ports)
    opened.load_trained(trigger, ports)
    edges = EdgeEvents.load(run.upstream("convert") / EDGES_FILE)
    stimuli = Stimuli(run.config, run.upstream("data"), trigger, edges.hardware)
    events = wrong_events = 0
    first = None
    for source, hardware in branch_events(stimuli):
        expected = golden_values(trigger, hardware)
        wrong = opened.run(hardware) != expected if len(hardware) else np.zeros((0, 1), dtype=bool)
        events += len(hardware)
        wrong_events += int(wrong.any(axis=1).sum())
        if first is None and wrong.any():
            event, column = (int(i) for i in np.argwhere(wrong)[0])
            event += source.start
            first = f"{output_name(column, trigger.accept.size)} of {source.origin} event {event}{_suspects(project)}"
    scores, cells, decided = golden_decisions(trigger)
    wrong = opened.decide(scores, cells) != decided
    events += len(scores)
    wrong_events += int(wrong.any(axis=1).sum())
    if first is None and wrong.any():
        event, column = (int(i) for i in np.argwhere(wrong)[0])
        first = f"{output_name(column, trigger.accept.size)} of {score_name(scores, cells, event)}{_suspects(project)}"
    passed = events > 0 and not wrong_events
    return SynthesizedBranch(passed=passed, events=events, mismatched_events=wrong_events, first_mismatch=first)


def branch_events(stimuli: Stimuli) -> Iterator[tuple[Source, Codes]]:
    """Give the origins and the first of their hardware integers, all at the edges."""
    return stimuli.few(EVENTS_AN_ORIGIN)


def golden_values(trigger: GoldenTrigger, hardware: Codes) -> NDArray[np.float64]:
    """Give the golden score, decisions and latents of hardware integers as the driver does: values, which are exact."""
    tensors, network = trigger.run(hardware), trigger.network
    put_out = [tensors[layer.name] for layer in (network.score, trigger.accept, *network.ports)]
    return np.concatenate([values_of(tensor.codes, tensor.fraction) for tensor in put_out], axis=1)


def golden_decisions(trigger: GoldenTrigger) -> tuple[Codes, Codes, NDArray[np.float64]]:
    """Give codes of the score at all thresholds and beside them, their cells, and the golden score and decisions.

    Returns
    -------
    Shapes (n, 1), (n, 1) and (n, 1 + n_thresholds); the last holds values. Cells are 0 where thresholds follow nothing.
    """
    accept, network = trigger.accept, trigger.network
    scores = accept.corners(network.score)[0]
    cells = np.zeros_like(scores) if network.cell is None else accept.corners(network.cell)[0]
    there = ((scores >= accept.threshold_type.min_code) & (scores <= accept.threshold_type.max_code))[:, 0]
    scores, cells = scores[there], cells[there]
    given = [Tensor(scores, network.score.type.fraction), Tensor(cells, 0)]
    decisions = accept.run(given[: len(accept.inputs)]).codes
    return scores, cells, np.concatenate([values_of(scores, given[0].fraction), decisions], axis=1)


def score_name(scores: Codes, cells: Codes, event: int) -> str:
    """Name a code that was given to the decision alone."""
    return f"the score's code {int(scores[event, 0]):,} in cell {int(cells[event, 0])}, given to the decision alone"


def output_name(column: int, n_thresholds: int) -> str:
    """Say what stands in a column of the values."""
    if column == 0:
        return "the score"
    return f"decision {column - 1}" if column <= n_thresholds else f"latent {column - 1 - n_thresholds}"


def _suspects(project: Path) -> str:
    """Name the headers of weights that declare another array for synthesis than for the C simulation."""
    names = ", ".join(str(file.relative_to(project)) for file in _unequal_headers(project))
    return f"; {names} declares another array for synthesis than for the C simulation" if names else ""


def _unequal_headers(project: Path) -> Iterator[Path]:
    for header in sorted((project / "firmware" / "weights").glob("*.h")):
        text = header.read_text(encoding="utf-8")
        plain, table = ({m.group("type", "name", "size") for m in array.finditer(text)} for array in (_PLAIN, _TABLE))
        if plain != table:
            yield header
