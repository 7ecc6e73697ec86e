"""Judge damaged projects by the proof alone: each must be refuted with a replayed event, or proven equal.

`python -m benchmarks.prove_mutants configs/l1_ae.yaml [--mutants 200] [--start 0]`.
Run `fpgaae csim CONFIG --mutate N` first to see the two verdicts side
by side: the same number and seed make the same mutants. The experiment has to be converted.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from fpgaae.data.features import FeatureMap
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.boundary_mutants import BOUNDARY_KINDS
from fpgaae.hls.mutant import Mutant, make_mutants
from fpgaae.hls.mutants import VALUE_KINDS
from fpgaae.hls.mutation import MUTANTS_FILE
from fpgaae.hls.project import WeightPort
from fpgaae.hls.project_sources import ProjectSources
from fpgaae.hls.text_mutants import TEXT_KINDS
from fpgaae.prove.build import prepare
from fpgaae.prove.refute import find_refutation
from fpgaae.prove.run import stimulus_pool
from fpgaae.prove.sources import Sources, prove_sources
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.record import read_record
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.mutants import CsimMutantsResult
from fpgaae.runs.run import StageRun


def judge(
    sources: Sources, mutant: Mutant, pool: Codes, folder: Path, prepared: Path, *, replay: bool
) -> tuple[str, str]:
    """Give the verdict on a mutant and its reason."""
    project = folder / "project"
    shutil.copytree(sources.project, project, ignore=shutil.ignore_patterns("tb_data", "build"))
    for file, text in mutant.edits.items():
        (project / file).write_text(text, encoding="utf-8")
    damaged = replace(sources, project=project, edited=tuple(mutant.edits))
    try:
        proof = prove_sources(damaged, folder, prepared)
    except CheckFailed as error:
        return "does not compile", str(error).splitlines()[-1]
    if proof.proven:
        return "proven", ""
    wrong = {name: f for name, f in proof.findings.items() if f.differences or f.open}
    name, first = next(((n, f) for n, f in wrong.items() if f.differences), next(iter(wrong.items())))
    if not first.differences:
        return "open", f"{name}: {first.open}"
    if not replay:
        return "refuted", f"{name}: {first.differences[0].reason}"
    found = find_refutation(damaged, proof, pool, 1, folder)
    how = "no event" if found is None else "event" if found.hardware else "replaced"
    return f"refuted, {how}", f"{name}: {first.differences[0].reason}"


def main() -> None:
    """Judge the mutants of an experiment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--mutants", type=int, default=200)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--stop", type=int)
    parser.add_argument("--no-replay", action="store_true", help="look for no event, which takes a compilation each")
    arguments = parser.parse_args()
    experiment = open_experiment(arguments.config, arguments.runs)
    convert = experiment.result(ConvertResult)
    folder = experiment.stage_folder("convert")
    sources = Sources(
        (folder / convert.project_dir).absolute(),
        convert.project_name,
        GoldenTrigger.load(folder, FeatureMap.of(experiment.result(DataResult))),
        {layer.name: layer.golden for layer in convert.layers},
        tuple(WeightPort.of(port) for port in convert.weight_ports),
    )
    written = ProjectSources(sources.project, convert.project_name, list(sources.golden_names))
    mutants = make_mutants(
        written, (*VALUE_KINDS, *TEXT_KINDS, *BOUNDARY_KINDS), arguments.mutants, experiment.config.seed
    ).mutants
    beside = experiment.stage_folder("csim") / MUTANTS_FILE
    simulated = read_record(CsimMutantsResult, beside, "run `fpgaae csim --mutate`").mutants if beside.is_file() else ()
    counts: Counter[str] = Counter()
    pool = stimulus_pool(StageRun(experiment, folder, folder, {}))
    shared = tempfile.TemporaryDirectory()
    prepared = prepare(Path(shared.name))
    for index in range(arguments.start, min(arguments.stop or len(mutants), len(mutants))):
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            verdict, reason = judge(
                sources, mutants[index], pool, Path(scratch), prepared, replay=not arguments.no_replay
            )
        counts[verdict] += 1
        same = f" ({simulated[index].outcome} in simulation)" if index < len(simulated) else ""
        seconds = time.perf_counter() - started
        print(f"{index} {verdict}{same} {seconds:.0f} s: {mutants[index].description} | {reason}", flush=True)
    shared.cleanup()
    print(dict(counts))


if __name__ == "__main__":
    main()
