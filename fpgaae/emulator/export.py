"""The emulator of an experiment, written as a package of its own and tested there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.data.readers import event_hashes
from fpgaae.emulator.package import compile_package, open_binding, write_package
from fpgaae.emulator.vectors import self_test_events
from fpgaae.errors import CheckFailed
from fpgaae.files import new_folder
from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.loaded_thresholds import with_loaded
from fpgaae.golden.reloadable import with_random_weights
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.port_table import input_ports, port_lines
from fpgaae.hls.project import WeightPort, port_codes
from fpgaae.hls.stimulus import Stimuli
from fpgaae.processes import programs_limited
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.emulate import EmulatorPackage, ExportedEmulator
from fpgaae.runs.run import require_current


class Deployed(NamedTuple):
    """What the firmware of a converted experiment computes."""

    experiment: Experiment
    trigger: GoldenTrigger

    @property
    def name(self) -> str:
        """Prefix of the emulator's functions."""
        return self.experiment.config.firmware.project_name

    @property
    def weight_ports(self) -> tuple[WeightPort, ...]:
        """The ports of the HLS project through which weights are loaded; none where they are constants."""
        return tuple(WeightPort.of(port) for port in self.experiment.result(ConvertResult).weight_ports)


def open_deployed(experiment: Experiment) -> Deployed:
    """Read the golden network of a converted experiment.

    Raises
    ------
    InputError
        If it is not converted, or was before its config or events changed.
    """
    hashes = event_hashes(experiment.config, experiment.config_file)
    for stage in ("data", "convert"):
        require_current(experiment, stage, hashes, may_be_edited=True, wanted="convert")
    features = FeatureMap.of(experiment.result(DataResult))
    return Deployed(experiment, GoldenTrigger.load(experiment.stage_folder("convert"), features))


def export_emulator(experiment: Experiment, folder: Path) -> ExportedEmulator:
    """Write the emulator package of a converted experiment, compile it, and compare it with the golden codes.

    Parameters
    ----------
    folder
        Must not exist; it is put in place when the package is complete.

    Raises
    ------
    InputError
        If the folder exists, or the experiment is not converted.
    CheckFailed
        If a code of the compiled emulator differs.
    """
    with new_folder(folder) as partial:
        result = build_package(open_deployed(experiment), partial)
    return ExportedEmulator(**vars(result), folder=str(folder))


def build_package(deployed: Deployed, folder: Path, *, for_this_machine: bool = True) -> EmulatorPackage:
    """Write an emulator into a folder, compile it, and compare it with the golden codes.

    Parameters
    ----------
    for_this_machine
        Use all that its processor knows; otherwise the library runs on any of its kind.

    Raises
    ------
    CheckFailed
        If a code of the compiled emulator differs.
    """
    trigger, experiment = deployed.trigger, deployed.experiment
    edges = EdgeEvents.load(experiment.stage_folder("convert") / EDGES_FILE)
    stimuli = Stimuli(experiment.config, experiment.stage_folder("data"), trigger, edges.hardware)
    codes = self_test_events(stimuli, trigger, experiment.config.seed)
    ports = port_lines(input_ports(experiment.config.data.hardware))
    result = write_package(folder, deployed.name, trigger, codes, ports, deployed.weight_ports)
    with programs_limited(experiment.config.tools.limit_s):
        compile_package(folder, deployed.name, for_this_machine=for_this_machine)
    emulator = open_binding(folder, deployed.name)
    _compare(emulator, trigger, codes)
    _compare_loaded(emulator, trigger, codes, experiment.config.seed)
    if deployed.weight_ports:
        other = replace(trigger, network=with_random_weights(trigger.network, experiment.config.seed))
        emulator.load(port_codes(deployed.weight_ports, other.network))
        _compare(emulator, other, codes, " with other weights loaded")
    return result


def results_of(emulator: Any, trigger: GoldenTrigger, words: Codes) -> Codes:  # noqa: ANN401 - of an exported package
    """Give what an emulator gives for words, whatever its ports declare, as `GoldenTrigger.results` (n, n_results)."""
    scores, accept = emulator.score(words, check=False)
    latents = [emulator.latents(words, check=False)] if trigger.network.ports else []
    return np.concatenate([scores[:, None], accept, *latents], axis=1)


def _compare(emulator: Any, trigger: GoldenTrigger, words: Codes, when: str = "") -> None:  # noqa: ANN401
    wrong = int((results_of(emulator, trigger, words) != trigger.results(words)).any(axis=1).sum())
    if wrong:
        raise CheckFailed(f"the emulator differs from the golden codes in {wrong} of {len(words)} events{when}")


def _compare_loaded(emulator: Any, trigger: GoldenTrigger, words: Codes, seed: int) -> None:  # noqa: ANN401
    """Give the emulator other thresholds, at the scores of events and beside them, and compare its decisions.

    Raises
    ------
    CheckFailed
        If one differs.
    """
    scores, cells, of = trigger.scores(words), trigger.cells(words), trigger.accept.threshold_type
    rng = np.random.default_rng([seed, len(words)])
    for step in (-1, 0, 1):
        drawn = rng.choice(scores, trigger.thresholds.shape) + step
        loaded = with_loaded(trigger, np.clip(drawn, of.min_code, of.max_code))
        inputs = [Tensor(scores[:, None], of.fraction), *([] if cells is None else [Tensor(cells[:, None], 0)])]
        wrong = (emulator.decide(scores, loaded.thresholds, cells) != loaded.accept.run(inputs).codes).any(axis=1)
        if wrong.any():
            raise CheckFailed(
                f"the emulator differs in {wrong.sum()} of {len(words)} events with other thresholds given"
            )
