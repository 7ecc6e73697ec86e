"""`prove --mutate`: damaged copies of what a run has written, judged by the proofs alone."""

from __future__ import annotations

from collections.abc import Callable

from fpgaae.data.readers import event_hashes
from fpgaae.emulator.export import build_package, open_deployed
from fpgaae.emulator.mutants import KINDS
from fpgaae.emulator.package_sources import PackageSources
from fpgaae.errors import InputError
from fpgaae.files import write_json
from fpgaae.hls.boundary_mutants import BOUNDARY_KINDS
from fpgaae.hls.mutant import damaged_copies, make_mutants
from fpgaae.hls.mutants import VALUE_KINDS
from fpgaae.hls.project_sources import ProjectSources
from fpgaae.hls.simulation import Simulation
from fpgaae.hls.text_mutants import TEXT_KINDS
from fpgaae.optional import require
from fpgaae.progress import Progress
from fpgaae.prove.emulator_mutants import EmulatorJudge
from fpgaae.prove.run import sources_of_run, stimulus_pool
from fpgaae.prove.source_mutants import SourceJudge
from fpgaae.prove.verdicts import judge_all
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.folder import read_manifest
from fpgaae.runs.record import as_json
from fpgaae.runs.results.mutants import ProofTarget, ProveMutantsResult
from fpgaae.runs.results.prove import ProveResult
from fpgaae.runs.results.rtl import TraceResult
from fpgaae.runs.run import StageRun

_EVENTS = 5000  # of each origin, through the Verilog: to search one that differs, and to contradict a proof


def mutants_file(target: ProofTarget) -> str:
    """Name the result of a target, beside `prove.json`."""
    return f"mutants_{target.value}.json"


def run_mutation(experiment: Experiment, target: ProofTarget, n: int, progress: Progress) -> ProveMutantsResult:
    """Damage what an experiment has written n times, let the proofs judge, and write `mutants_<target>.json`.

    The config's seed chooses the places.

    Raises
    ------
    InputError
        If the experiment is not proven as it was written.
    """
    proof = experiment.result(ProveResult)
    if not proof.passed or proof.edited_files:
        raise InputError(
            f"{experiment.result_path('prove')} is not of the project as `convert` wrote it; run "
            f"`fpgaae convert {experiment.config_file} --force` and `fpgaae prove {experiment.config_file}` first"
        )
    with damaged_copies(experiment) as scratch:
        hashes = event_hashes(experiment.config, experiment.config_file)
        run = StageRun(experiment, scratch, scratch, hashes)
        result = _TARGETS[target](run, n, progress)
        write_json(experiment.stage_folder("prove") / mutants_file(target), as_json(result))
    return result


def _mutate_sources(run: StageRun, n: int, progress: Progress) -> ProveMutantsResult:
    seed = run.config.seed
    sources = sources_of_run(run)
    written = ProjectSources(sources.project, sources.project_name, list(sources.golden_names))
    made = make_mutants(written, (*VALUE_KINDS, *TEXT_KINDS, *BOUNDARY_KINDS), n, seed)
    with progress.task("the sound project", None):
        simulation = Simulation.of_run(run, run.scratch)
        judge = SourceJudge(sources, simulation, stimulus_pool(run), seed, run.scratch)
    fingerprint = read_manifest(run.experiment.stage_folder("convert"))["fingerprint"]
    return judge_all(judge, made, ProofTarget.HLS.value, seed, fingerprint, progress)


def _mutate_verilog(run: StageRun, n: int, progress: Progress) -> ProveMutantsResult:
    require("da4ml", "the proof of the Verilog")
    from fpgaae.prove.verilog_mutants import VerilogJudge  # noqa: PLC0415 - needs da4ml
    from fpgaae.rtl.mutants import VERILOG_KINDS  # noqa: PLC0415
    from fpgaae.rtl.pipeline import load_pipeline  # noqa: PLC0415
    from fpgaae.rtl.rtl_sources import RtlSources  # noqa: PLC0415

    seed, folder = run.config.seed, run.upstream("trace")
    if run.is_stale(TraceResult) or not folder.is_dir():
        raise InputError(
            f"there is no Verilog of the present config; run `fpgaae trace {run.experiment.config_file}` first"
        )
    project = (folder / run.result(TraceResult).project_dir).absolute()
    made = make_mutants(RtlSources(project), VERILOG_KINDS, n, seed)
    with progress.task("the sound Verilog", None):
        trigger, pool = sources_of_run(run).trigger, stimulus_pool(run, _EVENTS)
        judge = VerilogJudge(project, trigger, load_pipeline(folder), pool, seed, run.scratch)
    fingerprint = read_manifest(run.experiment.stage_folder("trace"))["fingerprint"]
    return judge_all(judge, made, ProofTarget.VERILOG.value, seed, fingerprint, progress)


def _mutate_emulator(run: StageRun, n: int, progress: Progress) -> ProveMutantsResult:
    seed, deployed = run.config.seed, open_deployed(run.experiment)
    if deployed.trigger.network.reloadable:
        raise InputError(
            "the emulator is not proven where its weights are loaded at run time, so that no mutant of it is; run "
            "`fpgaae export --mutate` for its test"
        )
    package = run.scratch / "package"
    package.mkdir()
    with progress.task("the sound emulator", None):
        build_package(deployed, package)
        sources = PackageSources(package, deployed.name, deployed.trigger)
        judge = EmulatorJudge(sources, run.scratch)
    made = make_mutants(sources, KINDS, n, seed)
    fingerprint = read_manifest(run.experiment.stage_folder("convert"))["fingerprint"]
    return judge_all(judge, made, ProofTarget.EMULATOR.value, seed, fingerprint, progress)


_TARGETS: dict[ProofTarget, Callable[[StageRun, int, Progress], ProveMutantsResult]] = {
    ProofTarget.HLS: _mutate_sources,
    ProofTarget.VERILOG: _mutate_verilog,
    ProofTarget.EMULATOR: _mutate_emulator,
}
