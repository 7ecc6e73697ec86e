"""One experiment with several seeds: whether a figure is the experiment's or a seed's.

Every seed is an experiment of its own in `runs/repeat/NAME/`, on the same split of the events: its stages are current
or not as those of any other, so that a killed repetition goes on where it was. What is measured is a scan's trial: the
scores of the integer network, whose codes are the firmware's bits, and the cost of the traced trigger block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae import pipeline
from fpgaae.config.experiment import Config
from fpgaae.data.readers import event_hashes
from fpgaae.data.splits import SPLITS
from fpgaae.errors import CheckFailed, InputError
from fpgaae.evaluation.bootstrap import DEFAULT_FPRS
from fpgaae.evaluation.comparison import MIN_BACKGROUND_EVENTS
from fpgaae.files import lock, write_json
from fpgaae.optional import require
from fpgaae.progress import Progress, SilentProgress
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.record import as_json
from fpgaae.runs.results.metrics import fpr_key
from fpgaae.runs.results.repeat import OverSeeds, RepeatResult, SignalOverSeeds
from fpgaae.runs.results.scan import TrialResult
from fpgaae.runs.results.synth import SynthResult
from fpgaae.runs.run import RunOptions
from fpgaae.runs.stages import STAGES
from fpgaae.scan import work
from fpgaae.scan.layout import write_config
from fpgaae.scan.measurement import Measurement
from fpgaae.scan.plan import with_absolute_files

RESULT_FILE = "repeat.json"
_LEAST = "train"  # which a measurement needs


@dataclass(frozen=True)
class RepeatOptions:
    """How often, and how far."""

    n_seeds: int = 5  # the experiment's seed and those behind it
    stage: str = _LEAST  # run up to it, and measured
    judged_on: str | None = None  # test or validation; None: as the config says
    false_positive_rate: float = 1e-3  # that is asked for: it must be one of those that are measured
    progress: Progress = SilentProgress()  # noqa: RUF009


class _Finished(NamedTuple):
    """A seed that was run and measured."""

    trial: TrialResult
    measured: Measurement
    synth: SynthResult | None


def run_repeat(file: Path, runs: Path, options: RepeatOptions) -> RepeatResult:
    """Run what is missing of every seed, and write the mean and spread over them.

    Raises
    ------
    FpgaaeError
        With what is wrong and the way out; what was finished stays finished.
    """
    base = open_experiment(file, runs)
    _require_possible(base, options)
    require("da4ml", work.COUNTING)
    folder = (runs / "repeat" / base.name).resolve()
    hashes = event_hashes(base.config, file)
    seeds = tuple(range(base.config.seed, base.config.seed + options.n_seeds))
    with lock(folder), options.progress.task(f"seeds of {base.name}", len(seeds)) as task:
        found = []
        for seed in seeds:
            experiment = _experiment_of(base, folder, seed, options)
            _run(experiment, hashes, options)
            found.append(_read(experiment, options))
            task.advance()
        result = _summary(base, folder, seeds, found, options)
        write_json(folder / RESULT_FILE, as_json(result))
    return result


def _require_possible(base: Experiment, options: RepeatOptions) -> None:
    if (method := base.config.method) is not None:
        raise InputError(
            f"{base.config_file} names the method {method.kind}, which has no firmware to repeat; train it with "
            "several seeds by `ensemble: {seeds: 5}`"
        )
    if base.config.firmware.reloadable_weights:
        raise InputError(
            "the area of constant weights is estimated; set firmware.reloadable_weights to false to repeat "
            f"{base.config_file}"
        )
    if base.config.data.files.keys() == {base.config.data.background}:
        raise InputError(f"{base.config_file} names no signal in `data.files`; add one to measure the seeds by")
    if options.judged_on not in (None, *SPLITS[1:]):
        raise InputError(f"there is no split {options.judged_on} to judge by; there are {' and '.join(SPLITS[1:])}")
    if options.false_positive_rate not in DEFAULT_FPRS:
        raise InputError(
            f"no efficiency is measured at --rate {options.false_positive_rate:g}; there are "
            f"{', '.join(map(fpr_key, DEFAULT_FPRS))}"
        )
    if options.stage not in STAGES:
        raise InputError(f"there is no stage {options.stage}; there are {', '.join(STAGES)}")


def _experiment_of(base: Experiment, folder: Path, seed: int, options: RepeatOptions) -> Experiment:
    """Give the experiment with a seed, on the split of the base, and write it."""
    file = folder / f"seed_{seed}.yaml"
    config = with_absolute_files(_with_seed(base.config, seed, options.judged_on), base.config_file)
    write_config(file, config, f"{base.config_file.name} with seed {seed}.")
    return Experiment(file, config, folder / file.stem, taken=base.taken, teachers=base.teachers)


def _with_seed(config: Config, seed: int, judged_on: str | None) -> Config:
    split = config.data.split.model_copy(update={"seed": config.split_seed})
    judged = {} if judged_on is None else {"judged_on": judged_on}
    return config.model_copy(
        update={
            "seed": seed,
            "data": config.data.model_copy(update={"split": split}),
            "evaluation": config.evaluation.model_copy(update=judged),
        }
    )


def _run(experiment: Experiment, hashes: work.Hashes, options: RepeatOptions) -> None:
    """Run a seed, each stage unless it is current."""
    work.make_repetition(experiment, hashes)
    if options.stage == _LEAST:
        return
    for stage, outcome in pipeline.run_up_to(experiment, options.stage, RunOptions()):
        if (failure := pipeline.failure_of(outcome.result)) is not None:
            raise CheckFailed(f"{stage} of {experiment.config_file}: {failure}")


def _read(experiment: Experiment, options: RepeatOptions) -> _Finished:
    has_synth = "synth" in experiment.stages_up_to(options.stage)
    return _Finished(
        experiment.result(TrialResult),
        Measurement.load(experiment.stage_folder(TrialResult.STAGE)),
        experiment.result(SynthResult) if has_synth else None,
    )


def _summary(
    base: Experiment, folder: Path, seeds: tuple[int, ...], found: Sequence[_Finished], options: RepeatOptions
) -> RepeatResult:
    costs: dict[str, Callable[[_Finished], float]] = {
        "lut": lambda one: one.trial.lut, "ff": lambda one: one.trial.ff, "latency_ns": lambda one: one.trial.latency_ns
    }  # fmt: skip
    over = {name: _over_seeds([cost(one) for one in found]) for name, cost in costs.items()}
    synths = [one.synth for one in found if one.synth is not None]
    if synths:
        over |= {
            "yosys_lut": _over_seeds([synth.lut for synth in synths]),
            "yosys_ff": _over_seeds([synth.ff for synth in synths]),
        }
    measured = [one.measured for one in found]
    return RepeatResult(
        config=str(base.config_file),
        folder=str(folder),
        seeds=seeds,
        stage=options.stage,
        judged_on=options.judged_on or base.config.evaluation.judged_on,
        signals={signal: _signal(measured, place) for place, signal in enumerate(measured[0].signals)},
        costs=over,
        sparsity=_over_seeds([one.trial.sparsity for one in found]),
        val_loss=_over_seeds([one.trial.val_loss for one in found]),
    )


def _signal(measured: Sequence[Measurement], place: int) -> SignalOverSeeds:
    tpr = {}
    for index, fpr in enumerate(measured[0].fprs):
        if min(int(one.background_above[index]) for one in measured) < MIN_BACKGROUND_EVENTS:
            continue
        tied = any(bool(one.tied[index]) for one in measured)
        replicas = [(one.tied_tpr_replicas if tied else one.tpr_replicas)[place, :, index] for one in measured]
        tpr[fpr_key(fpr)] = _over_seeds([float(one.tpr[place, index]) for one in measured], replicas)
    auc = _over_seeds([float(one.auc[place]) for one in measured], [one.auc_replicas[place] for one in measured])
    return SignalOverSeeds(auc=auc, tpr=tpr)


def _over_seeds(values: Sequence[float], replicas: Sequence[NDArray[np.float64]] = ()) -> OverSeeds:
    """Give mean and spread; the networks were resampled alike, so that a replica of the mean is the mean of theirs."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    error = None
    if len(replicas):
        of_events = float(np.std(np.mean(replicas, axis=0), ddof=1))
        error = float(np.hypot(of_events, (spread or 0.0) / np.sqrt(len(values))))
    return OverSeeds(
        mean=float(np.mean(values)), spread=spread, standard_error=error, by_seed=tuple(map(float, values))
    )
