"""The stage `evaluate`: float, quantized and firmware scores on the events that the C simulation ran, side by side.

This module imports TensorFlow (Keras 2 for the quantized model, Keras 3 for the float one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.artifacts import Json, StageRun
from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.evaluation.baselines import PcaBaseline, n_objects, sum_pt
from fpgaae.evaluation.bootstrap import BootstrapSettings
from fpgaae.evaluation.comparison import BASELINES, DELTAS, FIRMWARE, FLOAT, QUANTIZED, area_tests, compare
from fpgaae.evaluation.decisions import decisions
from fpgaae.evaluation.figures import figure_svg, roc_figure, save_figure, score_figure
from fpgaae.evaluation.metrics import roc_curve
from fpgaae.evaluation.verdicts import verdicts
from fpgaae.fixedpoint import Codes, parse_type, values_of
from fpgaae.hls.csim import SCORES_FILE
from fpgaae.models.float_output import open_float_output
from fpgaae.models.float_scores import float_score
from fpgaae.models.quantized import MODEL_FILE, load_quantized
from fpgaae.training.events import BLOCK_EVENTS, Split, open_split

FIGURES_FOLDER = "figures"
_BATCH = 8192
_MET = "met"
Score = Callable[[Codes], NDArray[np.float64]]
Scores = dict[str, dict[str, NDArray[np.float64]]]  # model -> process -> one a event


def run_evaluate(run: StageRun) -> Json:
    """Score every event of the C simulation with every model, and compare per signal."""
    config = run.config
    if set(config.data.files) == {config.data.background}:
        raise InputError(f"{run.experiment.config_file} names no signal in `data.files`; add one to evaluate")
    split = open_split(run, "train")
    firmware = _firmware_scores(run)
    models: dict[str, Score] = {FLOAT: _float(run, split), QUANTIZED: _quantized(run, split.features)}
    models |= dict(zip(BASELINES, _baselines(run, split), strict=True))
    scores = _score_all(run, models, {process: len(found) for process, found in firmware.items()})
    scores[FIRMWARE] = firmware
    groups = {process: split.store.groups(process, "test", limit=len(found)) for process, found in firmware.items()}
    settings = BootstrapSettings(
        n_replicas=config.evaluation.bootstrap_replicas,
        confidence_level=config.evaluation.confidence_level,
        seed=config.seed,
    )
    with run.progress.task("bootstrap", None):
        result = compare(scores, groups, config.data.background, settings).to_json()
        result["delong"] = area_tests(scores, groups, config.data.background)
    result["verdicts"] = verdicts({model: result[key] for model, key in DELTAS.items()})
    thresholds = run.result("csim")["thresholds"]
    level = config.evaluation.confidence_level
    result["decisions"] = decisions(scores, config.data.background, thresholds, config.trigger, level)
    _write_figures(run, scores)
    return result


def _firmware_scores(run: StageRun) -> dict[str, NDArray[np.float64]]:
    """Read what the firmware put out, by process; its codes have fewer than 53 bits and are exact in float64."""
    fraction = parse_type(run.result("csim")["score_type"]).fraction
    with np.load(run.upstream("csim") / SCORES_FILE, allow_pickle=False) as codes:
        return {process: values_of(codes[process], fraction) for process in codes}


def _float(run: StageRun, split: Split) -> Score:
    model = run.config.model
    output = open_float_output(run.upstream("reference"), run.config, len(split.features))

    def score(codes: Codes) -> NDArray[np.float64]:
        x = split.clipped(split.features.values(codes).astype(np.float32))
        return float_score(model.score, x, output(x), split.features.empty_slot_values())

    return score


def _quantized(run: StageRun, features: FeatureMap) -> Score:
    """Give the score as the Keras model itself predicts it, in float32."""
    model = load_quantized(str(run.upstream("train") / MODEL_FILE))

    def score(codes: Codes) -> NDArray[np.float64]:
        x = features.values(codes).astype(np.float32).reshape(-1, *model.input_shape[1:])
        return np.asarray(model.predict(x, batch_size=_BATCH, verbose=0)[:, 0], dtype=np.float64)

    return score


def _baselines(run: StageRun, split: Split) -> Iterator[Score]:
    """Give the scores without a network: sum of pT, number of objects, principal components."""
    names = [feature.hardware for feature in split.features.features]
    objects = [i for i, f in enumerate(names) if f.quantity == "pt" and not f.name.startswith(_MET)]
    yield lambda codes: sum_pt(codes[:, objects]).astype(np.float64)
    yield lambda codes: n_objects(codes[:, objects]).astype(np.float64)
    components = min(run.config.evaluation.pca_components, len(split.features))
    pca = PcaBaseline.fit((split.clipped(block) for block in split.ordered_blocks()), components)
    yield lambda codes: pca.score(split.clipped(split.features.values(codes).astype(np.float32)))


def _score_all(run: StageRun, models: dict[str, Score], lengths: dict[str, int]) -> Scores:
    store = open_split(run, "test").store
    scores: Scores = {}
    with run.progress.task("scores", sum(lengths.values())) as task:
        for process, length in lengths.items():
            parts: dict[str, list[NDArray[np.float64]]] = {model: [] for model in models}
            for codes in store.chunks(process, "test", BLOCK_EVENTS, limit=length):
                for model, score in models.items():
                    parts[model].append(score(codes))
                task.advance(len(codes))
            for model, found in parts.items():
                scores.setdefault(model, {})[process] = np.concatenate(found)
    return scores


def _write_figures(run: StageRun, scores: Scores) -> None:
    folder: Path = run.folder / FIGURES_FOLDER
    folder.mkdir()
    background = run.config.data.background
    signals = [process for process in scores[FIRMWARE] if process != background]
    curves = {
        signal: {model: roc_curve(found[background], found[signal]) for model, found in scores.items()}
        for signal in signals
    }
    figures = {"scores": score_figure(scores[FIRMWARE], background, run.config.trigger.false_positive_rates[0])}
    if curves:
        figures["roc"] = roc_figure(curves, len(scores[FIRMWARE][background]))
    for name, figure in figures.items():
        save_figure(figure, folder, name)
        (folder / f"{name}.svg").write_text(figure_svg(figure), encoding="utf-8")
