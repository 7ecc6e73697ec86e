"""The emulator of an experiment, written as a package of its own and tested there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.features import FeatureMap
from fpgaae.data.readers import event_hashes
from fpgaae.emulator.package import compile_package, open_binding, write_package
from fpgaae.errors import CheckFailed, InputError
from fpgaae.fixedpoint import ChannelTypes, Codes, requantize
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.latents import LATENTS_LAYER
from fpgaae.golden.layers.rounding import Quantizer
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.port_table import input_ports, port_lines
from fpgaae.hls.stimulus import EDGES, LAYERS, Stimuli
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.emulate import EmulatorPackage, ExportedEmulator
from fpgaae.runs.run import require_current

_VECTORS_AN_ORIGIN = 200
_EVENTS_A_CASE = 8  # of each unit, where the stimulus has so many


class Deployed(NamedTuple):
    """What the firmware of a converted experiment computes."""

    experiment: Experiment
    trigger: GoldenTrigger

    @property
    def name(self) -> str:
        """Prefix of the emulator's functions."""
        return self.experiment.config.firmware.project_name


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
    if folder.exists():
        raise InputError(f"{folder} exists already; remove it, or export to another folder")
    deployed = open_deployed(experiment)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        result = build_package(deployed, partial)
        partial.chmod(0o755)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
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
    codes = _vectors(stimuli, trigger)
    ports = port_lines(input_ports(experiment.config.data.hardware))
    result = write_package(folder, deployed.name, trigger, codes, ports)
    compile_package(folder, deployed.name, for_this_machine=for_this_machine)
    emulator = open_binding(folder, deployed.name)
    scores, accept = emulator.score(codes, check=False)
    golden = trigger.run(codes)
    wrong = scores != golden[trigger.network.score.name].codes[:, 0]
    wrong |= (accept != golden[trigger.accept.name].codes).any(axis=1)
    if trigger.network.ports:
        wrong |= (emulator.latents(codes, check=False) != golden[LATENTS_LAYER].codes).any(axis=1)
    if wrong.any():
        raise CheckFailed(f"the emulator differs from the golden codes in {wrong.sum()} of {len(codes)} events")
    return result


def _vectors(stimuli: Stimuli, trigger: GoldenTrigger) -> Codes:
    """Give hardware integers of every origin, the extremes among them, all at the edges, and events of rare cases."""
    parts = [codes for _, codes in stimuli.few(_VECTORS_AN_ORIGIN)]
    left = {
        name: np.maximum(_EVENTS_A_CASE - np.count_nonzero(cases, axis=0), 0)
        for name, cases in _cases(trigger, np.concatenate(parts))
    }
    for source in stimuli.sources():
        if source.origin in {EDGES, LAYERS}:
            continue
        hardware = stimuli.make(source).hardware[_VECTORS_AN_ORIGIN if source.start == 0 else 0 :]
        if len(hardware) and any(counts.any() for counts in left.values()):
            parts.append(hardware[_rare(trigger, hardware, left)])
    return np.concatenate(parts)


def _cases(trigger: GoldenTrigger, hardware: Codes) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Give cases in which an error of a unit shows: it is not zero, or one LSB more or less is rounded to another code.

    By name, (n_events, size) whether each event is such a case for each unit.
    """
    tensors, network = trigger.run(hardware), trigger.network
    for layer in network.layers:
        if not isinstance(layer, Quantizer) or isinstance(layer.types, ChannelTypes):
            continue
        codes, source = tensors[layer.name].codes, tensors[layer.inputs[0]]
        yield f"{layer.name}, not zero", codes != 0
        for step in (-1, 1):
            moved = requantize(layer.activate(source.codes + step), source.fraction, layer.types)
            yield f"{layer.name}, {step} LSB", moved != codes


def _rare(trigger: GoldenTrigger, hardware: Codes, left: dict[str, Codes]) -> list[int]:
    """Choose events of rare cases; `left` counts how many each unit still needs of each."""
    rows: dict[int, None] = {}
    for name, cases in _cases(trigger, hardware):
        for unit in np.flatnonzero(left[name]).tolist():
            found = np.flatnonzero(cases[:, unit])[: left[name][unit]]
            left[name][unit] -= len(found)
            rows |= dict.fromkeys(found.tolist())
    return list(rows)
