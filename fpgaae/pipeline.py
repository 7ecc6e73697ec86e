"""From the name of a stage to its work; imports what a stage needs only when it really runs."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fpgaae.data.readers import count_events, event_hashes
from fpgaae.errors import CheckFailed, FpgaaeError, InputError, ToolMissing
from fpgaae.files import sha256, sha256_of_text
from fpgaae.golden.reloadable import NOT_TRACED
from fpgaae.hls.comparison import failure_sentence
from fpgaae.hls.verdicts import missed_sentence
from fpgaae.meeting import Place, free_port, meet
from fpgaae.methods.registry import has_closed_form
from fpgaae.models.model_file import ModelFiles
from fpgaae.optional import installed_version, require
from fpgaae.processes import program_beside
from fpgaae.progress import Progress, SilentProgress
from fpgaae.prove.verdict import unproven_sentence
from fpgaae.prove.verdicts import undecided_sentence
from fpgaae.runs.choices import ImportChoices
from fpgaae.runs.experiment import Experiment, ImportedModel, discard_import, find_import, open_experiment
from fpgaae.runs.fingerprint import fingerprint
from fpgaae.runs.folder import recorded_hashes
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.drift import DriftResult
from fpgaae.runs.results.explore import RESULTS, UseResult
from fpgaae.runs.results.imported import ImportResult
from fpgaae.runs.results.metrics import MetricsResult, OtherEvents
from fpgaae.runs.results.mutants import MutantsResult, ProveMutantsResult
from fpgaae.runs.results.place import PlaceResult
from fpgaae.runs.results.prove import ProveResult
from fpgaae.runs.results.reference import ReferenceResult
from fpgaae.runs.results.report import ReportResult
from fpgaae.runs.results.rtl import RtlLayersResult, RtlResult, TraceResult
from fpgaae.runs.results.synth import MappedResult, SynthResult
from fpgaae.runs.results.train import TrainResult
from fpgaae.runs.run import Outcome, RunOptions, StageRun, find_current, require_current, run_stage
from fpgaae.runs.stages import STAGES, USES

_log = logging.getLogger(__name__)
_CHECKS = (
    CsimResult, RtlResult, RtlLayersResult, MappedResult, PlaceResult, ProveResult, MutantsResult, ProveMutantsResult,
)  # fmt: skip
_MADE_BY_IMPORT = ("reference", "train")
_OF_A_METHOD = ("data", "reference")
PART = "fpgaae.cli.part"  # the program that runs `run_part`
_LOGGED = 4000  # of what the libraries say, where a part fails


class _Stage(NamedTuple):
    """A stage: the class of its result, and its work."""

    kind: type[StageResult]
    work: Callable[[StageRun], StageResult]


def run(
    experiment: Experiment, stage: str, options: RunOptions, hashes: Mapping[str, str] | None = None
) -> Outcome[StageResult]:
    """Run one stage of an experiment, unless its result is current.

    To force a training means to train: a model that was imported instead is forgotten.

    Parameters
    ----------
    hashes
        What `event_hashes` gave, where that is known.

    Raises
    ------
    FpgaaeError
        With what is wrong and the way out.
    """
    if options.force and stage in _MADE_BY_IMPORT and experiment.imported is not None:
        _log.warning("the import of %s is given up for a training", experiment.imported.file_name)
        experiment = discard_import(experiment)
        if stage == "train":
            _run(experiment, "reference", RunOptions(progress=options.progress))
    return _run(experiment, stage, options, hashes)


def run_up_to(experiment: Experiment, stage: str, options: RunOptions) -> Iterator[tuple[str, Outcome[StageResult]]]:
    """Run a stage and whatever it needs, each unless its result is current; give every outcome as soon as it is there.

    A check that does not pass is the last. A project that was edited by hand is left for the check that compares it.

    Parameters
    ----------
    options
        `force` is for the stage itself.

    Raises
    ------
    FpgaaeError
        With what is wrong and the way out; nothing is then run.
    """
    if stage not in STAGES:
        raise InputError(f"there is no stage {stage}; there are {', '.join(STAGES)}")
    hashes = event_hashes(experiment.config, experiment.config_file)
    earlier = replace(options, force=False, keep_edited=STAGES[stage].is_check)
    needed = experiment.stages_up_to(stage)
    for name in reversed(needed):  # the stage itself is the one to be named
        _require_possible(experiment, name)
    for name in needed:
        outcome = run(experiment, name, options if name == stage else earlier, hashes)
        yield name, outcome
        if failure_of(outcome.result) is not None:
            return


def result_kind(stage: str) -> type[StageResult]:
    """Give the class of a stage's result."""
    return _STAGES[stage].kind


def last_stage(experiment: Experiment) -> str:
    """Name the stage that proves an experiment, or of a float method trains it."""
    return "csim" if experiment.config.method is None else "reference"


def failure_of(result: object) -> str | None:
    """Say what is wrong where a check did not pass; None: it passed, or the result is no check."""
    if not isinstance(result, _CHECKS) or result.passed:
        return None
    if isinstance(result, ProveResult):
        return unproven_sentence(result)
    if isinstance(result, MutantsResult):
        return missed_sentence(result)
    if isinstance(result, ProveMutantsResult):
        return undecided_sentence(result)
    return failure_sentence(result)


def error_of(result: object) -> FpgaaeError | None:
    """Give what is wrong where a check did not pass as an error: that a tool is missing, where that is all.

    Examples
    --------
    >>> fpgaae.error_of(fpgaae.open_run("small.yaml").csim) is None
    True
    """
    failure = failure_of(result)
    if failure is None:
        return None
    if isinstance(result, ProveResult) and result.missing_tool and result.first_failure is None:
        return ToolMissing(failure)
    return CheckFailed(failure)


def import_model(
    files: ModelFiles, config: Path, runs: Path, options: RunOptions, choices: ImportChoices
) -> Outcome[StageResult]:
    """Make the results of `reference` and `train` from a model file, and give the outcome of the latter.

    Raises
    ------
    FpgaaeError
        With what is wrong and the way out; what was there before is then untouched.
    """
    files.require_readable()
    wanted = ImportedModel(files.model.name, files.sha256(), choices)
    if files.weights is not None:
        wanted = wanted._replace(weights_name=files.weights.name, weights_sha256=sha256(files.weights))
    experiment = open_experiment(config, runs, wanted)
    before = find_import(experiment.folder)
    replaced = None if before is None or before.sha256 == wanted.sha256 else before
    _run(experiment, "data", RunOptions(progress=options.progress))

    def check_and_copy(run: StageRun) -> ImportResult:
        _prepare_tensorflow()
        from fpgaae.training.imported import run_import  # noqa: PLC0415

        return run_import(run, files, replaced)

    run_stage(
        experiment, ImportResult, check_and_copy, event_hashes(experiment.config, experiment.config_file), options
    )
    _run(experiment, "reference", options)
    return _run(experiment, "train", options)


def compare_events(experiment: Experiment, other: Path, progress: Progress) -> DriftResult:
    """Evaluate an experiment unless that is done, and compare its test background with another file of events.

    Raises
    ------
    FpgaaeError
        With what is wrong and the way out; what is wrong with the other file is said before anything is evaluated.
    """
    if not other.is_file():
        raise InputError(f"the event file {other} does not exist; give one to `--against`")
    count_events(other, experiment.config.data)
    run(experiment, "evaluate", RunOptions(progress=progress))
    from fpgaae.evaluation.drift_run import run_drift  # noqa: PLC0415

    return run_drift(experiment, other, progress)


def evaluate_events(experiment: Experiment, other: Path, progress: Progress) -> OtherEvents:
    """Evaluate an experiment unless that is done, and then on the events of another config.

    Raises
    ------
    FpgaaeError
        With what is wrong and the way out; what is wrong with the other config is said before anything is evaluated.
    """
    _prepare_tensorflow()
    from fpgaae.evaluation.other_events import load_other, run_other_events  # noqa: PLC0415

    load_other(experiment, other)
    run(experiment, "evaluate", RunOptions(progress=progress))
    return run_other_events(experiment, other, progress)


def explore(experiment: Experiment, wanted: Sequence[str], options: RunOptions) -> dict[str, Outcome[UseResult]]:
    """Make uses of the float method of an experiment, which is trained unless that is done.

    Parameters
    ----------
    wanted
        Names of uses; none: all that the method has.

    Raises
    ------
    InputError
        If the config has no method, or the method not one of the uses; nothing is then trained.
    """
    if experiment.config.method is None:
        raise InputError(
            f"{experiment.config_file} has no `method`, of which there would be uses; give one of configs/reference/"
        )
    if unknown := [use for use in wanted if use not in USES]:
        raise InputError(f"there is no use {unknown[0]}; there are {', '.join(USES)}")
    from fpgaae.training.methods.backend import prepare  # noqa: PLC0415

    prepare()
    from fpgaae.explore.run import require_uses, run_use, uses_of  # noqa: PLC0415

    require_uses(wanted, experiment.config)
    for stage in ("data", "reference"):
        run(experiment, stage, RunOptions(progress=options.progress))
    hashes = event_hashes(experiment.config, experiment.config_file)
    return {
        use: run_stage(experiment, RESULTS[use], partial(run_use, name=use), hashes, options)
        for use in wanted or uses_of(experiment.config)
    }


def train_together(experiment: Experiment, place: Place, options: RunOptions) -> Outcome[StageResult] | None:
    """Train the float method of an experiment on several processes, this one of them, unless its result is current.

    Each runs `PART` beside itself, which does the training, so that the end of one is known to all (`fpgaae.meeting`).

    Returns
    -------
    The outcome, which the first process has; None of the others.

    Raises
    ------
    FpgaaeError
        With what is wrong and the way out.
    """
    _require_trained_together(experiment)
    hashes = event_hashes(experiment.config, experiment.config_file)
    current = None
    if not place.process and not options.force:
        current = find_current(experiment, ReferenceResult, hashes)
    require_current(experiment, "data", hashes, wanted="reference")
    same = {
        "config, or other events,": fingerprint(experiment, "reference", hashes)[:16],
        "result of the stage `data`": sha256_of_text(str(recorded_hashes(experiment.stage_folder("data"))))[:16],
        **{f"version of {name}": str(installed_version(name)) for name in ("fpgaae", "jax", "jaxlib", "keras")},
    }
    port = free_port() if current is None else None
    agreed = {"coordinator": port and f"{place.coordinator.rpartition(':')[0]}:{port}"}
    with options.progress.task("the other processes", None):
        meeting = meet(place, same, agreed)
    with meeting, tempfile.TemporaryDirectory(prefix="fpgaae-") as folder:
        if meeting.agreed["coordinator"] is None:
            return None if current is None else Outcome(current, True)
        log = Path(folder) / "native.log"
        part = {
            "config": str(experiment.config_file), "runs": str(experiment.folder.parent), "force": options.force,
            "place": [place.process, place.processes, meeting.agreed["coordinator"]], "log": str(log),
            "is_shown": not place.process and not isinstance(options.progress, SilentProgress),
        }  # fmt: skip
        try:
            with program_beside([sys.executable, "-m", PART, json.dumps(part)]) as program:
                meeting.watch(program)
        except FpgaaeError:
            if log.is_file():
                _log.debug("%s", log.read_text(encoding="utf-8", errors="replace")[-_LOGGED:])
            raise
    return None if place.process else Outcome(experiment.result(ReferenceResult), False)


def run_part(experiment: Experiment, place: Place, options: RunOptions) -> None:
    """Do the part of one process of a training together; the first writes its result."""

    def train(run: StageRun) -> ReferenceResult:
        prepare_together(place)
        from fpgaae.training.methods.stage import run_method  # noqa: PLC0415

        return run_method(run)

    from fpgaae.training.methods.backend import prepare_together  # noqa: PLC0415

    hashes = event_hashes(experiment.config, experiment.config_file)
    if not place.process:
        run_stage(experiment, ReferenceResult, train, hashes, options)
        return
    prepare_together(place)
    from fpgaae.training.methods.stage import take_part  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="fpgaae-") as folder:
        take_part(StageRun(experiment, Path(folder), Path(folder), hashes))


def _require_trained_together(experiment: Experiment) -> None:
    """Refuse what is not trained on several processes."""
    method = experiment.config.method
    if method is None:
        raise InputError(
            f"{experiment.config_file} has no `method`, and only a float method is trained on several processes; give "
            "one of configs/reference/, or leave out the options for several"
        )
    if has_closed_form(method.kind):
        raise InputError(
            f"the method {method.kind} has a closed form, and no training; leave out the options for several processes"
        )
    from fpgaae.training.methods.backend import require_jax  # noqa: PLC0415

    require_jax()


def _run(
    experiment: Experiment, stage: str, options: RunOptions, hashes: Mapping[str, str] | None = None
) -> Outcome[StageResult]:
    kind, work = _STAGES[stage]
    _require_possible(experiment, stage)
    if experiment.imported is not None and stage in _MADE_BY_IMPORT:
        work = _imported_reference if stage == "reference" else _imported_train
    return run_stage(
        experiment,
        kind,
        work,
        event_hashes(experiment.config, experiment.config_file) if hashes is None else hashes,
        options,
    )


def _require_possible(experiment: Experiment, stage: str) -> None:
    """Refuse a stage that the experiment can't have."""
    if (method := experiment.config.method) is not None and stage not in _OF_A_METHOD:
        raise InputError(
            f"{experiment.config_file} names the method {method.kind}, which has no quantized twin for `{stage}`; give "
            f"its weights to an experiment with firmware, by `training.reference.weights_of: {experiment.config_file}`"
        )
    if stage == "trace" and experiment.config.firmware.reloadable_weights:
        raise InputError(f"{experiment.config_file} can't be traced: {NOT_TRACED}")


def _data(run: StageRun) -> DataResult:
    from fpgaae.data.stage import run_data  # noqa: PLC0415

    return run_data(run)


def _reference(run: StageRun) -> ReferenceResult:
    if run.config.method is not None:
        from fpgaae.training.methods.backend import prepare  # noqa: PLC0415

        prepare(len(run.config.ensemble.members(run.config.seed)))
        from fpgaae.training.methods.stage import run_method  # noqa: PLC0415

        return run_method(run)
    _prepare_tensorflow()
    if run.config.training.reference.weights_of is not None:
        from fpgaae.training.warm_start import run_warm_start  # noqa: PLC0415

        return run_warm_start(run)
    if run.config.training.embedding is not None:
        from fpgaae.training.embedding import run_embedded_reference  # noqa: PLC0415

        return run_embedded_reference(run)
    from fpgaae.training.reference import run_reference  # noqa: PLC0415

    return run_reference(run)


def _train(run: StageRun) -> TrainResult:
    _prepare_tensorflow()
    if run.config.training.quantizes_after:
        from fpgaae.training.post_training import run_post_training  # noqa: PLC0415

        return run_post_training(run)
    from fpgaae.training.quantized import run_train  # noqa: PLC0415

    return run_train(run)


def _imported_reference(run: StageRun) -> ReferenceResult:
    _prepare_tensorflow()
    from fpgaae.training.imported_reference import run_imported_reference  # noqa: PLC0415

    return run_imported_reference(run)


def _imported_train(run: StageRun) -> TrainResult:
    _prepare_tensorflow()
    from fpgaae.training.imported_train import run_imported_train  # noqa: PLC0415

    return run_imported_train(run)


def _convert(run: StageRun) -> ConvertResult:
    _prepare_tensorflow()
    from fpgaae.hls.convert_stage import run_convert  # noqa: PLC0415

    return run_convert(run)


def _csim(run: StageRun) -> CsimResult:
    from fpgaae.hls.csim import run_csim  # noqa: PLC0415

    return run_csim(run)


def _prove(run: StageRun) -> ProveResult:
    from fpgaae.prove.run import run_prove  # noqa: PLC0415

    return run_prove(run)


def _trace(run: StageRun) -> TraceResult:
    require("da4ml", "Verilog and VHDL are traced with it")
    from fpgaae.rtl.trace_stage import run_trace  # noqa: PLC0415

    return run_trace(run)


def _rtl(run: StageRun) -> RtlResult:
    require("da4ml", "its interpreter runs beside the simulation")
    from fpgaae.rtl.simulate import run_rtl  # noqa: PLC0415

    return run_rtl(run)


def _synth(run: StageRun) -> SynthResult:
    from fpgaae.rtl.synthesize import run_synth  # noqa: PLC0415

    return run_synth(run)


def _place(run: StageRun) -> PlaceResult:
    require("da4ml", "it cuts the logic into stages")
    from fpgaae.place.stage import run_place  # noqa: PLC0415

    return run_place(run)


def _evaluate(run: StageRun) -> MetricsResult:
    _prepare_tensorflow()
    from fpgaae.evaluation.stage import run_evaluate  # noqa: PLC0415

    return run_evaluate(run)


def _report(run: StageRun) -> ReportResult:
    from fpgaae.report.stage import run_report  # noqa: PLC0415

    return run_report(run)


def _prepare_tensorflow() -> None:
    from fpgaae.tensorflow_setup import prepare  # noqa: PLC0415

    prepare()


_STAGES = {
    kind.STAGE: _Stage(kind, work)
    for kind, work in (
        (DataResult, _data),
        (ReferenceResult, _reference),
        (TrainResult, _train),
        (ConvertResult, _convert),
        (CsimResult, _csim),
        (ProveResult, _prove),
        (TraceResult, _trace),
        (RtlResult, _rtl),
        (SynthResult, _synth),
        (PlaceResult, _place),
        (MetricsResult, _evaluate),
        (ReportResult, _report),
    )
}
