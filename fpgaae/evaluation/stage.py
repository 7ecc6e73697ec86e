"""The stage `evaluate`: float, quantized and firmware scores on the events that the C simulation ran, side by side.

This module imports TensorFlow (Keras 2 for the quantized model, Keras 3 for the float one).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.config.experiment import Labels
from fpgaae.data.inputs import open_split
from fpgaae.data.source import weights_of
from fpgaae.evaluation.ablation import ABLATIONS, ablated_scores, compare_parts
from fpgaae.evaluation.bootstrap import BootstrapSettings
from fpgaae.evaluation.comparison import FIRMWARE, FLOAT, TEACHER
from fpgaae.evaluation.compression_run import run_compression
from fpgaae.evaluation.cuts import Followed, follow
from fpgaae.evaluation.figure_files import figure_svg, head, save_figure
from fpgaae.evaluation.figures import roc_figure, score_figure
from fpgaae.evaluation.layer_errors import LayerErrors
from fpgaae.evaluation.metrics import RocCurve, roc_curve
from fpgaae.evaluation.rate_figures import column_figure, layer_figure, loss_figure, profile_figure, rate_figure
from fpgaae.evaluation.results import bootstrap_settings, evaluate_scores
from fpgaae.evaluation.review.run import ScoredEvents, run_review
from fpgaae.evaluation.roc_bands import Band, roc_bands
from fpgaae.evaluation.scoring import Scores, open_partial, score_events
from fpgaae.evaluation.student import compare_with_teacher, sizes
from fpgaae.evaluation.student_figure import Pair, student_figure
from fpgaae.files import write_json
from fpgaae.golden.partial import PartialNetwork
from fpgaae.hls.cells import cell_of
from fpgaae.hls.working_points import kept_crossings
from fpgaae.models.teacher import Taught, find_taught
from fpgaae.runs.record import as_json
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.metrics import Ablation, LayerLoss, MetricsResult, StudentComparison
from fpgaae.runs.results.review import REVIEW_FILE
from fpgaae.runs.run import StageRun
from fpgaae.statistics import Weights

FIGURES_FOLDER = "figures"
_log = logging.getLogger(__name__)
_BLOCK_EVENTS = 4096
Groups = dict[str, NDArray[np.int64]]
Bands = dict[str, dict[str, Band]]
_T = TypeVar("_T")


def run_evaluate(run: StageRun) -> MetricsResult:
    """Score every event of the C simulation with every model, and compare per signal, of which there may be none."""
    config = run.config
    background = config.data.background
    scores = score_events(run)
    store = open_split(run, "test").store
    lengths = {process: len(found) for process, found in scores[FIRMWARE].items()}
    groups = {process: store.groups(process, "test", limit=length) for process, length in lengths.items()}
    columns = {process: store.columns(process, "test", limit=length) for process, length in lengths.items()}
    settings = bootstrap_settings(config)
    with run.progress.task("bootstrap", None):
        crossings = kept_crossings(config.trigger, run.result(DataResult), background)
        kept = config.model_copy(update={"trigger": crossings})
        followed = _followed(run, lengths)
        of_scores = evaluate_scores(scores, groups, columns, run.result(CsimResult).thresholds, kept, followed)
    network = open_partial(run)
    weights = weights_of(columns)
    ablation, layers = _losses(run, network, groups, settings, weights)
    figures: dict[str, Callable[[], Figure]] = {}
    compression, distillation = None, None
    if (limit := config.evaluation.compression_events) is not None:
        with run.progress.task("compression", None):
            compression, drawn = run_compression(run, limit)
            figures["compression"] = lambda: drawn
    if (taught := find_taught(run)) is not None:
        distillation = _distillation(run, taught, scores, groups, settings, weights)
        pairs, target = _student_pairs(scores, distillation), taught.target
        figures["student"] = lambda: student_figure(_labelled(pairs, config.data.label), target)
    result = MetricsResult(
        **vars(of_scores), ablation=ablation, layers=layers, compression=compression, distillation=distillation
    )
    with run.progress.task("review", None):
        review, of_review = run_review(run, ScoredEvents(scores, groups, columns, followed), result, network)
        write_json(run.folder / REVIEW_FILE, as_json(review))
    with run.progress.task("figures", None):
        banded = {model: scores[model] for model in (FLOAT, FIRMWARE)}
        bands = roc_bands(banded, groups, background, settings, weights)
        failed = _write_figures(run, scores, result, bands, {**figures, **of_review}, weights)
    return replace(result, failed_figures=failed or None)


def _followed(run: StageRun, lengths: Mapping[str, int]) -> Followed | None:
    """Find the cells of the events, where the thresholds follow sums."""
    split = open_split(run, "test")
    events = (
        (process, codes)
        for process, length in lengths.items()
        for codes in split.store.chunks(process, "test", _BLOCK_EVENTS, limit=length)
    )
    return follow(cell_of(run.result(CsimResult).follows, split.features), events, run.config.data.background)


def _losses(
    run: StageRun, network: PartialNetwork, groups: Groups, settings: BootstrapSettings, weights: Weights
) -> tuple[Ablation, tuple[LayerLoss, ...]]:
    """Give what each part of the quantization costs, and each layer's error, on a bounded number of events."""
    split = open_split(run, "test")
    errors = LayerErrors(network)
    parts: dict[str, dict[str, list[NDArray[np.float64]]]] = {name: {} for name in ABLATIONS}
    limit = run.config.evaluation.ablation_events
    bounded = {process: own[:limit] for process, own in groups.items()}
    with run.progress.task("losses", sum(len(own) for own in bounded.values())) as task:
        for process, own in bounded.items():
            for codes in split.store.chunks(process, "test", _BLOCK_EVENTS, limit=len(own)):
                features = split.features.values(codes)
                errors.add(process, features)
                for name, found in ablated_scores(network, features).items():
                    parts[name].setdefault(process, []).append(found)
                task.advance(len(codes))
    scores = {name: {p: np.concatenate(found) for p, found in own.items()} for name, own in parts.items()}
    own_weights = {process: own[:limit] for process, own in weights.items()}
    return compare_parts(scores, bounded, run.config.data.background, settings, own_weights), errors.entries()


def _distillation(
    run: StageRun, taught: Taught, scores: Scores, groups: Groups, settings: BootstrapSettings, weights: Weights
) -> StudentComparison:
    signals, ranks = compare_with_teacher(scores, groups, run.config.data.background, settings, weights)
    return StudentComparison(
        signals=signals,
        rank_correlation=ranks,
        weights=sizes(open_partial(run).network, taught.weights),
        target=taught.target.entry(),
    )


def _student_pairs(scores: Scores, found: StudentComparison) -> dict[str, Pair]:
    ranks = found.rank_correlation
    return {process: Pair(scores[TEACHER][process], own, ranks[process]) for process, own in scores[FIRMWARE].items()}


def _labelled(by_process: Mapping[str, _T], label: Callable[[str], str]) -> dict[str, _T]:
    return {label(process): own for process, own in by_process.items()}


def _write_figures(
    run: StageRun, scores: Scores, result: MetricsResult, bands: Bands, further: Mapping[str, Callable[[], Figure]],
    weights: Weights,
) -> dict[str, str]:  # fmt: skip
    """Draw all figures; say what is wrong with those that can't be drawn, since none of them may lose the numbers."""
    folder = run.folder / FIGURES_FOLDER
    folder.mkdir()
    background = run.config.data.background
    label = run.config.data.label

    def curve(found: Mapping[str, NDArray[np.float64]], signal: str) -> RocCurve:
        own, of_signal = weights.get(background), weights.get(signal)
        return roc_curve(found[background], found[signal], background_weights=own, signal_weights=of_signal)

    curves = {
        label(signal): {model: curve(found, signal) for model, found in scores.items()}
        for signal in scores[FIRMWARE]
        if signal != background
    }
    named = _labelled(scores[FIRMWARE], label)
    figures: dict[str, Callable[[], Figure]] = {
        **further,
        "scores": lambda: score_figure(
            named, label(background), run.config.trigger.false_positive_rates[0], _labelled(weights, label)
        ),
        "rates": lambda: rate_figure(result.rates, [decision.value for decision in result.decisions]),
        "profiles": lambda: profile_figure(result.correlation),
        "layers": lambda: layer_figure(result.layers, label),
    }
    if curves:  # of signals
        n_events = len(scores[FIRMWARE][background])
        figures["roc"] = lambda: roc_figure(curves, n_events, _labelled(bands, label), result.labels)
        figures["losses"] = lambda: loss_figure(result.ablation, label)
    if by_column := result.rates.by_column:
        figures["columns"] = lambda: column_figure(
            by_column, [decision.requested_rate_khz for decision in result.decisions]
        )
    labels = run.config.evaluation.labels
    drawn = {name: _draw(draw, folder, name, labels) for name, draw in figures.items()}
    return {name: failure for name, failure in drawn.items() if failure is not None}


def _draw(draw: Callable[[], Figure], folder: Path, name: str, labels: Labels) -> str | None:
    """Draw a figure into its files; say what is wrong where that fails."""
    try:
        figure = draw()
        head(figure, labels)
        save_figure(figure, folder, name)
        (folder / f"{name}.svg").write_text(figure_svg(figure), encoding="utf-8")
    except OSError:  # a full disk is no fault of a figure
        raise
    except Exception as error:  # noqa: BLE001 - whatever a drawing library raises
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        _log.warning("the figure %s can't be drawn (%s); the numbers are written all the same", name, said)
        return said
    return None
