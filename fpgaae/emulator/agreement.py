"""Every form of the firmware on the same events: whether all give the same score codes and decisions (needs da4ml).

The stages compare each form with the golden codes on their own; here they stand side by side, the emulator among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from da4ml.cmvm.types import CombLogic

from fpgaae.data.readers import event_hashes
from fpgaae.emulator.export import Deployed, build_package, open_deployed
from fpgaae.emulator.package import open_binding
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.hls.csim_library import CsimLibrary
from fpgaae.hls.stimulus import LAYERS, Stimuli
from fpgaae.rtl.design import LOGIC_FILE
from fpgaae.rtl.simulate import LIBRARY_FILE as RTL_LIBRARY
from fpgaae.rtl.verilator import RtlSimulation
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.run import require_current
from fpgaae.runs.stages import PROJECT_FOLDER

Form = Callable[[Codes], Codes]  # hardware integers (n, n_features) to score and decisions (n, 1 + n_thresholds)


class Agreement(NamedTuple):
    """What was compared: events, and on how many of them a form differs from the golden codes, by form."""

    events: int
    differing: dict[str, int]


def compare_forms(experiment: Experiment, scratch: Path) -> Agreement:
    """Feed every form of the firmware with all events of the stimulus that enter as hardware integers.

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
    hashes = event_hashes(experiment.config, experiment.config_file)
    for stage in ("csim", "trace", "rtl"):
        require_current(experiment, stage, hashes)
    deployed = open_deployed(experiment)
    edges = EdgeEvents.load(experiment.stage_folder("convert") / EDGES_FILE)
    stimuli = Stimuli(experiment.config, experiment.stage_folder("data"), deployed.trigger, edges.hardware)
    events, differing = 0, {}
    with _open_forms(deployed, scratch) as forms:
        differing = dict.fromkeys(forms, 0)
        for source in stimuli.sources():
            hardware = stimuli.make(source).hardware if source.origin != LAYERS else np.zeros((0, 0), dtype=np.int64)
            if not len(hardware):
                continue
            events += len(hardware)
            golden = deployed.trigger.score_and_decisions(hardware)
            for name, form in forms.items():
                differing[name] += _count_differing(name, form(hardware), golden)
    return Agreement(events, differing)


def _count_differing(name: str, found: Codes, golden: Codes) -> int:
    if found.shape != golden.shape:
        raise CheckFailed(f"{name} gave results of the shape {found.shape} for {golden.shape}; run its stage again")
    return int((found != golden).any(axis=1).sum())


@contextmanager
def _open_forms(deployed: Deployed, scratch: Path) -> Iterator[dict[str, Form]]:
    folder = deployed.experiment.stage_folder
    csim = CsimLibrary(folder("csim") / f"{deployed.name}.so")
    logic = CombLogic.load(folder("trace") / LOGIC_FILE)
    build_package(deployed, scratch)
    emulator = open_binding(scratch, deployed.name)

    def simulate_c(hardware: Codes) -> Codes:
        return np.concatenate(list(csim.run_objects(hardware).values())[-2:], axis=1)

    def interpret(hardware: Codes) -> Codes:
        return np.asarray(logic.predict(hardware.astype(np.float64), n_threads=1)).astype(np.int64)

    def emulate(hardware: Codes) -> Codes:
        scores, accept = emulator.score(hardware, check=False)
        return np.concatenate([scores[:, None], accept], axis=1)

    with ExitStack() as opened:
        rtl = opened.enter_context(RtlSimulation(folder("rtl") / RTL_LIBRARY, folder("rtl") / PROJECT_FOLDER))
        yield {
            "C simulation": simulate_c,
            "RTL": lambda hardware: rtl.stream(hardware).codes,
            "interpreter": interpret,
            "emulator": emulate,
        }
