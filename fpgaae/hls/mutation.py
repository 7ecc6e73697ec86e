"""The proof of the check itself: damaged copies of a proven project are compiled and compared; each must be caught.

A mutant that is not caught must be proven equivalent (`fpgaae.hls.equivalence`); one that is neither was missed, and
the check has a hole.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fpgaae.errors import CheckFailed, InputError
from fpgaae.files import lock, read_json, write_json
from fpgaae.fixedpoint import Codes
from fpgaae.golden.network import IntegerNetwork
from fpgaae.hls.csim_library import Compilation
from fpgaae.hls.equivalence import Original, prove_equivalent
from fpgaae.hls.mutant_run import LAYERS, OBJECTS, RELOADED, VALUES, WEIGHTS, Found
from fpgaae.hls.mutants import Mutant, ProjectSources, make_mutants
from fpgaae.hls.project import port_codes
from fpgaae.hls.simulation import Simulation
from fpgaae.hls.stimulus import MADE_UP, Stimuli
from fpgaae.progress import Progress
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.folder import MANIFEST
from fpgaae.runs.record import as_json, read_record
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.csim import CsimResult, MutantEntry, MutantsResult
from fpgaae.runs.run import StageRun

MUTANTS_FILE = "mutants.json"
_EVENTS_AN_ORIGIN = 300
_TIMEOUT_S = 120


class Outcome(str, Enum):
    """What became of a mutant."""

    CAUGHT = "caught"
    EQUIVALENT = "equivalent"
    MISSED = "missed"


class Verdict(NamedTuple):
    """A mutant's outcome: what caught it and which layer was named, or the proof that it computes the same."""

    outcome: Outcome
    by: str
    named_layer: str | None = None
    detail: str = ""


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
        np.savez(self._stimulus, **_loaded_batches(simulation))  # type: ignore[arg-type]
        sound = folder / "sound"
        shutil.copytree(sources.project, sound, ignore=shutil.ignore_patterns("tb_data", "*.tcl"))
        self._sound = Compilation(sound, project_name, quick=True)
        built = self._sound.build()
        verdict = self._run(sound, built)
        if verdict is not None:
            raise CheckFailed(
                f"the project itself does not pass, so that nothing can be said of mutants: {verdict.detail}"
            )

    def judge(self, index: int, mutant: Mutant) -> Verdict:
        """Compile a mutant and compare it; where it is not caught, look for a proof."""
        folder = self._folder / f"mutant_{index}"
        try:
            _link_tree(self._folder / "sound", folder)
            for file, text in mutant.edits.items():
                (folder / file).unlink()
                (folder / file).write_text(text, encoding="utf-8")
            compilation = Compilation(folder, self._name, quick=True)
            try:
                library = compilation.build(reuse=self._sound, changed=frozenset(mutant.edits))
            except CheckFailed:
                log = compilation.log()
                return Verdict(Outcome.CAUGHT, "compiler", self._layer_in(log, mutant), _last_line(log))
            if compilation.same_code(self._sound):
                return Verdict(Outcome.EQUIVALENT, "machine code", detail="the compiler makes the same machine code")
            caught = self._run(folder, library)
            if caught is not None:
                return caught
            proof = prove_equivalent(mutant, self._original)
            if proof is not None:
                return Verdict(Outcome.EQUIVALENT, "proof", detail=proof)
            return Verdict(Outcome.MISSED, "nothing")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _layer_in(self, message: str, mutant: Mutant) -> str | None:
        """Give the layer whose file the compiler names; behind the network comes the decision."""
        if any(Path(file).name in message for file in mutant.edits):
            return mutant.layer
        return self._original.sources.layers[-1] if f"{self._name}_trigger" in message else None

    def _run(self, folder: Path, library: Path) -> Verdict | None:
        """Compare a compiled project in a process of its own; give what caught it."""
        result = folder / "found.json"
        command = [sys.executable, "-m", "fpgaae.hls.mutant_run", str(library), str(self._stimulus), str(result)]
        single = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False, timeout=_TIMEOUT_S, env=single
            )
        except subprocess.TimeoutExpired:
            return Verdict(Outcome.CAUGHT, "timeout", detail=f"it does not end within {_TIMEOUT_S} s")
        if done.returncode < 0:  # ended by a signal; an error of ours is no catch
            return Verdict(Outcome.CAUGHT, "crash", detail=f"it ends with {signal.Signals(-done.returncode).name}")
        if done.returncode or not result.is_file():
            raise CheckFailed(f"the comparison of a mutant failed by itself: {_last_line(done.stderr)}")
        found = read_record(Found, result, "look into `fpgaae.hls.mutant_run`")
        if found.passed:
            return None
        if found.first_mismatch is None:
            return Verdict(Outcome.CAUGHT, "layout", detail=found.error or "nothing was compared")
        first = found.first_mismatch
        detail = (
            f"channel {first.channel}: expected code {first.expected_code}, found {first.found_code} "
            f"({first.origin} event {first.event})"
        )
        return Verdict(Outcome.CAUGHT, "codes", first.layer, detail)


def run_mutation(experiment: Experiment, n: int, progress: Progress) -> MutantsResult:
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
    with lock(experiment.folder), tempfile.TemporaryDirectory(dir=experiment.folder, prefix=".mutants-") as scratch:
        started = time.perf_counter()
        run = StageRun(experiment, Path(scratch), Path(scratch), {})
        convert = run.result(ConvertResult)
        project = run.upstream("convert") / convert.project_dir
        layers = [layer.name for layer in convert.layers]
        sources = ProjectSources(project, convert.project_name, layers)
        mutants = make_mutants(sources, n, experiment.config.seed)
        with progress.task("the sound project", None):
            simulation = Simulation.of_run(run, Path(scratch))
            mutation = Mutation(sources, convert.project_name, simulation, Path(scratch))
        verdicts = list(_judge_all(mutation, mutants, progress))
        entries = tuple(_entry(m, verdict, layers) for m, verdict in zip(mutants, verdicts, strict=True))
        counts = Counter(entry.outcome for entry in entries)
        missed = counts[Outcome.MISSED.value]
        misattributed = sum(entry.attributed is False for entry in entries)
        result = MutantsResult(
            total=n,
            caught=counts[Outcome.CAUGHT.value],
            equivalent=counts[Outcome.EQUIVALENT.value],
            missed=missed,
            misattributed=misattributed,
            seed=experiment.config.seed,
            csim_fingerprint=read_json(experiment.stage_folder("csim") / MANIFEST)["fingerprint"],
            seconds=round(time.perf_counter() - started, 1),
            mutants=entries,
            passed=not missed and not misattributed,
        )
        write_json(experiment.stage_folder("csim") / MUTANTS_FILE, as_json(result))
    return result


def missed_sentence(result: MutantsResult) -> str:
    """Say in one sentence which mutant slipped through, or whose layer was not named."""
    wrong = [m for m in result.mutants if m.outcome == Outcome.MISSED.value or m.attributed is False]
    first = wrong[0]
    if first.outcome == Outcome.MISSED.value:
        return f"{result.missed} of {result.total} mutants were missed; first {first.description}"
    return (
        f"{result.misattributed} of {result.total} mutants were caught in another layer; first "
        f"{first.description}, of layer {first.layer}, was seen in {first.named_layer}"
    )


def _judge_all(mutation: Mutation, mutants: list[Mutant], progress: Progress) -> Iterator[Verdict]:
    with (
        progress.task("mutants", len(mutants)) as task,
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
    ):
        for verdict in pool.map(mutation.judge, range(len(mutants)), mutants):
            task.advance(1)
            yield verdict


def _entry(mutant: Mutant, verdict: Verdict, layers: list[str]) -> MutantEntry:
    """Describe a mutant; `attributed` says whether the named layer is the damaged one or one behind it."""
    attributed = None
    if verdict.outcome is Outcome.CAUGHT:
        named = verdict.named_layer
        attributed = named is not None and layers.index(named) >= layers.index(mutant.layer)
    return MutantEntry(
        damage=mutant.damage.value,
        layer=mutant.layer,
        description=mutant.description,
        outcome=verdict.outcome.value,
        by=verdict.by,
        named_layer=verdict.named_layer,
        attributed=attributed,
        detail=verdict.detail,
    )


def _loaded_batches(simulation: Simulation) -> dict[str, Codes]:
    """Give the stimulus of the mutants for each set of weights: see `compare_loaded`."""
    result: dict[str, Codes] = {}
    ports = simulation.weight_ports
    others = {RELOADED: replace(simulation, reload_seed=simulation.config.seed)} if ports else {}
    for prefix, loaded in {"": simulation, **others}.items():
        network = loaded.network()
        batches = _batches(loaded.stimuli(), network, loaded.golden_names) | {WEIGHTS: port_codes(ports, network)}
        result |= {f"{prefix}{name}": codes for name, codes in batches.items()}
    return result


def _batches(stimuli: Stimuli, network: IntegerNetwork, golden_names: Mapping[str, str]) -> dict[str, Codes]:
    """Give the stimulus of the mutants with its golden codes: see `compare_batches`."""
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
        golden = network.run(np.concatenate(parts), replaced)
        result |= {f"{batch}/golden/{layer}": golden[name].codes for layer, name in golden_names.items()}
    return result | {f"fraction/{layer}": np.array(network[name].type.fraction) for layer, name in golden_names.items()}


def _link_tree(source: Path, target: Path) -> None:
    """Copy a folder as hard links; a file that is to be changed is replaced, not written into."""
    shutil.copytree(source, target, copy_function=os.link, ignore=shutil.ignore_patterns("build", "found.json"))


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if "error" in line] or text.splitlines()
    return lines[-1].strip() if lines else ""
