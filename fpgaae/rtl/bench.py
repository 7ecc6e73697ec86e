"""The events of the stage `rtl` and what is compared on them: the Verilog, the traced logic and the VHDL (needs da4ml).

The events are cut into shares, which several processes may simulate side by side. Each share meets a simulation of its
own, opened for it, so that neither results nor counters depend on the number of processes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from da4ml.cmvm.types import CombLogic

from fpgaae.config.experiment import Config
from fpgaae.data.features import FeatureMap
from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.comparison import Comparison, compare_codes
from fpgaae.hls.loaded_thresholds import Loads
from fpgaae.hls.pool import in_order, n_processes
from fpgaae.hls.stimulus import LAYERS, Source, Stimuli
from fpgaae.rtl.design import LOGIC_FILE
from fpgaae.rtl.ghdl import simulate_vhdl
from fpgaae.rtl.loaded_registers import check_loads
from fpgaae.rtl.timing import Timing
from fpgaae.rtl.verilator import RtlSimulation
from fpgaae.rtl.wrappers import Stimulus, drive_wrappers
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.rtl import RegisterLoads, WrapperCheck
from fpgaae.runs.run import StageRun

_VHDL_EVENTS = 20  # of each origin: GHDL takes some ten to a hundred events a second
_WRAPPER_EVENTS = 500  # of each origin
_SHARE_EVENTS = 16_384  # of a share: eight chunks
_EVENTS_A_PROCESS = 50_000  # are compared in the second that another process takes to start

Share = tuple[Source, ...]


@dataclass(frozen=True)
class BenchFiles:
    """All that a process needs to simulate and compare; picklable."""

    config: Config
    features: FeatureMap
    data: Path  # the folders of these stages
    convert: Path
    trace: Path
    library: Path  # of the Verilated project
    project: Path

    @classmethod
    def of_run(cls, run: StageRun, library: Path, project: Path) -> BenchFiles:
        """Take everything but the library and its project from an experiment's results."""
        features = FeatureMap.of(run.result(DataResult))
        data, convert, trace = (run.upstream(stage) for stage in ("data", "convert", "trace"))
        return cls(run.config, features, data, convert, trace, library, project)


@dataclass
class Compared:
    """What was compared so far of the Verilog and of da4ml's interpreter, and what the clocks showed."""

    total: Comparison
    interpreted: Comparison
    timing: Timing

    @classmethod
    def of_outputs(cls, names: Sequence[str]) -> Compared:
        """Start with nothing compared."""
        return cls(Comparison.of_layers(names), Comparison.of_layers(names), Timing())

    def merge(self, other: Compared) -> None:
        """Add a share; they come in the order of their events."""
        self.total.merge(other.total)
        self.interpreted.merge(other.interpreted)
        self.timing.merge(other.timing)


class Bench:
    """The stimulus of a run and its golden network in this process."""

    def __init__(self, files: BenchFiles) -> None:
        self._files = files
        self._trigger = GoldenTrigger.load(files.convert, files.features)
        edges = EdgeEvents.load(files.convert / EDGES_FILE)
        self._stimuli = Stimuli(files.config, files.data, self._trigger, edges.hardware)
        self._logic = CombLogic.load(files.trace / LOGIC_FILE)
        self._plan = [source for source in self._stimuli.sources() if source.origin != LAYERS]

    def check_loads(self, scratch: Path, runtime: Sequence[str]) -> RegisterLoads | None:
        """Load thresholds into the registers around the block, where they are reloadable: see `loaded_registers`."""
        if not self._trigger.accept.reloadable:
            return None
        loads = Loads.of(self._trigger, self._stimuli, self._files.config.seed)
        return check_loads(self._files.project, self._trigger, loads, scratch, runtime)

    @property
    def names(self) -> list[str]:
        """What the block puts out."""
        return self._trigger.names_of_outputs

    @property
    def n_events(self) -> int:
        """How many events the plan holds at most; those that are no hardware integers fall away."""
        return _n_events(self._plan)

    def shares(self) -> list[Share]:
        """Cut the plan into shares, in order: the same ones whoever simulates them."""
        shares: list[list[Source]] = [[]]
        for source in self._plan:
            if shares[-1] and _n_events([*shares[-1], source]) > _SHARE_EVENTS:
                shares.append([])
            shares[-1].append(source)
        return [tuple(share) for share in shares]

    def golden(self, hardware: Codes) -> dict[str, Tensor]:
        """Give the golden codes of what the block puts out, of hardware integers."""
        tensors = self._trigger.run(hardware)
        return {name: tensors[name] for name in self.names}

    def settling_cycles(self, simulation: RtlSimulation) -> int | None:
        """Measure the latency of the data between two events of different score; None if all scores are the same."""
        hardware = self._stimuli.make(self._plan[0]).hardware
        scores = self._trigger.scores(hardware)
        other = int(np.argmax(scores != scores[0]))
        return simulation.settling_cycles(hardware[0], hardware[other]) if other else None

    def compare(self, share: Share) -> Compared:
        """Stream a share through a simulation of its own, and through da4ml's interpreter."""
        result = Compared.of_outputs(self.names)
        parts = [(source, self._stimuli.make(source).hardware) for source in share]
        parts = [(source, hardware) for source, hardware in parts if len(hardware)]
        if not parts:
            return result
        # All at once, since the interpreter reads the logic anew for each call.
        together = np.concatenate([hardware for _, hardware in parts])
        interpreted = self._logic.predict(together.astype(np.float64), n_threads=1).astype(np.int64)
        with RtlSimulation(self._files.library, self._files.project) as simulation:
            for source, hardware in parts:
                golden = self.golden(hardware)
                started = time.perf_counter()
                codes, clocks = simulation.stream(hardware)
                result.timing.seconds += time.perf_counter() - started
                result.timing.add(len(hardware), clocks)
                came = {name: Tensor(tensor.codes[: len(codes)], tensor.fraction) for name, tensor in golden.items()}
                result.total.merge(self._compared(codes, came, source))
                found, interpreted = interpreted[: len(hardware)], interpreted[len(hardware) :]
                result.interpreted.merge(self._compared(found, golden, source))
        return result

    def drive_wrappers(self, simulation: RtlSimulation) -> tuple[WrapperCheck, ...]:
        """Drive the wrappers with the first events of each origin, and all at the edges."""
        hardware = np.concatenate([hardware for _, hardware in self._stimuli.few(_WRAPPER_EVENTS)])
        stimulus = Stimulus(hardware, self._trigger.results(hardware), self._trigger.accept.size)
        return drive_wrappers(simulation, self._files.project, stimulus, self._files.config.seed)

    def simulate_vhdl(self, build: Path) -> Comparison:
        """Compare the VHDL on the first events of each origin, and on all at the edges."""
        parts = list(self._stimuli.few(_VHDL_EVENTS))
        codes = simulate_vhdl(self._files.project, np.concatenate([hardware for _, hardware in parts]), build)
        result = Comparison.of_layers(self.names)
        for source, hardware in parts:
            found, codes = codes[: len(hardware)], codes[len(hardware) :]
            result.merge(self._compared(found, self.golden(hardware), source))
        return result

    def _compared(self, codes: Codes, golden: dict[str, Tensor], source: Source) -> Comparison:
        return compare_codes(self._trigger.of_outputs(codes), golden, source.origin, source.start)


def _n_events(sources: Sequence[Source]) -> int:
    return sum(source.stop - source.start for source in sources)


def processes_for(bench: Bench, wanted: int | Literal["auto"]) -> int:
    """Give how many processes compare: as many as wanted; auto: one a core, where there are events enough for it."""
    found = n_processes(wanted, len(bench.shares()))
    return min(found, max(1, bench.n_events // _EVENTS_A_PROCESS)) if wanted == "auto" else found


def compare_shares(files: BenchFiles, bench: Bench, processes: int) -> Iterator[tuple[int, Compared]]:
    """Compare all shares; gives the events of each, and what was found, in their order."""
    shares = bench.shares()
    here = ((share, bench.compare(share)) for share in shares)
    for share, compared in here if processes == 1 else in_order(_start, files, shares, processes):
        yield _n_events(share), compared


def _start(files: BenchFiles) -> Callable[[Share], Compared]:
    return Bench(files).compare
