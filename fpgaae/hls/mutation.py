"""The proof of the C simulation's check: damaged copies of a proven project are compiled; each must be caught.

A mutant that is not caught must be proven equivalent (`fpgaae.hls.equivalence`); one that is neither was missed, and
the check has a hole. Both branches are compared: that with taps, then that which is synthesized.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fpgaae.errors import CheckFailed, InputError
from fpgaae.files import write_json
from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.boundary_mutants import BOUNDARY_KINDS
from fpgaae.hls.csim_library import Compilation
from fpgaae.hls.equivalence import Original, prove_equivalent
from fpgaae.hls.loaded_thresholds import Loads
from fpgaae.hls.mutant import Mutant, damaged_copies, make_mutants
from fpgaae.hls.mutant_run import DECIDED, LAYERS, LOADS, OBJECTS, RELOADED, SYNTHESIZED, VALUES, WEIGHTS, Found
from fpgaae.hls.mutants import VALUE_KINDS
from fpgaae.hls.project import port_codes
from fpgaae.hls.project_sources import ProjectSources
from fpgaae.hls.simulation import Simulation
from fpgaae.hls.stimulus import MADE_UP, Stimuli
from fpgaae.hls.synthesized_branch import branch_events, compile_synthesized, golden_decisions, golden_values
from fpgaae.hls.text_mutants import TEXT_KINDS
from fpgaae.hls.verdicts import Outcome, Verdict, judge_all, same_program, uncaught
from fpgaae.processes import ProgramHangs, run_program
from fpgaae.progress import Progress
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.folder import read_manifest
from fpgaae.runs.record import as_json, read_record
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.csim import CsimResult, Mismatch
from fpgaae.runs.results.mutants import CsimMutantsResult
from fpgaae.runs.run import StageRun

MUTANTS_FILE = "mutants.json"
_EVENTS_AN_ORIGIN = 300
_TIMEOUT_S = 120


class Mutation:
    """Compiles and judges the mutants of one written project.

    Parameters
    ----------
    simulation
        Golden network, data and features; its library is not used.
    folder
        Scratch space.
    """

    def __init__(self, sources: ProjectSources, project_name: str, simulation: Simulation, folder: Path) -> None:
        self._folder = folder
        self._name = project_name
        self._original = Original(sources, simulation.trigger(), simulation.golden_names)
        self._stimulus = folder / "stimulus.npz"
        batches = _loaded_batches(simulation) | _branch_batches(simulation) | _threshold_loads(simulation)
        np.savez(self._stimulus, **batches)  # type: ignore[arg-type]
        sound = folder / "sound"
        shutil.copytree(sources.project, sound, ignore=shutil.ignore_patterns("tb_data", "*.tcl"))
        self._sound = Compilation(sound, project_name, quick=True)
        built = self._sound.build()
        verdict = self._run(sound, built) or self._run_branch(sound, self._branch(sound))
        if verdict is not None:
            raise CheckFailed(
                f"the project itself does not pass, so that nothing can be said of mutants: {verdict.detail}"
            )
        self._branch(sound, optimized=True)

    def judge(self, index: int, mutant: Mutant) -> Verdict:
        """Compile a mutant and compare it; where it is not caught, look for a proof."""
        folder = self._folder / f"mutant_{index}"
        try:
            _link_tree(self._folder / "sound", folder)
            for file, text in mutant.edits.items():
                (folder / file).unlink()
                (folder / file).write_text(text, encoding="utf-8")
            return self._attributed(self._judge(folder, mutant), mutant)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _judge(self, folder: Path, mutant: Mutant) -> Verdict:
        compilation = Compilation(folder, self._name, quick=True)
        try:
            library = compilation.build(reuse=self._sound, changed=frozenset(mutant.edits))
        except CheckFailed:
            log = compilation.log()
            return Verdict(Outcome.CAUGHT, "compiler", self._layer_in(log, mutant), _last_line(log))
        same = compilation.same_code(self._sound)
        if not same and (caught := self._run(folder, library)):
            return caught
        try:
            branch = self._branch(folder)
        except CheckFailed as error:
            said = str(error)
            return Verdict(Outcome.CAUGHT, "compiler of the synthesized branch", mutant.layer, _last_line(said))
        if caught := self._run_branch(folder, branch):
            return caught
        if same and self._is_same_branch(folder):
            return same_program()
        return uncaught(mutant, prove_equivalent(mutant, self._original))

    def _attributed(self, verdict: Verdict, mutant: Mutant) -> Verdict:
        """Say whether the layer that is named is the damaged one or one behind it."""
        if verdict.outcome is not Outcome.CAUGHT:
            return verdict
        layers, named = self._original.sources.layers, verdict.named_layer
        right = named is not None and layers.index(named) >= layers.index(mutant.layer)
        return verdict._replace(attributed=right)

    def _branch(self, folder: Path, *, optimized: bool = False) -> Path:
        """Compile the branch that is synthesized."""
        build = folder / ("build_optimized" if optimized else "build_branch")
        build.mkdir(exist_ok=True)
        return compile_synthesized(folder, self._name, build, optimized=optimized)

    def _is_same_branch(self, folder: Path) -> bool:
        """Tell whether the branch that is synthesized is compiled to the same bytes, too."""
        sound = self._folder / "sound" / "build_optimized" / f"{self._name}_synthesized.so"
        return self._branch(folder, optimized=True).read_bytes() == sound.read_bytes()

    def _layer_in(self, message: str, mutant: Mutant) -> str | None:
        """Give the layer whose file the compiler names; behind the network comes the decision."""
        if any(Path(file).name in message for file in mutant.edits):
            return mutant.layer
        return self._original.sources.layers[-1] if f"{self._name}_trigger" in message else None

    def _run(self, folder: Path, library: Path) -> Verdict | None:
        """Compare a compiled project; give what caught it."""
        found = self._compare(folder, library)
        if isinstance(found, Verdict):
            return found
        if found.passed:
            return None
        if found.first_mismatch is None:
            return Verdict(Outcome.CAUGHT, "layout", detail=found.error or "nothing was compared")
        first = found.first_mismatch
        detail = (
            f"{self._place(first)}: expected code {first.expected_code}, found {first.found_code} "
            f"({first.origin} event {first.event})"
        )
        return Verdict(Outcome.CAUGHT, "codes", first.layer, detail)

    def _place(self, first: Mismatch) -> str:
        """Name the value that differs: of the network's inputs the port that it is made of."""
        if first.layer != self._original.sources.layers[0]:
            return f"channel {first.channel}"
        return f"port {self._original.trigger.features.features[first.channel].hardware.name}"

    def _run_branch(self, folder: Path, library: Path) -> Verdict | None:
        """Compare the compiled branch that is synthesized; its outputs stand behind every layer."""
        found = self._compare(folder, library, SYNTHESIZED)
        if isinstance(found, Verdict):
            return found._replace(named_layer=self._original.sources.layers[-1])
        if found.passed:
            return None
        return Verdict(Outcome.CAUGHT, "synthesized branch", self._original.sources.layers[-1], found.error or "")

    def _compare(self, folder: Path, library: Path, *how: str) -> Found | Verdict:
        """Compare in a process of its own, since a mutant may crash or never end."""
        result = folder / "found.json"
        result.unlink(missing_ok=True)
        command = [sys.executable, "-m", "fpgaae.hls.mutant_run", str(library), str(self._stimulus), str(result), *how]
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        try:
            done = run_program(command, "a mutant", limit_s=_TIMEOUT_S, environment=single)
        except ProgramHangs:
            return Verdict(Outcome.CAUGHT, "timeout", detail=f"it does not end within {_TIMEOUT_S} s")
        if done.returncode < 0:  # ended by a signal; an error of ours is no catch
            return Verdict(Outcome.CAUGHT, "crash", detail=f"it ends with {signal.Signals(-done.returncode).name}")
        if done.returncode or not result.is_file():
            raise CheckFailed(f"the comparison of a mutant failed by itself: {_last_line(done.stderr)}")
        return read_record(Found, result, "look into `fpgaae.hls.mutant_run`")


def run_mutation(experiment: Experiment, n: int, progress: Progress) -> CsimMutantsResult:
    """Damage the written project of an experiment n times, and write `mutants.json` beside `csim.json`.

    The config's seed chooses the places.

    Raises
    ------
    InputError
        If the C simulation did not pass on the project as `convert` wrote it.
    """
    csim = experiment.result(CsimResult)
    if not csim.passed or csim.edited_files:
        raise InputError(
            f"{experiment.result_path('csim')} is not of the project as `convert` wrote it; run "
            f"`fpgaae convert {experiment.config_file} --force` and `fpgaae csim {experiment.config_file}` first"
        )
    with damaged_copies(experiment) as scratch:
        run = StageRun(experiment, scratch, scratch, {})
        convert = run.result(ConvertResult)
        project = run.upstream("convert") / convert.project_dir
        layers = [layer.name for layer in convert.layers]
        sources = ProjectSources(project, convert.project_name, layers)
        made = make_mutants(sources, (*VALUE_KINDS, *TEXT_KINDS, *BOUNDARY_KINDS), n, experiment.config.seed)
        with progress.task("the sound project", None):
            simulation = Simulation.of_run(run, scratch)
            mutation = Mutation(sources, convert.project_name, simulation, scratch)
        judged = judge_all(mutation, made, experiment.config.seed, progress)
        fingerprint = read_manifest(experiment.stage_folder("csim"))["fingerprint"]
        result = CsimMutantsResult(**vars(judged), csim_fingerprint=fingerprint)
        write_json(experiment.stage_folder("csim") / MUTANTS_FILE, as_json(result))
    return result


def _loaded_batches(simulation: Simulation) -> dict[str, Codes]:
    """Give the stimulus of the mutants for each set of weights: see `compare_loaded`."""
    result: dict[str, Codes] = {}
    ports = simulation.weight_ports
    others = {RELOADED: replace(simulation, reload_seed=simulation.config.seed)} if ports else {}
    for prefix, loaded in {"": simulation, **others}.items():
        trigger = loaded.trigger()
        batches = _batches(loaded.stimuli(), trigger, loaded.golden_names)
        batches |= {WEIGHTS: port_codes(ports, trigger.network)}
        result |= {f"{prefix}{name}": codes for name, codes in batches.items()}
    return result


def _threshold_loads(simulation: Simulation) -> dict[str, Codes]:
    """Give the thresholds that are loaded over the trained ones, where they are a port: see `compare_loaded`."""
    trigger = simulation.trigger()
    if not trigger.accept.reloadable:
        return {}
    loads = Loads.of(trigger, simulation.stimuli(), simulation.config.seed)
    return {f"{LOADS}{name}": codes for name, codes in loads._asdict().items()}


def _branch_batches(simulation: Simulation) -> dict[str, Codes]:
    """Give the stimulus of the branch that is synthesized, with its golden values: see `compare_branch`."""
    trigger = simulation.trigger()
    hardware = np.concatenate([events for _, events in branch_events(simulation.stimuli())])
    return {
        f"{SYNTHESIZED}/inputs": hardware,
        f"{SYNTHESIZED}/values": golden_values(trigger, hardware),
        f"{SYNTHESIZED}/n_thresholds": np.array(trigger.accept.size),
        **dict(zip(DECIDED, golden_decisions(trigger), strict=True)),
    }


def _batches(stimuli: Stimuli, trigger: GoldenTrigger, golden_names: Mapping[str, str]) -> dict[str, Codes]:
    """Give the stimulus of the mutants with its golden codes: see `compare_batches`."""
    network = trigger.network
    inputs: dict[str, list[Any]] = {OBJECTS: [], VALUES: [], LAYERS: []}
    codes: dict[str, list[Codes]] = {OBJECTS: [], VALUES: [], LAYERS: []}
    injected: dict[str, list[Codes]] = {layer: [] for layer in list(golden_names)[:-1]}
    for source in stimuli.sources():
        if source.origin not in MADE_UP and source.start:
            continue
        few = source._replace(stop=min(source.stop, _EVENTS_AN_ORIGIN)) if source.origin not in MADE_UP else source
        made = stimuli.make(few)
        n = len(made.hardware)
        inputs[OBJECTS].append(made.hardware)
        codes[OBJECTS].append(made.input_codes[:n])
        direct = VALUES if made.injected is None else LAYERS
        inputs[direct].append(made.values)
        codes[direct].append(made.input_codes[n:])
        for layer, parts in injected.items():
            if made.injected is not None:
                parts.append(made.injected[golden_names[layer]])
    result = {f"{LAYERS}/injected/{layer}": np.concatenate(parts) for layer, parts in injected.items()}
    for batch, parts in codes.items():
        result[f"{batch}/inputs"] = np.concatenate(inputs[batch])
        replaced = {golden_names[n]: result[f"{LAYERS}/injected/{n}"] for n in injected} if batch == LAYERS else None
        cells = trigger.cells(result[f"{OBJECTS}/inputs"]) if batch == OBJECTS else None
        golden = network.run(np.concatenate(parts), replaced, cells)
        result |= {f"{batch}/golden/{layer}": golden[name].codes for layer, name in golden_names.items()}
    return result | {f"fraction/{layer}": np.array(network[name].type.fraction) for layer, name in golden_names.items()}


def _link_tree(source: Path, target: Path) -> None:
    """Copy a folder as hard links; a file that is to be changed is replaced, not written into."""
    shutil.copytree(source, target, copy_function=os.link, ignore=shutil.ignore_patterns("build*", "found.json"))


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if "error" in line] or text.splitlines()
    return lines[-1].strip() if lines else ""
