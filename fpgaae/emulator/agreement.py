"""Every form of the firmware on the same events: whether all give the same codes (needs da4ml).

The stages compare each form with the golden codes on their own; here they stand side by side, the emulator among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from da4ml.cmvm.types import CombLogic

from fpgaae.data.integers import event_words
from fpgaae.data.readers import event_hashes, read_events
from fpgaae.emulator.export import Deployed, build_package, open_deployed, results_of
from fpgaae.emulator.package import open_binding
from fpgaae.emulator.spans import scored_data
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.reloadable import with_random_weights
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.csim_library import CsimLibrary
from fpgaae.hls.project import port_codes
from fpgaae.hls.stimulus import LAYERS, Stimuli
from fpgaae.rtl.design import LOGIC_FILE
from fpgaae.rtl.simulate import LIBRARY_FILE as RTL_LIBRARY
from fpgaae.rtl.verilator import RtlSimulation
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.run import require_current
from fpgaae.runs.stages import PROJECT_FOLDER

Form = Callable[[Codes], Codes]  # words (n, n_features) to score, decisions and latents of a port (n, n_results)


class Agreement(NamedTuple):
    """What was compared: events, and on how many of them a form differs from the golden codes, by form."""

    events: int
    differing: dict[str, int]


def compare_forms(experiment: Experiment, scratch: Path) -> Agreement:
    """Feed every form of the firmware with all events of the stimulus that enter through the ports.

    Where weights are loaded at run time there is no RTL. C simulation and emulator then get the trained ones, and all
    events again with random ones over the full range of their types.

    Parameters
    ----------
    experiment
        Whose stages `csim` and `rtl` are done.
    scratch
        An empty folder for the emulator.

    Raises
    ------
    InputError
        If a stage is missing.
    """
    deployed = _open_proven(experiment)
    edges = EdgeEvents.load(experiment.stage_folder("convert") / EDGES_FILE)
    stimuli = Stimuli(experiment.config, experiment.stage_folder("data"), deployed.trigger, edges.hardware)

    def made() -> Iterator[Codes]:
        return (stimuli.make(source).hardware for source in stimuli.sources() if source.origin != LAYERS)

    return _compare(deployed, scratch, made)


def compare_raw_events(experiment: Experiment, files: Sequence[Path], scratch: Path) -> Agreement:
    """Feed every form of the firmware with what the events of some files are on its ports, as they arrived.

    Every event counts, whatever the config leaves out. Memory does not grow with their number.

    Parameters
    ----------
    experiment
        Whose stages `csim` and `rtl` are done.
    files
        Event files as the config describes them.
    scratch
        An empty folder for the emulator.

    Raises
    ------
    InputError
        If a stage is missing, or a file can't be read.
    """
    deployed = _open_proven(experiment)
    data = scored_data(experiment.config.data).model_copy(update={"where": ()})  # the forms answer to every event

    def chunks() -> Iterator[Codes]:
        return (event_words(chunk, data) for file in files for chunk in read_events(file, data))

    return _compare(deployed, scratch, chunks)


def _open_proven(experiment: Experiment) -> Deployed:
    hashes = event_hashes(experiment.config, experiment.config_file)
    for stage in ("csim",) if experiment.config.firmware.reloadable_weights else ("csim", "trace", "rtl"):
        require_current(experiment, stage, hashes)
    return open_deployed(experiment)


def _compare(deployed: Deployed, scratch: Path, chunks: Callable[[], Iterator[Codes]]) -> Agreement:
    """Compare all forms on all events; where weights are loaded, again with others."""
    trigger = deployed.trigger
    with _open_forms(deployed, scratch) as forms:
        found = forms.compared(trigger, chunks())
        if not trigger.network.reloadable:
            return found
        other = replace(trigger, network=with_random_weights(trigger.network, deployed.experiment.config.seed))
        forms.load(port_codes(deployed.weight_ports, other.network))
        more = forms.compared(other, chunks())
    return Agreement(
        found.events + more.events, {name: n + more.differing[name] for name, n in found.differing.items()}
    )


class _Forms(NamedTuple):
    """The forms of a block, and what loads the codes of all weight ports into each."""

    by_name: dict[str, Form]
    load: Callable[[Codes], None]

    def compared(self, trigger: GoldenTrigger, chunks: Iterator[Codes]) -> Agreement:
        """Compare all of them on each chunk, side by side: none of them holds Python's lock for long."""
        events, differing = 0, dict.fromkeys(self.by_name, 0)
        with ThreadPoolExecutor(len(self.by_name)) as pool:
            for words in chunks:
                if not len(words):
                    continue
                events += len(words)
                found = {name: pool.submit(form, words) for name, form in self.by_name.items()}
                golden = trigger.results(words)
                for name, coming in found.items():
                    differing[name] += _count_differing(name, coming.result(), golden)
        return Agreement(events, differing)


def _count_differing(name: str, found: Codes, golden: Codes) -> int:
    if found.shape != golden.shape:
        raise CheckFailed(f"{name} gave results of the shape {found.shape} for {golden.shape}; run its stage again")
    return int((found != golden).any(axis=1).sum())


@contextmanager
def _open_forms(deployed: Deployed, scratch: Path) -> Iterator[_Forms]:
    folder, trigger = deployed.experiment.stage_folder, deployed.trigger
    csim = CsimLibrary(folder("csim") / f"{deployed.name}.so")
    if trigger.network.reloadable:
        csim.load_weights(port_codes(deployed.weight_ports, trigger.network))
    if trigger.accept.reloadable:
        csim.load_thresholds(trigger.thresholds)
    build_package(deployed, scratch)
    emulator = open_binding(scratch, deployed.name)

    def simulate_c(hardware: Codes) -> Codes:
        found = csim.run_objects(hardware)
        latents = [found[port.name] for port in trigger.network.ports]
        return np.concatenate([*list(found.values())[-2:], *latents], axis=1)

    def emulate(hardware: Codes) -> Codes:
        return results_of(emulator, trigger, hardware)

    def load(codes: Codes) -> None:
        csim.load_weights(codes)
        emulator.load(codes)

    forms: dict[str, Form] = {"C simulation": simulate_c, "emulator": emulate}
    with ExitStack() as opened:
        if not trigger.network.reloadable:
            forms |= _open_traced(deployed, opened)
        yield _Forms(forms, load)


def _open_traced(deployed: Deployed, opened: ExitStack) -> dict[str, Form]:
    """Open the simulated Verilog, and the interpreter of what was traced."""
    folder = deployed.experiment.stage_folder
    logic = CombLogic.load(folder("trace") / LOGIC_FILE)
    rtl = opened.enter_context(RtlSimulation(folder("rtl") / RTL_LIBRARY, folder("rtl") / PROJECT_FOLDER))

    def interpret(hardware: Codes) -> Codes:
        return np.asarray(logic.predict(hardware.astype(np.float64), n_threads=1)).astype(np.int64)

    return {"RTL": lambda hardware: rtl.stream(hardware).codes, "interpreter": interpret}
