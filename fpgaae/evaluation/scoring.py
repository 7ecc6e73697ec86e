"""The score of every model on every event: float, quantized, firmware, a teacher, and those without a network.

What the scores are compared by does not belong here. This module imports TensorFlow (Keras 2 for the quantized model,
Keras 3 for the float one).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.features import FeatureMap
from fpgaae.data.inputs import BLOCK_EVENTS, Split, open_split
from fpgaae.evaluation.baseline_scores import Score, baseline_scorers
from fpgaae.evaluation.comparison import FIRMWARE, FLOAT, QUANTIZED, TEACHER
from fpgaae.fixedpoint import Codes, parse_type, values_of
from fpgaae.golden.partial import PartialNetwork, shadow_weights
from fpgaae.golden.scores.base import score_class
from fpgaae.hls.csim import SCORES_FILE
from fpgaae.models.extract import extract_network
from fpgaae.models.float_output import open_float_output
from fpgaae.models.quantized import MODEL_FILE, load_quantized
from fpgaae.models.teacher import find_taught, open_teacher
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.run import StageRun

_BATCH = 8192
Scores = dict[str, dict[str, NDArray[np.float64]]]  # model -> process -> one a event


def score_events(run: StageRun) -> Scores:
    """Score every event of the C simulation with every model."""
    split = open_split(run, "train")
    firmware = _firmware_scores(run)
    scores = _score_all(run, open_scorers(run, split), {process: len(found) for process, found in firmware.items()})
    scores[FIRMWARE] = firmware
    return scores


def open_scorers(run: StageRun, split: Split) -> dict[str, Score]:
    """Open every model but the firmware as a function from hardware codes to scores.

    Parameters
    ----------
    split
        The training events of the background, which PCA is fitted on.
    """
    models: dict[str, Score] = {FLOAT: float_scorer(run, split), QUANTIZED: _quantized(run, split.features)}
    if find_taught(run) is not None:
        models[TEACHER] = open_teacher(run.upstream("reference"), run.config, split)
    return models | baseline_scorers(run, split)


def open_partial(run: StageRun) -> PartialNetwork:
    """Open the trained network with the weights that its own were rounded from."""
    model = load_quantized(str(run.upstream("train") / MODEL_FILE))
    network = extract_network(model)
    return PartialNetwork(network, shadow_weights(model, network))


def _firmware_scores(run: StageRun) -> dict[str, NDArray[np.float64]]:
    """Read what the firmware put out, by process; its codes have fewer than 53 bits and are exact in float64."""
    fraction = parse_type(run.result(CsimResult).score_type).fraction
    with np.load(run.upstream("csim") / SCORES_FILE, allow_pickle=False) as codes:
        return {process: values_of(codes[process], fraction) for process in codes}


def float_scorer(run: StageRun, split: Split) -> Score:
    """Give the function from hardware codes (n, n_features) to the scores (n,) of the float reference."""
    model = run.config.model
    output = open_float_output(run.upstream("reference"), run.config)

    def score(codes: Codes) -> NDArray[np.float64]:
        x = split.clipped(split.features.values(codes).astype(np.float32))
        compared, found = x, output(x)
        if model.compared_layer is not None:
            compared, found = np.split(found, 2, axis=1)
        return score_class(model.score).float_value(compared, found, split.features.empty_slot_values())

    return score


def _quantized(run: StageRun, features: FeatureMap) -> Score:
    """Give the score as the Keras model itself predicts it, in float32."""
    model = load_quantized(str(run.upstream("train") / MODEL_FILE))

    def score(codes: Codes) -> NDArray[np.float64]:
        x = features.values(codes).astype(np.float32).reshape(-1, *model.input_shape[1:])
        return np.asarray(model.predict(x, batch_size=_BATCH, verbose=0)[:, 0], dtype=np.float64)

    return score


def _score_all(run: StageRun, models: dict[str, Score], lengths: Mapping[str, int]) -> Scores:
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
