"""A compiled netlist behind the harness against the golden codes of what it puts out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.comparison import Comparison, compare_codes
from fpgaae.hls.stimulus import Stimuli
from fpgaae.place.harness import Harness
from fpgaae.place.netlist import NetlistSimulation
from fpgaae.place.stimulus import shared_out
from fpgaae.progress import Progress
from fpgaae.runs.experiment import Experiment


class Compared(NamedTuple):
    """What was compared, and how long the simulation took."""

    codes: Comparison
    seconds: float

    @property
    def events_per_second(self) -> float:
        """The rate of the simulation."""
        return round(self.codes.events / self.seconds, 1) if self.seconds else 0.0


class Netlist(NamedTuple):
    """A compiled netlist, and the harness that it stands in."""

    library: Path
    harness: Harness


def compare_netlist(
    experiment: Experiment, trigger: GoldenTrigger, netlist: Netlist, n_events: int, progress: Progress
) -> Compared:
    """Simulate a netlist on some events of each origin, and compare."""
    edges = EdgeEvents.load(experiment.stage_folder("convert") / EDGES_FILE)
    stimuli = Stimuli(experiment.config, experiment.stage_folder("data"), trigger, edges.hardware)
    total, seconds = Comparison.of_layers(trigger.names_of_outputs), 0.0
    with (
        progress.task("simulating the netlist", n_events) as task,
        NetlistSimulation(netlist.library, netlist.harness) as simulation,
    ):
        for source, hardware in shared_out(stimuli, n_events):
            started = time.perf_counter()
            codes = simulation.run(hardware)
            seconds += time.perf_counter() - started
            tensors = trigger.run(hardware)
            found = trigger.of_outputs(codes)
            golden = {name: tensors[name] for name in found}
            total.merge(compare_codes(found, golden, source.origin, source.start))
            task.advance(len(hardware))
    return Compared(total, seconds)
