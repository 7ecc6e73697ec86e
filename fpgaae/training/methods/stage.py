"""The stage `reference` of a config with `method:`: every member trained, scored and compared.

This module imports Keras 3, with the backend that `fpgaae.training.methods.backend` chose.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.inputs import BLOCK_EVENTS, open_split
from fpgaae.data.source import weights_of
from fpgaae.evaluation.baseline_scores import baseline_scorers
from fpgaae.methods.base import MethodOptions, ScoreFunction
from fpgaae.methods.ensemble import Ensemble
from fpgaae.methods.registry import method_class
from fpgaae.models.method_networks import build_networks, load_members, save_members
from fpgaae.models.method_scorer import Members, Scorer, keras_scorer
from fpgaae.models.method_setting import input_moments, setting_of
from fpgaae.optional import require
from fpgaae.runs.results.reference import MemberResult, MethodReference
from fpgaae.runs.run import StageRun
from fpgaae.statistics import Weights
from fpgaae.training.methods.backend import JAX, TRAINS, backend, device, spans_processes
from fpgaae.training.methods.figures import write_figures
from fpgaae.training.methods.job import Job, MemberHistory, Totals, Trained, solve
from fpgaae.training.methods.mixtures import shared_columns, training_columns, unseen_columns
from fpgaae.training.methods.separation import mean_and_spread, separation

_DRAWN_SCORES = 3
MemberScores = dict[str, dict[str, NDArray[np.float64]]]  # score -> process -> (n_members, n)


class TrainedMethod(NamedTuple):
    """A method whose training is done, to be used: what was trained, and the weights of every member."""

    job: Job
    trained: Trained


def run_method(run: StageRun) -> MethodReference:
    """Train the method of the config, score the test events of every process, and write weights and result."""
    job = open_job(run)
    trained = train(job)
    n_processes = _part()
    save_members(run.folder, trained.networks, trained.values)
    scores = score_processes(run, job, trained)
    background = run.config.data.background
    baselines = score_without_network(run)
    with run.progress.task("figures", None):
        first = {name: {process: own[0] for process, own in found.items()} for name, found in scores.items()}
        write_figures(run.folder, dict(list(first.items())[:_DRAWN_SCORES]) | baselines, background, trained.histories)
    store = open_split(run, "test").store
    weights = weights_of({process: store.columns(process, "test") for process in run.config.data.files})
    result = _result(job, trained, scores, baselines, background, weights)
    return replace(result, n_processes=n_processes)


def take_part(run: StageRun) -> None:
    """Train the method of the config together with the first process, which has the outcome."""
    train(open_job(run))
    _part()


def _part() -> int:
    """Part from the other processes that trained, and give how many they were, with this one."""
    if not spans_processes():
        return 1
    jax = require("jax", TRAINS)
    n = int(jax.process_count())
    jax.distributed.shutdown()
    return n


def open_job(run: StageRun) -> Job:
    """Say what the config wants to be trained on which events."""
    config = run.config
    if config.method is None:
        raise ValueError("a config without a method is not trained here")
    return job_of(run, config.method, config.ensemble)


def job_of(run: StageRun, options: MethodOptions, ensemble: Ensemble) -> Job:
    """Say which method is to be trained on the events of a config, with which seeds and points."""
    config, found = run.config, method_class(options.kind)
    members, features = ensemble.members(config.seed), open_split(run, "train").features
    if spans_processes():
        require("jax", TRAINS)
        from fpgaae.training.methods.together import moments_of_all, rows_here  # noqa: PLC0415

        (training, n), (validation, n_validation) = (
            shared_columns(run, name, found, rows_here) for name in ("train", "validation")
        )
        moments, totals = moments_of_all(training["x"]), Totals(n, n_validation)
    else:
        training, validation = (training_columns(run, name, found) for name in ("train", "validation"))
        moments, totals = input_moments(training["x"]), None
    method = found(options, setting_of(config, features, moments))
    fit = config.training.reference
    return Job(method, members, fit, training, validation, run.scratch, run.progress, totals)


def train(job: Job) -> Trained:
    """Train with the loop of the backend that Keras has, or take the closed form."""
    if (solved := solve(job)) is not None:
        return solved
    if backend() == JAX:
        require("jax", TRAINS)
        from fpgaae.training.methods.jax_loop import train_with_jax  # noqa: PLC0415

        return train_with_jax(job)
    from fpgaae.training.methods.keras_loop import train_with_keras  # noqa: PLC0415

    return train_with_keras(job)


def score_processes(run: StageRun, job: Job, trained: Trained) -> MemberScores:
    """Score the test events of every process with every score that the config names."""
    functions = job.method.scores()
    names = job.method.options.scores or tuple(functions)
    knobs = [job.knobs(member) for member in job.members]
    scores: MemberScores = {name: {} for name in names}
    scorers = {name: open_scorer(functions[name], trained, knobs) for name in names}
    with run.progress.task("scores", len(run.config.data.files)) as task:
        for process in run.config.data.files:
            columns = unseen_columns(run, process, type(job.method))
            for name, scorer in scorers.items():
                scores[name][process] = scorer(columns)
            task.advance()
    return scores


def score_without_network(run: StageRun) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Score the same events without a network, by name and process."""
    split = open_split(run, "train")
    scorers = baseline_scorers(run, split)
    scores: dict[str, dict[str, NDArray[np.float64]]] = {name: {} for name in scorers}
    for process in run.config.data.files:
        chunks = list(split.store.chunks(process, "test", BLOCK_EVENTS))
        for name, scorer in scorers.items():
            scores[name][process] = np.concatenate([scorer(codes) for codes in chunks])
    return scores


def open_scorer(function: ScoreFunction, trained: Trained, knobs: list[dict[str, float]]) -> Scorer:
    """Give what scores events with every member, on the backend that Keras has."""
    members = Members(trained.networks, trained.values, knobs)
    if backend() == JAX:
        require("jax", TRAINS)
        from fpgaae.training.methods.jax_scorer import jax_scorer  # noqa: PLC0415

        return jax_scorer(function, members)
    return keras_scorer(function, members)


def open_trained(run: StageRun) -> TrainedMethod:
    """Open the trained method that a run folder holds, for its uses.

    Parameters
    ----------
    run
        Of anything behind the stage `reference`.
    """
    job = open_job(run)
    networks = build_networks(job.method, run.config.seed)
    values = load_members(run.upstream("reference"), networks)
    return TrainedMethod(job, Trained(networks, values, (), 0.0, ""))


def _result(
    job: Job, trained: Trained, scores: MemberScores, baselines: MemberScores, background: str, weights: Weights
) -> MethodReference:
    per_score = {name: separation(own, background, weights) for name, own in scores.items()}
    histories = trained.histories or (MemberHistory({}, []),) * len(job.members)
    last = [history.val_loss[-1] for history in trained.histories]
    without_network = {
        name: separation({process: found[None] for process, found in own.items()}, background, weights)
        for name, own in baselines.items()
    }
    return MethodReference(
        method=job.method.options.kind,
        backend=backend(),
        device=device(),
        n_devices=trained.n_devices,
        loop=trained.loop,
        precision=job.fit.precision,
        events_per_second=round(trained.events_per_second, 1),
        epochs=len(histories[0].val_loss),
        val_loss=float(np.mean(last)) if last else None,
        scores={name: mean_and_spread(members) for name, members in per_score.items()},
        baselines={name: mean_and_spread(members) for name, members in without_network.items()},
        members=tuple(
            MemberResult(
                seed=member.seed,
                point=member.point,
                loss=tuple(history.loss),
                terms={name: tuple(own) for name, own in history.terms.items()},
                val_losses=tuple(history.val_loss),
                scores={name: members[i] for name, members in per_score.items()},
            )
            for i, (member, history) in enumerate(zip(job.members, histories, strict=True))
        ),
    )
